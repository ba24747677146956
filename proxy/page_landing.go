package proxy

import (
	"cmp"
	"context"
	"strings"

	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/web"
)

// landing is where CRMs send browsers back to. A sign-in that a page of ours began ends here, in this window; any other is
// handed to the window that opened this one.
func (s *Server) landing(ctx context.Context, r *request) (any, error) {
	state := ""
	if v := r.joined("state"); v != nil {
		state = *v
	}
	l := s.Flows.Landing(ctx, state)
	if l.Page {
		return s.finish(ctx, r, l)
	}
	var b strings.Builder
	err := s.pages.Landing(&b, l.Origins)
	return page{html: b.String()}, err
}

// finish ends a sign-in that a page of ours began. It takes the browser that began it: the login secret is in its cookie.
func (s *Server) finish(ctx context.Context, r *request, l authflow.Landing) (any, error) {
	e := ending{platform: l.Platform, waited: l.Waited, landed: true, admin: l.Admin}
	in, err := s.Flows.Finish(ctx, l, r.values(), s.cookie(r, loginCookie))
	if err != nil {
		return s.failure(ctx, r, err, e)
	}
	s.forget(r, loginCookie)
	return s.connected(e, in)
}

// connected is the page for what a CRM has answered: that the person is signed in, or why not.
func (s *Server) connected(e ending, in authflow.SignedIn) (any, error) {
	said := ""
	if in.Message != nil {
		said = in.Message.Message
	}
	if in.Token.IsZero() {
		return s.ended(e, web.Result{Tone: "bad", Heading: "Not connected", Sentences: []string{cmp.Or(said, "The CRM did not accept this sign-in.")}}, 400)
	}
	res := web.Result{Tone: "good", Heading: "You are connected"}
	if said != "" {
		res.Sentences = append(res.Sentences, said)
	}
	if in.Name != "" {
		res.Sentences = append(res.Sentences, "Signed in as "+in.Name+".")
	}
	switch {
	case e.admin:
		res.Heading = "The application works"
		res.Sentences = append(res.Sentences, "Your organisation uses it from now on: everybody in it can connect.")
	case e.waited:
		res.Sentences = append(res.Sentences, "The application goes on by itself. You can close this window.")
	default:
		res.Sentences = append(res.Sentences, "No application was waiting for this. To use the connection in one, connect there.")
	}
	return s.ended(e, res, 200)
}
