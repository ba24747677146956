package authflow

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// recordTimeout bounds how long a failure waits for its entry in the audit log.
const recordTimeout = 2 * time.Second

// recordFailure writes a sign-in that did not come about to the audit log, as well as that goes. Platforms that do not
// exist are not recorded: strangers could make up any number of them.
func (f *Flows) recordFailure(ctx context.Context, by storage.EventBy, p crmgate.Platform, in SignedIn, err error) {
	e := storage.Event{Kind: storage.EventSignIn, By: by, Outcome: storage.OutcomeError, Reason: reason(err), Platform: f.Connectors.Known(p)}
	if err == nil {
		e.Outcome, e.Reason = storage.OutcomeRefused, storage.ReasonNotAccepted
	}
	if e.Platform == "" || err == nil && !in.Token.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout) // also of clients that have gone
	defer cancel()
	if err := f.DB.Record(ctx, e); err != nil {
		f.Logger.WarnContext(ctx, "a failed sign-in is not in the audit log", "platform", p, "err", err)
	}
}

// reason is the kind of an error, without its words.
func reason(err error) storage.EventReason {
	var refusal *crmgate.Refusal
	var connector *crmgate.ConnectorError
	switch {
	case errors.Is(err, crmgate.ErrUserDead):
		return storage.ReasonUserDead
	case errors.Is(err, crmgate.ErrAppDead):
		return storage.ReasonAppDead
	case errors.Is(err, crmgate.ErrNoApp):
		return storage.ReasonNoApp
	case errors.Is(err, crmgate.ErrTransient):
		return storage.ReasonUnavailable
	case errors.As(err, &connector):
		return storage.ReasonConnector
	case errors.As(err, &refusal):
		switch refusal.Kind {
		case crmgate.Forbidden:
			return storage.ReasonForbidden
		case crmgate.Unavailable:
			return storage.ReasonUnavailable
		}
		return storage.ReasonRequest
	}
	return storage.ReasonInternal
}

// events are what the audit log says of a sign-in that is stored.
func (in signIn) events() []storage.With {
	e := storage.Event{Kind: storage.EventSignIn, By: in.by, Outcome: storage.OutcomeOK}
	if in.unproven {
		e.Reason = storage.ReasonUnprovenAccount
	}
	if !in.pending {
		return []storage.With{e}
	}
	promotion := e
	promotion.Kind = storage.EventPromotion
	return []storage.With{e, promotion}
}

// AuditEntry is an entry of the audit log as the operator sees it.
type AuditEntry struct {
	Time        time.Time         `json:"time"`
	What        string            `json:"what"`
	Platform    crmgate.Platform  `json:"platform,omitempty"`
	By          string            `json:"by,omitempty"`
	Outcome     string            `json:"outcome,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	Count       uint64            `json:"count,omitempty"`
	User        crmgate.UserID    `json:"user,omitempty"` // while they are there
	Name        string            `json:"name,omitempty"`
	UserHash    string            `json:"userHash,omitempty"`
	Account     crmgate.AccountID `json:"rcAccountId,omitempty"` // while the user is there
	AccountHash string            `json:"rcAccountHash,omitempty"`
	Node        string            `json:"node"`
	Number      uint64            `json:"entry"`
}

// Audit calls fn for the entries of the audit log that the query chooses, the newest last.
func (d Directory) Audit(ctx context.Context, since time.Time, p crmgate.Platform, user crmgate.UserID, fn func(AuditEntry) error) error {
	return d.DB.Audit(ctx, storage.AuditQuery{Since: since, Platform: p, User: user}, func(e storage.AuditEntry) error {
		return fn(auditEntry(e))
	})
}

func auditEntry(e storage.AuditEntry) AuditEntry {
	return AuditEntry{
		Time: e.At.UTC(), What: e.Kind.String(), Platform: e.Platform, By: e.By.String(), Outcome: e.Outcome.String(), Reason: e.Reason.String(),
		Count: e.Count, User: e.User, Name: e.Name, UserHash: e.UserHash, Account: e.Account, AccountHash: e.AccountHash,
		Node: e.Node, Number: e.Entry,
	}
}

// auditShown is how many entries a page for an admin has.
const auditShown = 50

// Audit are entries about the account, the latest first, from where an earlier call said that it goes on; next is empty at
// the end. There may be few, or none, and still more to come.
func (a *Admin) Audit(ctx context.Context, from string) (entries []AuditEntry, next string, err error) {
	found, next, err := a.f.DB.AuditBack(ctx, a.who.Account, from, auditShown)
	for _, e := range found {
		entries = append(entries, auditEntry(e))
	}
	return entries, next, err
}

// AuditReport is what verifying the audit log has looked at.
type AuditReport = storage.AuditReport

// VerifyAudit recomputes the audit log's chains and calls problem for each thing that is wrong.
func (d Directory) VerifyAudit(ctx context.Context, problem func(string)) (AuditReport, error) {
	return d.DB.VerifyAudit(ctx, problem)
}
