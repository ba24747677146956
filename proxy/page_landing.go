package proxy

import (
	"cmp"
	"context"
	"io"

	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/web"
)

// landing is the page at the redirect URI. A sign-in that began on one of our pages ends here. Any other is posted to the
// window that opened this one.
func (p connectPages) landing(ctx context.Context, r *request) (any, error) {
	state := ""
	if v := r.joined("state"); v != nil {
		state = *v
	}
	l := p.flows.Landing(ctx, state)
	if l.Page {
		return p.finish(ctx, r, l)
	}
	page := web.Landing{Origins: l.Origins, Bound: l.Bound}
	if l.Connect != "" {
		page.Connect = p.site.connectPath(l.Connect)
	}
	return render(200, func(w io.Writer) error { return p.site.pages.Landing(w, page) })
}

// landed takes the CRM's answer from the body of a form (response_mode=form_post), and sends the browser to the landing page with
// the same answer in the query. Browsers send no cookie with a form of another site, and scripts do not see the form.
func (p connectPages) landed(_ context.Context, r *request) (any, error) {
	form, err := r.form()
	if err != nil {
		return nil, err
	}
	return seeOther(p.site.path + authflow.LandingPage + "?" + form), nil
}

// finish ends a sign-in that began on one of our pages. The cookie has the login secret, so only that browser can end it.
func (p connectPages) finish(ctx context.Context, r *request, l authflow.Landing) (any, error) {
	e := ending{platform: l.Platform, waited: l.Waited, landed: true, reload: p.site.path + l.Reload(), admin: l.Admin}
	in, err := p.flows.Finish(ctx, l, r.values(), p.site.cookies.value(r, loginCookie))
	if err != nil {
		return p.site.failure(ctx, r, err, e)
	}
	return p.connected(e, in)
}

// connected is the page for a CRM's answer: the person is connected, or the CRM refused them.
func (p connectPages) connected(e ending, in authflow.SignedIn) (any, error) {
	said := ""
	if in.Message != nil {
		said = in.Message.Message
	}
	if in.Token.IsZero() {
		return p.site.result(e, web.Result{Tone: "bad", Heading: "Not connected", Sentences: []string{cmp.Or(said, "The CRM did not accept this sign-in.")}}, 400)
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
		res.Sentences = append(res.Sentences, "Your organisation uses it now. Everyone in your organisation can connect.")
	case e.waited:
		res.Sentences = append(res.Sentences, "The app continues by itself. You can close this window.")
	default:
		res.Sentences = append(res.Sentences, "To use this connection in an app, start from that app.")
	}
	return p.site.result(e, res, 200)
}
