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

// SignedIn is what a successful or refused sign-in answers.
type SignedIn struct {
	// Token is the session token; empty if the CRM did not let the person in, and then Message says why.
	Token   crmgate.Secret
	ID      crmgate.UserID
	Name    string
	Message *crmgate.ReturnMessage
	// Agent says that the state named an agent's session (sessionId): the answer goes to a browser tab, not to a client.
	Agent bool
}

// signIn stores a person whom the CRM has just let in, and makes their session token. It is the one place where a
// sign-in is stored. info is what the connector said, in what the request and the CRM gave.
func (f *Flows) signIn(ctx context.Context, conn connector.Connector, info connector.UserInfo, in signIn) (SignedIn, error) {
	m := conn.Manifest()
	key := crmgate.UserKey{Platform: m.Platform, ID: info.ID}
	if err := checkID(info.ID); err != nil {
		return SignedIn{}, &crmgate.ConnectorError{Platform: m.Platform, Operation: "getUserInfo", Message: err.Error()}
	}
	hostname, err := f.hostname(m, info.OverridingHostname, in.hostname)
	if err != nil {
		return SignedIn{}, err
	}
	session, err := f.DB.SignIn(ctx, key, func(p *crmgate.Person) error {
		u := &p.User
		if err := in.outdated(*p); err != nil {
			return err
		}
		if u.Hostname != "" && hostname != "" && u.Hostname != hostname {
			p.Grant = crmgate.Grant{} // a CRM that has several hosts may give one id to two people
		}
		u.Key = key
		u.SignedIn = f.Now()
		if u.Created.IsZero() {
			u.Created = u.SignedIn
		}
		keep(&u.Name, info.Name)
		keep(&u.Hostname, hostname)
		keep(&u.Account, in.account)
		keep(&u.HashedExtension, in.hashedExtension)
		keep(&u.TimezoneName, info.TimezoneName)
		if len(info.TimezoneOffset) > 0 {
			u.TimezoneOffset = info.TimezoneOffset
		}
		var err error
		if u.AdditionalInfo, err = connector.MergeInfo(u.AdditionalInfo, info.AdditionalInfo); err != nil {
			return err
		}
		p.Grant = in.grant(p.Grant)
		return nil
	}, append(append(in.with, in.events()...), storage.ConfirmApp(in.account, key.Platform, in.entry), storage.DropEntry(in.journal))...)
	if err != nil {
		return SignedIn{}, err
	}
	crmgate.TraceOf(ctx).Step("stored")
	f.afterSave(ctx, conn, key)
	t, err := f.Sessions.Issue(key, session.ID)
	return SignedIn{Token: t, ID: info.ID, Name: info.Name, Message: info.Message}, err
}

// signIn's particulars, apart from what the connector said.
type signIn struct {
	by              audit.Actor
	unproven        bool // nothing proves the account
	hostname        string
	account         crmgate.AccountID
	hashedExtension string
	grant           func(old crmgate.Grant) crmgate.Grant
	// journal is where what was granted is kept until it is stored.
	journal storage.JournalEntry
	entry   string // of the organisation's app
	pending bool   // it is to be confirmed
	replay  bool   // the CRM answered some time ago
	// with is what else is stored.
	with []storage.With
}

// hostname chooses the host to store: the connector's word goes before the request's. It must be a host, for clients get
// it as it is, and where it will be dialled it is checked like a stranger's.
func (f *Flows) hostname(m *manifest.Manifest, overriding, requested string) (string, error) {
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
		return "", &crmgate.ConnectorError{Platform: m.Platform, Operation: "getUserInfo", Message: "The connector answered an overridingHostname that is no host: " + err.Error()}
	}
	return host, nil
}

// afterSave calls postSaveUserInfo. The sign-in stands whatever it answers.
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

// keep sets *old to v unless v is empty: what a sign-in did not bring leaves what was there.
func keep[S ~string](old *S, v S) {
	if v != "" {
		*old = v
	}
}

// checkID says what is wrong with a user id that a connector chose.
func checkID(id crmgate.UserID) error {
	switch {
	case id == "":
		return errors.New("the answer lacks platformUserInfo.id")
	case len(id) > 256:
		return errors.New("platformUserInfo.id is longer than 256 bytes")
	case !utf8.ValidString(string(id)):
		return errors.New("platformUserInfo.id is no UTF-8 text")
	}
	return nil
}
