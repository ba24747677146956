package org

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
)

// AdminLife is for how long an admin may work on their page before they prove again who they are.
const AdminLife = 30 * time.Minute

const adminLabel = "admin"

// Admin is an administrator on the page of their organisation. All that it does is about their account, which no request
// names: it comes from the token that they showed.
type Admin struct {
	o   *Orgs
	who identity.Identity
}

// Account is the organisation.
func (a *Admin) Account() crmgate.AccountID { return a.who.Account }

// Extension is who it is.
func (a *Admin) Extension() crmgate.ExtensionID { return a.who.Extension }

// Identity is the admin's account and extension.
func (a *Admin) Identity() identity.Identity { return a.who }

// adminStatement is what an admin's browser keeps, sealed. Nothing is stored of it.
type adminStatement struct {
	Account   crmgate.AccountID   `json:"a"`
	Extension crmgate.ExtensionID `json:"x"`
	Expires   int64               `json:"e"` // Unix seconds
}

// OpenAdmin turns an admin's token into a statement of who they are, good for AdminLife. Whoever is no admin gets a Refusal.
func (o *Orgs) OpenAdmin(ctx context.Context, token crmgate.Secret) (statement crmgate.Secret, err error) {
	if token.IsZero() {
		return statement, crmgate.Refuse("Please enter a token.")
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

// Admin reads a statement. What is no statement of ours, or is too old, is crmgate.ErrExpired, a Refusal.
func (o *Orgs) Admin(statement crmgate.Secret) (*Admin, error) {
	over := &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "Please sign in: you are not signed in to this page, or were for too long.", Err: crmgate.ErrExpired}
	sealed, err := base64.RawURLEncoding.DecodeString(statement.Reveal())
	if err != nil {
		return nil, over
	}
	plain, err := o.DB.Unseal(adminLabel, sealed)
	if err != nil {
		return nil, over
	}
	var s adminStatement
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, err
	}
	if o.Now().Unix() >= s.Expires || s.Account == "" {
		return nil, over
	}
	return &Admin{o, identity.Identity{Account: s.Account, Extension: s.Extension, Admin: true}}, nil
}

// Platform is the manifest of a platform that people can sign in to; a Refusal if there is none.
func (a *Admin) Platform(p crmgate.Platform) (*manifest.Manifest, error) {
	return a.o.Connectors.Connectable(p)
}

// Platforms are the platforms that people can sign in to, in the order of their names.
func (a *Admin) Platforms() []*manifest.Manifest {
	var all []*manifest.Manifest
	for _, p := range a.o.Connectors.Platforms() {
		if m, err := a.o.Connectors.Connectable(p); err == nil { // others have only a manifest
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *manifest.Manifest) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(string(a.Platform), string(b.Platform)))
	})
	return all
}
