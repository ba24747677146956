package authflow

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage/audit"
)

// CallbackRequest is a callback as a client forwards it: each parameter as the query parser left it, "" if it is absent. Only a
// CallbackURI that the client did not encode is not decoded either.
type CallbackRequest struct {
	CallbackURI, State, Code, Error string
	ErrorDescription                string            // error_description
	Others                          map[string]string // parameters that this server does not know
	Issuer                          string            // iss
	Hostname, TokenURL, APIURL      string
	Username, UserEmail             string
	Account                         crmgate.AccountID // rcAccountId: not proven
	HashedExtension                 string            // the rc-extension-id header
	RCToken                         crmgate.Secret    // proves account and extension; may be empty
	LoginSecret                     crmgate.Secret    // X-Crmgate-Login
}

// Callback finishes an OAuth sign-in. If the CRM or the connector refuses the person, SignedIn has a Message and no Token.
// Every other failure is an error, and then nothing is stored.
func (f *Flows) Callback(ctx context.Context, r CallbackRequest) (SignedIn, error) {
	resp, err := readResponse(r, f.PublicURL)
	if err != nil {
		return SignedIn{}, err
	}
	return f.finish(ctx, r, resp)
}

// finish finishes a sign-in whose response has been read, and reports its outcome to every reader.
func (f *Flows) finish(ctx context.Context, r CallbackRequest, resp response) (SignedIn, error) {
	signedIn, err := f.exchange(ctx, r, &resp)
	o := OutcomeOf(signedIn, err)
	if resp.session != "" {
		if missed := f.sessions.conclude(ctx, resp.session, signedIn, o); missed != nil && err == nil {
			err = missed
			o = Failure(err)
		}
	}
	signedIn.Agent = resp.agent
	f.report(ctx, audit.ByOAuth, resp.platform, o)
	return signedIn, err
}

// exchange checks the response, exchanges its code for tokens and completes the sign-in.
func (f *Flows) exchange(ctx context.Context, r CallbackRequest, resp *response) (SignedIn, error) {
	if !f.clients.Allow(limit.ClientOf(ctx, "")) {
		return SignedIn{}, tooOften("from your address")
	}
	conn, err := f.Connectors.Find(resp.platform)
	if err != nil {
		return SignedIn{}, err
	}
	bound, err := f.openBound(ctx, r, resp)
	if err != nil {
		return SignedIn{}, err
	}
	if resp.session != "" {
		r.HashedExtension = bound.HashedExtension
	}
	m := conn.Manifest()
	if err := m.RequireOAuth(); err != nil {
		return SignedIn{}, err
	}
	if err := resp.check(m, r); err != nil {
		return SignedIn{}, err
	}
	account, proven, err := f.account(ctx, r, bound)
	if err != nil {
		return SignedIn{}, err
	}
	app, pending, err := f.Orgs.AppOf(ctx, m, account, bound.ID != "", bound.Entry)
	if err != nil {
		return SignedIn{}, err
	}
	client, err := f.Tokens.Client(ctx, conn, connector.OAuthInfoRequest{
		Hostname: resp.hostname, TokenURL: r.TokenURL, Account: account, UserEmail: r.UserEmail,
	}, app)
	var fail *token.FailMessage
	if errors.As(err, &fail) {
		return refusedByConnector(fail.Message), nil
	}
	if err != nil {
		return SignedIn{}, err
	}
	if bound.ID != "" && client.ID != bound.ClientID {
		return SignedIn{}, org.AppChanged(resp.platform)
	}
	code, err := resp.code(client.RedirectURI)
	if err != nil {
		return SignedIn{}, err
	}
	if bound.ID != "" {
		if err := f.states.spend(ctx, bound); err != nil {
			return SignedIn{}, err
		}
	}
	c := callbackContext{
		Query: resp.query, CallbackURI: resp.withoutCode, TokenURL: r.TokenURL, APIURL: r.APIURL, Username: r.Username,
		Hostname: resp.hostname, HashedExtension: r.HashedExtension, Unproven: !proven,
	}
	if app != nil {
		c.Hostname, c.Entry, c.Pending = client.Hostname, app.Entry, pending
	}
	done, err := f.admit(ctx, client, bound)
	if err != nil {
		return SignedIn{}, err
	}
	tokens, err := f.Tokens.Exchange(ctx, conn, client, token.Exchange{
		Code: code, RedirectURI: client.RedirectURI, Verifier: crmgate.NewSecret(bound.Verifier),
		Account: account, Callback: c.secret(),
	})
	done(err)
	if err != nil {
		return SignedIn{}, err
	}
	crmgate.TraceOf(ctx).Step("exchanged")
	return f.completeOAuth(ctx, conn, client, tokens, c)
}

// admit admits the token request of a callback, and its caller must call done with the result. It refuses a plain callback if
// too many codes of the client, or of the application, were refused.
//
// A plain state needs nothing from this server, so anyone can send callbacks with made-up codes. A bound state was begun here,
// and is good for one code.
func (f *Flows) admit(ctx context.Context, client token.Client, bound state) (done func(error), err error) {
	if bound.ID != "" {
		return func(error) {}, nil
	}
	app := application{client.Platform, client.App.Account, client.ID}
	mine, wait := func(bool) {}, time.Duration(0)
	if c := limit.ClientOf(ctx, ""); c != (limit.Client{}) {
		mine, wait, _ = f.guesses.Admit(guesser{app, c})
	}
	var all func(bool)
	if mine != nil {
		var first bool
		if all, wait, first = f.codes.Admit(app); first {
			f.Logger.WarnContext(ctx, "a CRM refuses many codes: callbacks without a bound state get 503, so that the CRM does not lock the application out",
				"platform", client.Platform, "client", client.ID)
		}
		if all == nil {
			mine(false)
		}
	}
	if all == nil {
		f.Held(client.Platform)
		return nil, &token.Error{Kind: crmgate.ErrTransient, RetryAfter: wait, Message: "Too many sign-ins with invalid codes. Please try again in a moment."}
	}
	return func(err error) {
		refused := refusedCode(err)
		mine(refused)
		all(refused)
	}, nil
}

// refusedCode reports whether a CRM refused a code, or the client that presented it. Some CRMs do so with status 200 and an
// error code. A CRM in trouble refuses nothing.
func refusedCode(err error) bool {
	var te *token.Error
	switch {
	case !errors.As(err, &te) || te.Status == 0:
		return false
	case token.Overloaded(te.Status):
		return te.Status >= 500 && te.CodeRefused()
	}
	return te.Status >= 400 || te.Code != ""
}

// callbackContext is the part of a callback that is needed after the exchange. The journal keeps it with the token answer.
type callbackContext struct {
	Query           map[string]string `json:"query,omitempty"`
	CallbackURI     string            `json:"callbackUri,omitempty"`
	TokenURL        string            `json:"tokenUrl,omitempty"`
	APIURL          string            `json:"apiUrl,omitempty"`
	Username        string            `json:"username,omitempty"`
	Hostname        string            `json:"hostname,omitempty"`
	HashedExtension string            `json:"hashedExtension,omitempty"`
	Unproven        bool              `json:"unproven,omitempty"` // nothing proves the account
	Entry           string            `json:"entry,omitempty"`    // of the organisation's application
	Pending         bool              `json:"pending,omitempty"`  // the application is pending

	replay bool // the token answer comes from the journal
}

func (c callbackContext) secret() crmgate.Secret {
	b, _ := json.Marshal(c) // strings always encode
	return crmgate.NewSecret(string(b))
}

// completeOAuth asks the connector for the person behind the tokens and completes the sign-in.
func (f *Flows) completeOAuth(ctx context.Context, conn connector.Connector, client token.Client, tokens token.Tokens, c callbackContext) (SignedIn, error) {
	info, err := conn.UserInfo(ctx, connector.UserInfoRequest{
		AuthHeader: crmgate.NewSecret("Bearer " + tokens.Access.Reveal()),
		Hostname:   c.Hostname, Query: c.Query, CallbackURI: c.CallbackURI,
		TokenURL: c.TokenURL, APIURL: c.APIURL, Username: c.Username, Data: tokens.Data,
	})
	if err != nil {
		return SignedIn{}, err
	}
	if !info.Successful {
		f.Tokens.Discard(ctx, tokens)
		return notAccepted(info), nil
	}
	crmgate.TraceOf(ctx).Step("identified")
	signedIn, err := f.complete(ctx, conn, info, completion{
		by: audit.ByOAuth, unproven: c.Unproven, hostname: c.Hostname, account: tokens.Journal.Account,
		hashedExtension: c.HashedExtension, journal: tokens.Journal, entry: c.Entry, pending: c.Pending, replay: c.replay,
		grant: func(old crmgate.Grant) crmgate.Grant { return tokens.Grant(client, old) },
	})
	switch {
	case errors.Is(err, crmgate.ErrConflict):
		f.discard(ctx, conn, info, client, tokens)
		err = org.AppChanged(client.Platform)
	case errors.Is(err, errLoggedOut), errors.Is(err, errTooOften):
		f.discard(ctx, conn, info, client, tokens)
	}
	return signedIn, err
}

// openBound opens a bound state and puts its values into the response. A plain state gives the zero state.
func (f *Flows) openBound(ctx context.Context, r CallbackRequest, resp *response) (state, error) {
	if resp.landing == nil && !isBound(resp.state) {
		if f.RefusePlainState {
			return state{}, crmgate.Refuse("This server accepts only sign-ins that it started: request /authUrl with mode=bound.")
		}
		return state{}, nil
	}
	var s state
	var err error
	if l := resp.landing; l != nil {
		s, err = l.state, l.err
	} else {
		s, err = f.states.open(ctx, resp.state)
	}
	if err != nil {
		return s, err
	}
	if s.Platform != resp.platform { // callbackUri may name another platform than the state
		return s, errStateUnusable
	}
	if err := s.heldBy(r.LoginSecret); err != nil {
		return s, err
	}
	resp.hostname = s.Hostname
	if s.Session != "" {
		if err := f.sessions.pending(ctx, s.Session); err != nil {
			return s, err
		}
		resp.session = s.Session
	}
	return s, nil
}

// account returns the organisation that the sign-in belongs to: the bound state's, else the RingCentral token's, else the one
// that the client names. The last is not proven. A token of another user than the state's is a Refusal.
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
	}
	return r.Account, r.Account == "", nil
}

// differs reports whether a is given and is not equal to b.
func differs[S ~string](a, b S) bool { return !missing(string(a)) && a != b }

// discard drops the tokens of a sign-in that is not stored, and queues their revocation.
func (f *Flows) discard(ctx context.Context, conn connector.Connector, info connector.UserInfo, client token.Client, tokens token.Tokens) {
	f.Tokens.Discard(ctx, tokens)
	p := crmgate.Person{
		User:  crmgate.User{Key: crmgate.UserKey{Platform: conn.Manifest().Platform, Hostname: client.Hostname, ID: info.ID}, Account: client.App.Account},
		Grant: tokens.Grant(client, crmgate.Grant{}),
	}
	if err := f.DB.QueueRevocation(context.WithoutCancel(ctx), p); err != nil {
		f.Logger.WarnContext(ctx, "the tokens of a sign-in that is not stored will not be revoked", "platform", client.Platform, "err", err)
	}
	f.Revocations.Changed()
}
