package authflow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
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
	Query                           string            // as it was sent, for comparing
	Address                         netip.Addr        // of the client; zero if it is not known
}

// Callback finishes an OAuth sign-in. If the CRM or the connector refuses the person, SignedIn has a Message and no Token.
// Every other failure is an error, and then nothing is stored.
//
// A code is exchanged once. A caller who repeats a callback within two minutes gets the result of the first one. Another caller
// gets a Refusal.
func (f *Flows) Callback(ctx context.Context, r CallbackRequest) (SignedIn, error) {
	resp, err := readResponse(r, f.PublicURL)
	if err != nil {
		return SignedIn{}, err
	}
	return f.finish(ctx, r, resp)
}

// finish finishes a sign-in whose response has been read.
func (f *Flows) finish(ctx context.Context, r CallbackRequest, resp response) (SignedIn, error) {
	a, err := f.check(ctx, r, &resp)
	if err != nil {
		return f.conclude(ctx, resp, SignedIn{}, err)
	}
	in, repeated, err := f.redemptions.once(ctx, a.sends.claim, func() (SignedIn, bool, error) {
		in, settled, err := f.redeem(ctx, a)
		in, err = f.conclude(ctx, resp, in, err)
		return in, settled, err
	})
	if repeated && errors.Is(err, errRedeemed) { // a repeated callback of the same caller is no outcome of its own
		if a.bound.ID != "" {
			err = errStateSpent // the caller has the login secret, and went back for another code
		}
		f.report(ctx, audit.ByOAuth, resp.platform, Failure(err))
	}
	in.Agent = resp.agent
	return in, err
}

// conclude tells every reader how a sign-in ended.
func (f *Flows) conclude(ctx context.Context, resp response, in SignedIn, err error) (SignedIn, error) {
	var fail *token.FailMessage
	if errors.As(err, &fail) {
		in, err = refusedByConnector(fail.Message), nil
	}
	o := OutcomeOf(in, err)
	if resp.session != "" {
		if missed := f.sessions.conclude(ctx, resp.session, in, o); missed != nil && err == nil {
			err = missed
			o = Failure(err)
		}
	}
	f.report(ctx, audit.ByOAuth, resp.platform, o)
	return in, err
}

// attempt is a callback that was checked, so that its code may be sent to the CRM.
type attempt struct {
	conn    connector.Connector
	bound   state // zero for a plain state
	account crmgate.AccountID
	client  token.Client
	code    crmgate.Secret
	state   string // the state parameter
	sends   callbackContext
}

// check checks a callback, and finds the client that its code was issued to. It sends nothing to the CRM.
func (f *Flows) check(ctx context.Context, r CallbackRequest, resp *response) (*attempt, error) {
	if !f.clients.Allow(limit.ClientOf(ctx, "")) {
		return nil, tooOften("from your address")
	}
	a := &attempt{state: resp.state}
	var err error
	if a.conn, err = f.Connectors.Find(ctx, resp.platform); err != nil {
		return nil, err
	}
	if a.bound, err = f.openBound(ctx, r, resp); err != nil {
		return nil, err
	}
	if resp.session != "" {
		r.HashedExtension = a.bound.HashedExtension
	}
	m := a.conn.Manifest()
	if err := m.RequireOAuth(); err != nil {
		return nil, err
	}
	if err := resp.check(m, r); err != nil {
		return nil, err
	}
	if err := f.findClient(ctx, a, r, resp); err != nil {
		return nil, err
	}
	if a.code, err = resp.code(a.client.RedirectURI); err != nil {
		return nil, err
	}
	a.sends.claim = a.claim(r)
	return a, nil
}

// findClient sets the account of an attempt, its client, and what is needed after the exchange.
func (f *Flows) findClient(ctx context.Context, a *attempt, r CallbackRequest, resp *response) error {
	account, proven, err := f.account(ctx, r, a.bound)
	if err != nil {
		return err
	}
	r.Username = cmp.Or(a.bound.Username, r.Username)
	app, pending, err := f.Orgs.AppOf(ctx, a.conn.Manifest(), account, a.bound.ID != "", a.bound.Entry)
	if err != nil {
		return err
	}
	a.account = account
	a.client, err = f.Tokens.Client(ctx, a.conn, connector.OAuthInfoRequest{
		Hostname: resp.hostname, TokenURL: r.TokenURL, Account: account, UserEmail: r.UserEmail, Username: r.Username,
	}, app)
	if err != nil {
		return err
	}
	if a.bound.ID != "" && a.client.ID != a.bound.ClientID {
		changed := org.AppChanged(resp.platform)
		changed.Err = fmt.Errorf("%w: the sign-in began with client id %q, and it is now %q", org.ErrAppChanged, a.bound.ClientID, a.client.ID)
		return changed
	}
	if err := checkIssuer(a.conn.Manifest().ForHost(a.client.Hostname), a.client.Hostname, resp.issuer); err != nil {
		return err
	}
	a.sends = callbackContext{
		Query: resp.query, CallbackURI: resp.withoutCode, TokenURL: a.client.TokenURL, APIURL: r.APIURL, Username: r.Username,
		Hostname: a.client.Hostname, HashedExtension: r.HashedExtension, Unproven: !proven, Pending: pending,
	}
	if app != nil {
		a.sends.Entry = app.Entry
	}
	return nil
}

// redeem exchanges the code for tokens and completes the sign-in. settled says that the code cannot be used again.
func (f *Flows) redeem(ctx context.Context, a *attempt) (in SignedIn, settled bool, err error) {
	if a.bound.Session != "" {
		if err := f.sessions.pending(ctx, a.bound.Session); err != nil {
			return SignedIn{}, false, err
		}
	}
	if a.bound.ID != "" {
		if err := f.states.spend(ctx, a.bound); err != nil {
			return SignedIn{}, false, err
		}
	}
	done, err := f.admit(ctx, a.client, a.bound)
	if err != nil {
		return SignedIn{}, false, err
	}
	tokens, err := f.Tokens.Exchange(ctx, a.conn, a.client, token.Exchange{
		Code: a.code, RedirectURI: a.client.RedirectURI, State: a.state, Verifier: crmgate.NewSecret(a.bound.Verifier),
		Account: a.account, Callback: a.sends.secret(),
	})
	done(err)
	if err != nil {
		var te *token.Error
		return SignedIn{}, errors.As(err, &te) && te.Settled(), err
	}
	crmgate.TraceOf(ctx).Step("exchanged")
	in, err = f.completeOAuth(ctx, a.conn, a.client, tokens, a.sends)
	return in, true, err
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

	replay bool  // the token answer comes from the journal
	claim  claim // zero for a replay
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
	switch {
	case err != nil && c.replay:
		return SignedIn{}, err
	case err != nil:
		f.discard(ctx, conn, info, client, tokens)
		return SignedIn{}, err
	case !info.Successful:
		f.discard(ctx, conn, info, client, tokens)
		return notAccepted(info), nil
	}
	crmgate.TraceOf(ctx).Step("identified")
	var stored crmgate.Grant
	signedIn, err := f.complete(ctx, conn, info, completion{
		by: audit.ByOAuth, unproven: c.Unproven, hostname: c.Hostname, account: tokens.Journal.Account,
		hashedExtension: c.HashedExtension, journal: tokens.Journal, entry: c.Entry, pending: c.Pending, replay: c.replay, claim: c.claim,
		grant: func(old crmgate.Grant) crmgate.Grant {
			stored = tokens.Grant(client, old)
			return stored
		},
	})
	switch {
	case err == nil:
		f.Tokens.CheckRenewal(ctx, client, tokens, stored)
	case errors.Is(err, crmgate.ErrConflict):
		f.discard(ctx, conn, info, client, tokens)
		err = org.AppChanged(client.Platform)
	case errors.Is(err, errLoggedOut), errors.Is(err, errTooOften), !c.replay && refusedPerson(err):
		f.discard(ctx, conn, info, client, tokens)
	}
	return signedIn, err
}

// refusedPerson reports whether an error of complete is about what the connector said of the person. After others, such as a
// full disk, the token answer stays in the journal.
func refusedPerson(err error) bool {
	return errors.As(err, new(*crmgate.Refusal)) || errors.As(err, new(*crmgate.ConnectorError))
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
	resp.session = s.Session
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

// discard queues the revocation of the tokens of a sign-in that is not stored, and drops them. The person may be unknown. If
// the tokens cannot be queued, their answer stays in the journal.
func (f *Flows) discard(ctx context.Context, conn connector.Connector, info connector.UserInfo, client token.Client, tokens token.Tokens) {
	p := crmgate.Person{
		User: crmgate.User{
			Key:     crmgate.UserKey{Platform: conn.Manifest().Platform, Hostname: client.Hostname, ID: info.ID},
			Account: client.App.Account,
		},
		Grant: tokens.Grant(client, crmgate.Grant{}),
	}
	if err := f.DB.QueueRevocation(context.WithoutCancel(ctx), p); err != nil {
		f.Logger.WarnContext(ctx, "the tokens of a sign-in that is not stored are not queued for revocation", "platform", client.Platform, "err", err)
		return
	}
	f.Tokens.Discard(ctx, tokens)
	f.Revocations.Changed()
}
