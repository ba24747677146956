package authflow

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// SignedIn is the result of a sign-in that succeeded or was refused.
type SignedIn struct {
	// Token is the session token. It is empty if the person was refused; then Message says why.
	Token   crmgate.Secret
	ID      crmgate.UserID
	Name    string
	Message *crmgate.ReturnMessage
	// Missing are the required fields of an API-key form that are empty.
	Missing []string
	// Agent says that the state names an agent's session (sessionId). The answer then goes to a browser tab, not to a client.
	Agent bool
}

// completion holds what a completed sign-in stores, apart from the connector's user info.
type completion struct {
	by              audit.Actor
	unproven        bool // nothing proves the account
	hostname        string
	account         crmgate.AccountID
	hashedExtension string
	grant           func(old crmgate.Grant) crmgate.Grant
	// journal is the entry that keeps the token answer until the grant is stored.
	journal storage.JournalEntry
	entry   string // of the organisation's application
	pending bool   // the application is pending
	replay  bool   // the token answer comes from the journal
	claim   claim  // of a callback; otherwise zero
	// with is stored in the same transaction.
	with []storage.With
}

// complete stores a person after the CRM has accepted them, and issues their session token. It is the only place that stores a
// sign-in.
func (f *Flows) complete(ctx context.Context, conn connector.Connector, info connector.UserInfo, c completion) (SignedIn, error) {
	m := conn.Manifest()
	if err := checkID(info.ID); err != nil {
		return SignedIn{}, &crmgate.ConnectorError{Platform: m.Platform, Operation: "getUserInfo", Message: err.Error()}
	}
	hostname, err := storedHostname(m, info.OverridingHostname, c.hostname)
	if err != nil {
		return SignedIn{}, err
	}
	key := crmgate.UserKey{Platform: m.Platform, Hostname: hostname, ID: info.ID}
	crmgate.TraceOf(ctx).SetPerson(key)
	at := m.ForHost(hostname)
	if !f.people.Allow(key) {
		return SignedIn{}, tooOften("of this person")
	}
	var in SignedIn
	answer := func(s storage.Session) (SignedIn, error) {
		t, err := f.Sessions.Issue(key, s.ID)
		in = SignedIn{Token: t, ID: info.ID, Name: info.Name, Message: info.Message}
		return in, err
	}
	_, err = f.DB.SignIn(ctx, key, func(p *crmgate.Person) error {
		u := &p.User
		if err := c.outdated(*p); err != nil {
			return err
		}
		u.Key = key
		u.SignedIn = f.Now()
		if u.Created.IsZero() {
			u.Created = u.SignedIn
		}
		keep(&u.Name, info.Name)
		keep(&u.Account, c.account)
		u.Unproven = u.Account != "" && (c.unproven || c.account == "") // each sign-in must prove it anew
		keep(&u.HashedExtension, c.hashedExtension)
		keep(&u.TimezoneName, info.TimezoneName)
		if len(info.TimezoneOffset) > 0 {
			u.TimezoneOffset = info.TimezoneOffset
		}
		var err error
		if u.AdditionalInfo, err = connector.MergeInfo(u.AdditionalInfo, info.AdditionalInfo); err != nil {
			return err
		}
		p.Grant = c.grant(p.Grant)
		return nil
	}, append(c.stored(at), c.claim.keep(answer))...)
	if err != nil {
		return SignedIn{}, err
	}
	crmgate.TraceOf(ctx).Step("stored")
	if at.RevokeReplaced || c.pending && !c.unproven { // a grant or an application was replaced
		f.Revocations.Changed()
	}
	f.afterSave(ctx, conn, key)
	return in, nil
}

// storedHostname returns the connector's overridingHostname, else the requested host name. Where the manifest allows requests
// to that host ({hostname}), the override is checked like a client's host name. Elsewhere it must only be well-formed.
func storedHostname(m *manifest.Manifest, overriding, requested string) (string, error) {
	if missing(overriding) || overriding == "null" {
		return requested, nil
	}
	for _, h := range m.Hosts {
		if h.Person {
			return m.CheckHostname(overriding)
		}
	}
	host, err := crmgate.ParseHostname(strings.TrimSpace(overriding))
	if err != nil {
		return "", &crmgate.ConnectorError{Platform: m.Platform, Operation: "getUserInfo", Message: "The connector returned an invalid overridingHostname: " + err.Error()}
	}
	return host, nil
}

// afterSave calls postSaveUserInfo. The sign-in succeeds even if this fails.
func (f *Flows) afterSave(ctx context.Context, conn connector.Connector, key crmgate.UserKey) {
	if !conn.Implements("postSaveUserInfo") {
		return
	}
	p, err := f.DB.Person(ctx, key)
	if err == nil {
		var out connector.Outcome
		if out, err = token.Call(ctx, conn.PostSaveUserInfo, conn, p, nil); err == nil {
			err = f.Tokens.Apply(ctx, key, out)
		}
	}
	if err != nil {
		f.Logger.WarnContext(ctx, "postSaveUserInfo", "platform", key.Platform, "err", err)
	}
}

// keep sets *old to v unless v is empty: a value that a sign-in lacks keeps the stored one.
func keep[S ~string](old *S, v S) {
	if v != "" {
		*old = v
	}
}

// checkID returns what is wrong with a user id from a connector.
func checkID(id crmgate.UserID) error {
	switch {
	case id == "":
		return errors.New("the answer lacks platformUserInfo.id")
	case len(id) > 256:
		return errors.New("platformUserInfo.id is longer than 256 bytes")
	case !utf8.ValidString(string(id)):
		return errors.New("platformUserInfo.id is not UTF-8")
	}
	return nil
}

// stored is what is stored in the transaction of the sign-in, apart from the person.
func (c completion) stored(m *manifest.Manifest) []storage.With {
	with := append(append(c.with, c.events()...), c.useApp(m.Platform), storage.DropEntry(c.journal))
	if m.RevokeReplaced {
		with = append(with, storage.RevokeReplaced())
	}
	return with
}

// useApp returns ConfirmApp for a proven sign-in, otherwise UseApp.
func (c completion) useApp(p crmgate.Platform) storage.With {
	if c.unproven {
		return storage.UseApp(c.account, p, c.entry)
	}
	return storage.ConfirmApp(c.account, p, c.entry)
}

// events are the audit entries of a sign-in that is stored.
func (c completion) events() []storage.With {
	e := audit.Event{Kind: audit.EventSignIn, By: c.by, Outcome: audit.OutcomeOK}
	if !c.pending || c.unproven {
		return []storage.With{storage.LogEvent(e)}
	}
	promotion := e
	promotion.Kind = audit.EventPromotion
	return []storage.With{storage.LogEvent(e, promotion)}
}
