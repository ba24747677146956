package proxy

import (
	"context"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// adminPlatform is the page of an organisation's application.
func (s *Server) adminPlatform(ctx context.Context, r *request, a *org.Admin) (any, error) {
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	return s.showApp(ctx, a, app, newAppForm(app.Manifest, shownValues(app)), "", 200)
}

// shownValues are the values that the form begins with: what was entered last.
func shownValues(app org.OwnApp) org.ManagedValues {
	switch {
	case app.Pending != nil:
		return app.Pending.Values
	case app.Confirmed != nil:
		return app.Confirmed.Values
	}
	return nil
}

// adminEnter takes the form: what the CRM does not refuse is stored, and the admin is led on to sign in with it.
func (s *Server) adminEnter(ctx context.Context, r *request, a *org.Admin) (any, error) {
	var b struct {
		Hostname string            `json:"hostname"`
		Fields   map[string]string `json:"fields"`
		Replaces string            `json:"replaces"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	f := newAppForm(app.Manifest, shownValues(app))
	f.fill(b.Hostname, b.Fields)
	if (app.Confirmed != nil) != (b.Replaces != "") {
		return s.showApp(ctx, a, app, f, "Somebody else has set up the application, or removed it, while you filled this in. Please look at it again.", 400)
	}
	if !f.check() {
		return s.showApp(ctx, a, app, f, "", 400)
	}
	entered, err := a.EnterApp(ctx, app, f.entered(s.Flows.RedirectURI()))
	if t := tell(err); err != nil && t.sentence != "" {
		s.Logger.InfoContext(ctx, "refused", "status", t.status, "err", err)
		return s.showApp(ctx, a, app, f, t.sentence, t.status)
	}
	if err != nil {
		return nil, err
	}
	return s.tryApp(ctx, r, a, app.Manifest, entered)
}

// adminTry leads on to the CRM, for the admin to sign in with what is pending.
func (s *Server) adminTry(ctx context.Context, r *request, a *org.Admin) (any, error) {
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	return s.tryApp(ctx, r, a, app.Manifest, nil)
}

func (s *Server) tryApp(ctx context.Context, r *request, a *org.Admin, m *manifest.Manifest, entered *org.Entered) (any, error) {
	c, err := s.Flows.TryApp(ctx, a, m.Platform, entered)
	if err != nil {
		return nil, err
	}
	return s.going(r, m.Title, c)
}

// adminDrop discards what is pending.
func (s *Server) adminDrop(ctx context.Context, r *request, a *org.Admin) (any, error) {
	if err := a.DropPending(ctx, crmgate.Platform(r.last)); err != nil {
		return nil, err
	}
	return seeOther(s.adminPath("/" + r.last)), nil
}

// adminAskRemove asks whether the application is to go.
func (s *Server) adminAskRemove(ctx context.Context, r *request, a *org.Admin) (any, error) {
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	n, err := a.SignedInByApp(ctx, app.Manifest.Platform)
	if err != nil {
		return nil, err
	}
	c := web.AdminConfirm{
		Frame: s.frame(a, "Remove the application of "+app.Manifest.Title+"?"), Action: s.adminPath("/remove/" + r.last), Button: "Remove it",
		Back: s.adminPath("/" + r.last), Sentences: []string{
			"Its sessions end at once: " + people(n) + " will be signed out, and cannot connect until another application is set up.",
			"What was entered and not tried yet is discarded as well. At the CRM, the application stays registered.",
		},
	}
	return adminPage(200, func(b *strings.Builder) error { return s.pages.AdminConfirm(b, c) })
}

func (s *Server) adminRemove(ctx context.Context, r *request, a *org.Admin) (any, error) {
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err == nil {
		err = a.RemoveApp(ctx, app.Manifest.Platform)
	}
	if err != nil {
		return nil, err
	}
	return seeOther(s.adminPath("/" + r.last)), nil
}

// showApp is the page of an application; problem is what is wrong with what was filled in.
func (s *Server) showApp(ctx context.Context, a *org.Admin, app org.OwnApp, f *appForm, problem string, status int) (any, error) {
	m := app.Manifest
	setup, err := f.setup(s.Flows.RedirectURI())
	if err != nil {
		return nil, err
	}
	at := func(what string) string { return s.adminPath(what + string(m.Platform)) }
	v := web.AdminApp{
		Frame: s.frame(a, m.Title), CRM: m.Title, Problem: problem, Setup: setup, Blocks: f.blocks(), Action: at("/"),
		Try: at("/try/"), Drop: at("/drop/"), Remove: at("/remove/"), People: at("/people/"),
	}
	if c := app.Confirmed; c != nil {
		n, err := a.SignedInByApp(ctx, m.Platform)
		if err != nil {
			return nil, err
		}
		v.Confirmed = &web.AppCard{Values: shownPairs(c.Values), Sentence: "Entered by extension " + string(c.By) + " on " + moment(c.Entered) + "."}
		v.SignedIn = people(n)
	}
	if p := app.Pending; p != nil {
		v.Pending = &web.AppCard{Values: shownPairs(p.Values), Sentence: waits(p)}
	}
	trouble, err := a.Trouble(ctx, app)
	if err != nil {
		return nil, err
	}
	if t := trouble; t != nil {
		v.Trouble = t.Message + " Since " + moment(t.Since) + ", nobody's access can be renewed."
	}
	return adminPage(status, func(b *strings.Builder) error { return s.pages.AdminApp(b, v) })
}

// shownPairs are an application's values with their labels; of the secret, that it is set.
func shownPairs(values org.ManagedValues) []web.Pair {
	var all []web.Pair
	for _, field := range append(appFields, appField{name: "redirectUri", label: "Redirect URI"}) {
		v := values[field.name]
		switch {
		case field.name == "clientSecret" && v == "":
			all = append(all, web.Pair{Name: field.label, Value: "not set"})
		case field.name == "clientSecret":
			all = append(all, web.Pair{Name: field.label, Value: "set"})
		case v != "":
			all = append(all, web.Pair{Name: field.label, Value: v})
		}
	}
	return all
}
