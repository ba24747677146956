package proxy

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/web"
)

// submitOwnApp takes the organisation's application that an admin has entered, and leads on to the CRM. The application is
// used only after the admin has signed in with it. revision is that of the form that was sent.
func (p connectPages) submitOwnApp(ctx context.Context, r *request, who authflow.ConnectRequest, f *appForm, revision string) (any, error) {
	if !f.check() {
		f.revision = revision
		return p.showOwnApp(f, who.Session, "", 400)
	}
	entered, err := p.flows.EnterOwnApp(ctx, who, f.entered(p.flows.RedirectURI()), revision)
	if err == nil {
		return p.goToCRM(ctx, r, who, f.place, entered)
	}
	ended := []error{crmgate.ErrExpired, crmgate.ErrConflict, crmgate.ErrNoApp, crmgate.ErrOtherBrowser}
	if !slices.ContainsFunc(ended, func(end error) bool { return errors.Is(err, end) }) {
		if t, ok := p.site.correctable(ctx, err); ok {
			return p.showOwnApp(f, who.Session, t.sentence, t.status)
		}
	}
	return p.site.failure(ctx, r, err, endingOf(who))
}

// showOwnApp is the form for the organisation's application.
func (p connectPages) showOwnApp(f *appForm, session, problem string, status int) (any, error) {
	setup, err := f.setup(p.flows.RedirectURI())
	if err != nil {
		return nil, err
	}
	v := web.Connect{
		CRM: f.m.Title, OAuth: true, Action: p.site.connectPath(f.m.Platform), Session: session, Setup: &setup,
		Problem: problem, ProblemTitle: "Nothing was saved", Blocks: f.blocks(), Revision: f.revision,
	}
	return renderForm(status, func(w io.Writer) error { return p.site.pages.Connect(w, v) })
}
