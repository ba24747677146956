package proxy

import (
	"context"
	"errors"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/web"
)

// connectOwnApp takes what an admin has entered of their organisation's application, and leads on to the CRM: that they can
// sign in with it is the proof that it is right. What the CRM tells to be wrong they can mend.
func (s *Server) connectOwnApp(ctx context.Context, r *request, who authflow.ConnectRequest, c authflow.Connecting, hostname string, fields map[string]string) (any, error) {
	f := newAppForm(c.Manifest, c.Own)
	f.fill(hostname, fields)
	if !f.check() {
		return s.showOwnApp(f, who.Session, "", 400)
	}
	err := s.Flows.EnterOwnApp(ctx, who, f.entered(s.Flows.RedirectURI()))
	switch t := tell(err); {
	case err == nil:
		return s.goToCRM(ctx, r, who, f.place)
	case t.sentence == "", errors.Is(err, crmgate.ErrExpired), errors.Is(err, crmgate.ErrConflict), errors.Is(err, crmgate.ErrNoApp), errors.Is(err, crmgate.ErrOtherBrowser):
		return s.failure(ctx, r, err, endingOf(who))
	default:
		s.Logger.InfoContext(ctx, "refused", "status", t.status, "err", err)
		return s.showOwnApp(f, who.Session, t.sentence, t.status)
	}
}

// showOwnApp is the form on which an admin enters their organisation's application.
func (s *Server) showOwnApp(f *appForm, session, problem string, status int) (any, error) {
	setup, err := f.setup(s.Flows.RedirectURI())
	if err != nil {
		return nil, err
	}
	v := web.Connect{
		CRM: f.m.Title, OAuth: true, Action: s.connectPath(f.m.Platform), Session: session, Setup: &setup,
		Problem: problem, ProblemTitle: "Nothing was stored", Blocks: f.blocks(),
	}
	var b strings.Builder
	err = s.pages.Connect(&b, v)
	return page{html: b.String(), status: status, referrer: "same-origin"}, err
}
