package authflow

import (
	"context"
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

	state state // of Page
	err   error // if state has expired
}

// Landing reads the state of a landing page without spending it.
func (f *Flows) Landing(ctx context.Context, stateParam string) Landing {
	if isBound(stateParam) {
		s, err := f.states.open(ctx, stateParam)
		switch {
		case s.Page:
			return Landing{Page: true, Platform: s.Platform, Waited: s.Session != "", Admin: s.Admin, state: s, err: err}
		case err == nil:
			return Landing{Origins: []string{s.Origin}}
		}
	}
	return Landing{Origins: f.AllowedOrigins}
}

// Finish finishes a sign-in that one of this server's pages began, on the landing page. params are the parameters with which
// the CRM sent the browser back, and loginSecret is the browser's. The result is as of Callback.
func (f *Flows) Finish(ctx context.Context, l Landing, params url.Values, loginSecret crmgate.Secret) (SignedIn, error) {
	uri, err := url.Parse(f.RedirectURI())
	if err != nil {
		return SignedIn{}, err
	}
	resp := response{platform: l.Platform, landing: &l}
	r := CallbackRequest{LoginSecret: loginSecret}
	if err := resp.readParams(r, uri, params); err != nil {
		return SignedIn{}, err
	}
	return f.finish(ctx, r, resp)
}
