package authflow

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage/audit"
)

// CallbackRequest is a callback as a client forwards it: each parameter as the query parser left it, "" if it was not there.
type CallbackRequest struct {
	CallbackURI, State, Code, Error string
	Issuer                          string // iss
	Hostname, TokenURL, APIURL      string
	Username, UserEmail             string
	Account                         crmgate.AccountID // rcAccountId: what the client says
	HashedExtension                 string            // the rc-extension-id header
	RCToken                         crmgate.Secret    // proves account and extension, if given
	LoginSecret                     crmgate.Secret    // X-Crmgate-Login
}

// Callback finishes an OAuth sign-in. If the CRM or the connector turns the person away in words, SignedIn has a
// Message and no Token; every other failure is an error, and then nothing was stored.
func (f *Flows) Callback(ctx context.Context, r CallbackRequest) (SignedIn, error) {
	cb, err := readCallback(r, f.PublicURL)
	if err != nil {
		return SignedIn{}, err
	}
	return f.finish(ctx, r, cb)
}

// finish finishes a sign-in whose callback has been read, and tells the client that waits, the log and the metrics.
func (f *Flows) finish(ctx context.Context, r CallbackRequest, cb callback) (SignedIn, error) {
	in, err := f.callback(ctx, r, &cb)
	if cb.session != nil {
		if missed := f.pending.conclude(ctx, cb.session.id, in, err); err == nil {
			err = missed
		}
	}
	in.Agent = cb.agent
	f.ended(ctx, "oauth", cb.platform, outcome(in, err))
	f.recordFailure(ctx, audit.ByOAuth, cb.platform, in, err)
	return in, err
}

func (f *Flows) callback(ctx context.Context, r CallbackRequest, cb *callback) (SignedIn, error) {
	conn, err := f.Connectors.Find(cb.platform)
	if err != nil {
		return SignedIn{}, err
	}
	bound, err := f.openBound(ctx, r, cb)
	if err != nil {
		return SignedIn{}, err
	}
	if cb.session != nil {
		r.HashedExtension = cb.session.HashedExtension
	}
	if err := conn.Manifest().RequireOAuth(); err != nil {
		return SignedIn{}, err
	}
	if cb.hostname, err = conn.Manifest().CheckHostname(cb.hostname); err != nil {
		return SignedIn{}, err
	}
	if err := f.checkURLs(conn.Manifest(), cb.hostname, r); err != nil {
		return SignedIn{}, err
	}
	if err := checkIssuer(conn.Manifest().ForHost(cb.hostname), cb.hostname, cb.issuer); err != nil {
		return SignedIn{}, err
	}
	account, proven, err := f.account(ctx, r, bound)
	if err != nil {
		return SignedIn{}, err
	}
	app, pending, err := f.Orgs.AppOf(ctx, conn.Manifest(), account, bound.ID != "", bound.Entry)
	if err != nil {
		return SignedIn{}, err
	}
	client, err := f.Tokens.Client(ctx, conn, connector.OAuthInfoRequest{
		Hostname: cb.hostname, TokenURL: r.TokenURL, Account: account, UserEmail: r.UserEmail,
	}, app)
	var fail *token.FailMessage
	if errors.As(err, &fail) {
		return SignedIn{Message: message(struct {
			MessageType string `json:"messageType"`
			Message     string `json:"message"`
		}{"danger", fail.Message})}, nil
	}
	if err != nil {
		return SignedIn{}, err
	}
	if bound.ID != "" && client.ID != bound.ClientID {
		return SignedIn{}, org.AppChanged(cb.platform)
	}
	code, err := cb.code(client.RedirectURI)
	if err != nil {
		return SignedIn{}, err
	}
	if bound.ID != "" {
		if err := f.states.spend(ctx, bound); err != nil {
			return SignedIn{}, err
		}
	}
	rest := identification{
		Query: cb.query, CallbackURI: cb.withoutCode, TokenURL: r.TokenURL, APIURL: r.APIURL, Username: r.Username,
		Hostname: cb.hostname, HashedExtension: r.HashedExtension, Unproven: !proven,
	}
	if app != nil {
		rest.Hostname, rest.Entry, rest.Pending = client.Hostname, app.Entry, pending
	}
	tokens, err := f.Tokens.Exchange(ctx, conn, client, token.Exchange{
		Code: code, RedirectURI: client.RedirectURI, Verifier: crmgate.NewSecret(bound.Verifier),
		Account: account, Callback: rest.secret(),
	})
	if err != nil {
		return SignedIn{}, err
	}
	crmgate.TraceOf(ctx).Step("exchanged")
	return f.identify(ctx, conn, client, tokens, rest)
}

// identification is what a connector is told of a callback beside the tokens, and what is stored of it.
type identification struct {
	Query           map[string]string `json:"query,omitempty"`
	CallbackURI     string            `json:"callbackUri,omitempty"`
	TokenURL        string            `json:"tokenUrl,omitempty"`
	APIURL          string            `json:"apiUrl,omitempty"`
	Username        string            `json:"username,omitempty"`
	Hostname        string            `json:"hostname,omitempty"`
	HashedExtension string            `json:"hashedExtension,omitempty"`
	Unproven        bool              `json:"unproven,omitempty"` // nothing proves the account
	Entry           string            `json:"entry,omitempty"`    // of the organisation's app
	Pending         bool              `json:"pending,omitempty"`  // it is to be confirmed

	replay bool // the CRM answered some time ago
}

func (i identification) secret() crmgate.Secret {
	b, _ := json.Marshal(i) // texts: always encodes
	return crmgate.NewSecret(string(b))
}

// identify asks the connector whose tokens these are, and stores them.
func (f *Flows) identify(ctx context.Context, conn connector.Connector, client token.Client, tokens token.Tokens, i identification) (SignedIn, error) {
	info, err := conn.UserInfo(ctx, connector.UserInfoRequest{
		AuthHeader: crmgate.NewSecret("Bearer " + tokens.Access.Reveal()),
		Hostname:   i.Hostname, Query: i.Query, CallbackURI: i.CallbackURI,
		TokenURL: i.TokenURL, APIURL: i.APIURL, Username: i.Username, Data: tokens.Data,
	})
	if err == nil && !info.Successful {
		f.Tokens.Discard(ctx, tokens)
	}
	if err != nil || !info.Successful {
		return turnedAway(info), err
	}
	crmgate.TraceOf(ctx).Step("identified")
	in, err := f.signIn(ctx, conn, info, signIn{
		by: audit.ByOAuth, unproven: i.Unproven, hostname: i.Hostname, account: tokens.Journal.Account,
		hashedExtension: i.HashedExtension, journal: tokens.Journal, entry: i.Entry, pending: i.Pending, replay: i.replay,
		grant: func(old crmgate.Grant) crmgate.Grant { return tokens.Grant(client, old) },
	})
	switch {
	case errors.Is(err, crmgate.ErrConflict):
		f.unwanted(ctx, conn, info, client, tokens)
		err = org.AppChanged(client.Platform)
	case errors.Is(err, errLeft):
		f.unwanted(ctx, conn, info, client, tokens)
	}
	return in, err
}

// openBound opens the state if it is one of ours and lays what it says over the callback. The zero state is none.
func (f *Flows) openBound(ctx context.Context, r CallbackRequest, cb *callback) (state, error) {
	if cb.landing == nil && !ours(cb.state) {
		if f.RefusePlainState {
			return state{}, crmgate.Refuse("This server takes only sign-ins that it started itself: ask /authUrl with mode=bound.")
		}
		return state{}, nil
	}
	var s state
	var err error
	if l := cb.landing; l != nil {
		s, err = l.state, l.err
	} else {
		s, err = f.states.open(ctx, cb.state)
	}
	if err != nil {
		return s, err
	}
	if s.Platform != cb.platform { // the callback's own URL may name another than the state does
		return s, errStateUnusable
	}
	if err := s.heldBy(r.LoginSecret); err != nil {
		return s, err
	}
	cb.hostname = s.Hostname
	if s.Session != "" {
		cb.session, err = f.awaited(ctx, s.Session)
	}
	return s, err
}

// checkURLs holds what the client says about the CRM to what the manifest allows, before anything is sent there.
func (f *Flows) checkURLs(m *manifest.Manifest, hostname string, r CallbackRequest) error {
	for name, v := range map[string]string{"tokenUrl": r.TokenURL, "apiUrl": r.APIURL} {
		if v == "" {
			continue
		}
		if err := m.Hosts.AllowURL(v, hostname); err != nil {
			return crmgate.Refuse("%s: %v", name, err)
		}
	}
	return nil
}

// checkIssuer holds the iss parameter to the manifest (RFC 9207, 2.4): a code that another server issued, or an error
// that it made up, must not be taken for this one's. Where the manifest declares no issuer, one that is there must at
// least be a place of this CRM's.
func checkIssuer(m *manifest.Manifest, hostname, issuer string) error {
	switch {
	case m.Issuer != "" && issuer == "":
		return crmgate.Refuse("The callback does not say who issued it (iss), and %s always does.", m.Platform)
	case m.Issuer != "" && issuer != m.Issuer:
		return crmgate.Refuse("The callback was issued by somebody else than %s.", m.Platform)
	case m.Issuer != "" || issuer == "":
		return nil
	}
	u, err := url.Parse(issuer)
	if err == nil && u.Scheme == "https" && u.User == nil && u.Host != "" {
		if at, err := url.Parse(m.OAuth.AuthURL); err == nil && strings.EqualFold(at.Host, u.Host) || m.Hosts.Allow(u, hostname) == nil {
			return nil
		}
	}
	return crmgate.Refuse("The callback was issued by somebody else than %s.", m.Platform)
}

// account says which organisation the sign-in belongs to: a bound state's word, else RingCentral's, else the client's
// where the operator allows it, and that is not proven. A callback that proves another user than the state's is refused.
func (f *Flows) account(ctx context.Context, r CallbackRequest, bound state) (a crmgate.AccountID, proven bool, err error) {
	var who identity.Identity
	if !r.RCToken.IsZero() {
		var err error
		if who, err = f.Verify(ctx, r.RCToken); err != nil {
			return "", false, err
		}
	}
	switch {
	case bound.Account != "" && (differs(who.Account, bound.Account) || differs(who.Extension, bound.Extension)):
		return "", false, &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "This sign-in was started by another RingCentral user."}
	case bound.Account != "":
		return bound.Account, true, nil
	case who.Account != "":
		return who.Account, true, nil
	case bound.ID != "":
		return "", true, nil
	case f.RequireAccountProof && r.Account != "":
		return "", false, &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "This server wants proof of the account: send a RingCentral access token, or start with mode=bound."}
	}
	return r.Account, r.Account == "", nil
}

// differs reports whether a is given and is not b.
func differs[S ~string](a, b S) bool { return !missing(string(a)) && a != b }

// turnedAway is the answer for a person whom the connector did not let in.
func turnedAway(info connector.UserInfo) SignedIn {
	m := info.Message
	if m == nil {
		m = &crmgate.ReturnMessage{MessageType: "warning", Message: "The CRM did not accept this sign-in.", TTL: 3000}
	}
	return SignedIn{Message: m}
}

// ended tells the log and the metrics how a sign-in went. The error itself is the caller's to log.
func (f *Flows) ended(ctx context.Context, flow string, p crmgate.Platform, outcome string) {
	p = f.Connectors.Known(p)
	f.Count(flow, p, outcome)
	f.Logger.InfoContext(ctx, "sign-in", "by", flow, "platform", p, "outcome", outcome)
}

func outcome(in SignedIn, err error) string {
	switch {
	case err != nil:
		return "error"
	case in.Token.IsZero():
		return "refused"
	}
	return "ok"
}

// unwanted forgets what was granted to a sign-in that is not stored, and has it revoked.
func (f *Flows) unwanted(ctx context.Context, conn connector.Connector, info connector.UserInfo, client token.Client, tokens token.Tokens) {
	f.Tokens.Discard(ctx, tokens)
	p := crmgate.Person{
		User:  crmgate.User{Key: crmgate.UserKey{Platform: conn.Manifest().Platform, ID: info.ID}, Hostname: client.Hostname, Account: client.App.Account},
		Grant: tokens.Grant(client, crmgate.Grant{}),
	}
	if err := f.DB.QueueRevocation(context.WithoutCancel(ctx), p); err != nil {
		f.Logger.WarnContext(ctx, "what was granted to a sign-in that is not stored will not be revoked", "platform", client.Platform, "err", err)
	}
	f.Revocations.Changed()
}
