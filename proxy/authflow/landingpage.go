package authflow

import (
	"context"

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
}

// Landing reads the state of a landing page. It spends nothing.
func (f *Flows) Landing(ctx context.Context, stateParam string) Landing {
	if ours(stateParam) {
		s, err := f.states.open(ctx, stateParam)
		switch {
		case s.Page:
			return Landing{Page: true, Platform: s.Platform, Waited: s.Session != "", Admin: s.Admin}
		case err == nil:
			return Landing{Origins: []string{s.Origin}}
		}
	}
	return Landing{Origins: f.AllowedOrigins}
}
