package org

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/storage/audit"
)

// AdminLife is how long an admin's statement is valid.
const AdminLife = 30 * time.Minute

const adminLabel = "admin"

// Admin is a verified admin of an organisation. The organisation comes from the token; a request cannot name another one.
type Admin struct {
	o   *Orgs
	who identity.Identity
}

// Account is the organisation.
func (a *Admin) Account() crmgate.AccountID { return a.who.Account }

// Extension is the admin.
func (a *Admin) Extension() crmgate.ExtensionID { return a.who.Extension }

// Identity is the admin's account and extension.
func (a *Admin) Identity() identity.Identity { return a.who }

// event is an event that the admin caused.
func (a *Admin) event(k audit.Kind) audit.Event {
	return audit.Event{Kind: k, By: audit.ByAdmin, Admin: a.who.Extension, Outcome: audit.OutcomeOK}
}

// adminStatement says who an admin is. The browser keeps it, sealed; the server stores nothing.
type adminStatement struct {
	Account   crmgate.AccountID   `json:"a"`
	Extension crmgate.ExtensionID `json:"x"`
	Expires   int64               `json:"e"` // Unix seconds
}

// VerifyAdmin verifies an admin's token. Another token is a Refusal.
func (o *Orgs) VerifyAdmin(ctx context.Context, token crmgate.Secret) (*Admin, error) {
	who, err := o.Verify.Admin(ctx, token)
	if err != nil {
		return nil, err
	}
	return o.AdminOf(who), nil
}

// AdminOf returns an admin whose token was verified before.
func (o *Orgs) AdminOf(who identity.Identity) *Admin { return &Admin{o, who} }

// OpenAdmin verifies an admin's token and returns a statement that is valid for AdminLife. Another token is a Refusal.
func (o *Orgs) OpenAdmin(ctx context.Context, token crmgate.Secret) (statement crmgate.Secret, err error) {
	if token.IsZero() {
		return statement, crmgate.Refuse("Enter a token.")
	}
	who, err := o.Verify.Admin(ctx, token)
	if err != nil {
		return statement, err
	}
	plain, err := json.Marshal(adminStatement{who.Account, who.Extension, o.Now().Add(AdminLife).Unix()})
	if err != nil {
		return statement, err
	}
	sealed, err := o.DB.Seal(adminLabel, plain)
	return crmgate.NewSecret(base64.RawURLEncoding.EncodeToString(sealed)), err
}

// Admin opens a statement. One that is too old, or that does not open, is a Refusal that matches crmgate.ErrExpired.
func (o *Orgs) Admin(statement crmgate.Secret) (*Admin, error) {
	expired := &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "Your admin session has expired. Sign in again.", Err: crmgate.ErrExpired}
	sealed, err := base64.RawURLEncoding.DecodeString(statement.Reveal())
	if err != nil {
		return nil, expired
	}
	plain, err := o.DB.Unseal(adminLabel, sealed)
	if err != nil {
		return nil, expired
	}
	var s adminStatement
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, err
	}
	if o.Now().Unix() >= s.Expires || s.Account == "" {
		return nil, expired
	}
	return &Admin{o, identity.Identity{Account: s.Account, Extension: s.Extension, Admin: true}}, nil
}

// Platform returns the manifest of a platform that people can sign in to. Another platform is a Refusal.
func (a *Admin) Platform(ctx context.Context, p crmgate.Platform) (*manifest.Manifest, error) {
	return a.o.Connectors.Connectable(ctx, p)
}

// Platforms returns the platforms that people can sign in to, in the order of their titles.
func (a *Admin) Platforms(ctx context.Context) []*manifest.Manifest {
	return a.o.Connectors.AllConnectable(ctx)
}

// auditPage is the number of audit log entries on a page.
const auditPage = 50

// Audit returns a page of the account's audit log, latest entries first. from is the next of the page before; empty for
// the first page. next is empty at the end. A page can be short, or empty, before the end.
func (a *Admin) Audit(ctx context.Context, from string) (entries []operator.AuditEntry, next string, err error) {
	found, next, err := a.o.DB.Audit().ReadBack(ctx, a.who.Account, from, auditPage)
	for _, e := range found {
		entries = append(entries, operator.NewAuditEntry(e))
	}
	return entries, next, err
}
