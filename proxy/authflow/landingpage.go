package authflow

import (
	"cmp"
	"context"
	"errors"
	"net/url"

	"github.com/crmgate/crmgate"
)

// LandingPage is the path below the public URL that CRMs send browsers back to.
const LandingPage = "/redirect.html"

// RedirectURI is the redirect URI that an application of this server is registered with.
func (f *Flows) RedirectURI() string { return f.PublicURL + LandingPage }

// Landing tells a landing page what to do.
type Landing struct {
	// Page says that one of this server's pages began the sign-in. It ends in this window, and no other window gets the URL.
	Page bool
	// Platform, Waited and Admin describe a sign-in that a page began: whether a client waits for it, and whether it was the
	// organisation's page.
	Platform      crmgate.Platform
	Waited, Admin bool
	// Origins are the origins that may be posted the page's URL otherwise: the one in a bound state that opens, else every
	// allowed origin.
	Origins []string
	// Bound says that the state is a bound one that no page began: it cannot be finished without the window that opened this one.
	Bound bool
	// Connect is the platform of a plain state, if its connect page can finish a sign-in; otherwise empty.
	Connect crmgate.Platform

	param string // the state parameter
	state state  // of Page
	err   error  // if state has expired
}

// Landing reads the state of a landing page without spending it.
func (f *Flows) Landing(ctx context.Context, stateParam string) Landing {
	if isBound(stateParam) {
		s, err := f.states.open(ctx, stateParam)
		switch {
		case s.Page:
			return Landing{Page: true, Platform: s.Platform, Waited: s.Session != "", Admin: s.Admin, param: stateParam, state: s, err: err}
		case err == nil:
			return Landing{Origins: []string{s.Origin}, Bound: true}
		}
		return Landing{Origins: f.AllowedOrigins, Bound: true}
	}
	return Landing{Origins: f.AllowedOrigins, Connect: f.connectPage(ctx, stateParam)}
}

// connectPage returns the platform that a plain state names, if its connect page can finish a sign-in; otherwise "".
func (f *Flows) connectPage(ctx context.Context, plain string) crmgate.Platform {
	name := crmgate.Platform(cmp.Or(parseQuery(plain).Get("platform"), afterPlatform(plain)))
	if m, err := f.Connectors.Connectable(ctx, name); err == nil && f.endsHere(m) {
		return name
	}
	return ""
}

// Finish finishes a sign-in that one of this server's pages began, on the landing page. params are the parameters with which
// the CRM sent the browser back, and loginSecret is the browser's. The result is as of Callback. Without a code and an error, the
// page was loaded again at its Reload address: the result is that of the sign-in that took place.
func (f *Flows) Finish(ctx context.Context, l Landing, params url.Values, loginSecret crmgate.Secret) (SignedIn, error) {
	if !params.Has("code") && !params.Has("error") {
		return f.finished(ctx, l, loginSecret)
	}
	uri, err := url.Parse(f.RedirectURI())
	if err != nil {
		return SignedIn{}, err
	}
	resp := response{platform: l.Platform, state: params.Get("state"), landing: &l}
	r := CallbackRequest{LoginSecret: loginSecret}
	if err := resp.readParams(r, uri, params); err != nil {
		return SignedIn{}, err
	}
	return f.finish(ctx, r, resp)
}

// finished returns the result of a sign-in that took place on the landing page a short time ago.
func (f *Flows) finished(ctx context.Context, l Landing, loginSecret crmgate.Secret) (SignedIn, error) {
	if l.err != nil {
		return SignedIn{}, l.err
	}
	if err := l.state.heldBy(loginSecret); err != nil {
		return SignedIn{}, err
	}
	in, err := f.redemptions.answer(ctx, claim{code: stateCode(l.state)})
	if errors.Is(err, crmgate.ErrNotFound) {
		err = &crmgate.Refusal{Kind: crmgate.Declined, Message: "This sign-in has ended. Please start again.", Err: crmgate.ErrConflict}
	}
	return in, err
}

// Reload is the address at which the landing page shows again what Finish returned. It has no code, so it may stay in the
// browser's history.
func (l Landing) Reload() string { return LandingPage + "?state=" + url.QueryEscape(l.param) }
