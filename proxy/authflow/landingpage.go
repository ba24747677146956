package authflow

import (
	"context"
	"net/url"

	"github.com/crmgate/crmgate"
)

// Landing says what a landing page has to do.
type Landing struct {
	// Page says that a page of ours began the sign-in: it ends in this window, and is posted to nobody.
	Page bool
	// Platform, Waited and Admin are what a page of ours began: whether a client waits for it, and whether it was the
	// organisation's page.
	Platform      crmgate.Platform
	Waited, Admin bool
	// Origins may be posted the page's URL otherwise: the one pinned in the state, if that is ours and still opens, else
	// all that are allowed.
	Origins []string

	state state // of Page
	err   error // if state has expired
}

// Landing reads the state of a landing page. It spends nothing.
func (f *Flows) Landing(ctx context.Context, stateParam string) Landing {
	if ours(stateParam) {
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

// Finish finishes a sign-in that a page of ours began, on the landing page that it came back to. params are the parameters
// that the CRM sent the browser back with; loginSecret is the one that the browser keeps. Finish answers as Callback does.
func (f *Flows) Finish(ctx context.Context, l Landing, params url.Values, loginSecret crmgate.Secret) (SignedIn, error) {
	uri, err := url.Parse(f.RedirectURI())
	if err != nil {
		return SignedIn{}, err
	}
	cb := callback{platform: l.Platform, landing: &l}
	r := CallbackRequest{LoginSecret: loginSecret}
	if err := cb.readParams(r, uri, params); err != nil {
		return SignedIn{}, err
	}
	return f.finish(ctx, r, cb)
}
