package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage/audit"
)

// AuditEntry is an entry of the audit log as the operator sees it.
type AuditEntry struct {
	Time        time.Time           `json:"time"`
	What        string              `json:"what"`
	Platform    crmgate.Platform    `json:"platform,omitempty"`
	By          string              `json:"by,omitempty"`
	Admin       crmgate.ExtensionID `json:"admin,omitempty"` // see AdminName
	Request     string              `json:"requestId,omitempty"`
	Outcome     string              `json:"outcome,omitempty"`
	Reason      string              `json:"reason,omitempty"`
	Count       uint64              `json:"count,omitempty"`
	User        crmgate.UserID      `json:"user,omitempty"` // while the user exists
	Name        string              `json:"name,omitempty"`
	UserHash    string              `json:"userHash,omitempty"`
	Account     crmgate.AccountID   `json:"rcAccountId,omitempty"` // while the user exists
	AccountHash string              `json:"rcAccountHash,omitempty"`
	Node        string              `json:"node"`
	Number      uint64              `json:"entry"`
}

// Audit calls fn for the matching entries of the audit log, newest last. Empty arguments match every entry.
func (d Directory) Audit(ctx context.Context, since time.Time, p crmgate.Platform, user crmgate.UserID, fn func(AuditEntry) error) error {
	return d.DB.Audit().Read(ctx, audit.Query{Since: since, Platform: p, User: user}, func(e audit.Entry) error {
		return fn(NewAuditEntry(e))
	})
}

// NewAuditEntry returns an entry with its codes as words.
func NewAuditEntry(e audit.Entry) AuditEntry {
	return AuditEntry{
		Time: e.At.UTC(), What: e.Kind.String(), Platform: e.Platform, By: e.By.String(), Admin: e.Admin, Request: e.Request, Outcome: e.Outcome.String(), Reason: e.Reason.String(),
		Count: e.Count, User: e.User, Name: e.Name, UserHash: e.UserHash, Account: e.Account, AccountHash: e.AccountHash,
		Node: e.Node, Number: e.Entry,
	}
}

// ShortHash shortens the hash of a user or an account, for people to read.
func ShortHash(hash string) string { return hash[:min(12, len(hash))] }

// AdminName names an admin: by their extension, or by their admin token.
func AdminName(x crmgate.ExtensionID) string {
	if name, ok := identity.TokenName(x); ok {
		return `admin token "` + name + `"`
	}
	return "extension " + string(x)
}

// Counted says in words what Count counts. It is empty for a single event.
func (e AuditEntry) Counted() string {
	switch {
	case e.Count == 0:
		return ""
	case e.Outcome == audit.OutcomeLeftOut.String():
		return fmt.Sprintf("%d failures", e.Count)
	case e.Count == 1:
		return "1 more time within the hour"
	}
	return fmt.Sprintf("%d more times within the hour", e.Count)
}

// AuditReport says what a verification of the audit log has read.
type AuditReport = audit.Report

// VerifyAudit recomputes the audit log's chains and calls problem for each error.
func (d Directory) VerifyAudit(ctx context.Context, problem func(string)) (AuditReport, error) {
	return d.DB.Audit().Verify(ctx, problem)
}
