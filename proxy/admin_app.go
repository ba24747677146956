package proxy

import (
	"context"
	"io"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// adminAppPages are the pages of an organisation's application.
type adminAppPages struct{ admin adminPages }

// show is the page of the application at one CRM.
func (p adminAppPages) show(ctx context.Context, r *request, a *org.Admin) (any, error) {
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	return p.render(ctx, a, app, newAppForm(app.Manifest, shownValues(app)), "", 200)
}

// shownValues are the values that the form starts with: the last ones that were entered.
func shownValues(app org.PlatformApp) map[string]string {
	switch {
	case app.Pending != nil:
		return app.Pending.Shown()
	case app.Confirmed != nil:
		return app.Confirmed.Shown()
	}
	return nil
}

// enter takes the form. Values that the CRM does not refuse are saved, and the admin is led on to sign in with them.
func (p adminAppPages) enter(ctx context.Context, r *request, a *org.Admin) (any, error) {
	var b struct {
		Hostname crmgate.Text `json:"hostname"`
		Fields   texts        `json:"fields"`
		Replaces crmgate.Text `json:"replaces"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	f := newAppForm(app.Manifest, shownValues(app))
	f.fill(string(b.Hostname), b.Fields)
	return p.submit(ctx, r, a, app, f, b.Replaces != "")
}

// submit saves the values of the form. replaces says that the admin saw a confirmed application.
func (p adminAppPages) submit(ctx context.Context, r *request, a *org.Admin, app org.PlatformApp, f *appForm, replaces bool) (any, error) {
	if (app.Confirmed != nil) != replaces {
		return p.render(ctx, a, app, f, "Someone else changed the application while you filled in this form. Check it and try again.", 400)
	}
	if !f.check() {
		return p.render(ctx, a, app, f, "", 400)
	}
	entered, err := a.EnterApp(ctx, app, f.entered(p.admin.flows.RedirectURI()))
	if t, ok := p.admin.site.correctable(ctx, err); ok {
		return p.render(ctx, a, app, f, t.sentence, t.status)
	}
	if err != nil {
		return nil, err
	}
	return p.goToCRM(ctx, r, a, app.Manifest, entered)
}

// try leads on to the CRM, for the admin to sign in with the pending application.
func (p adminAppPages) try(ctx context.Context, r *request, a *org.Admin) (any, error) {
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	return p.goToCRM(ctx, r, a, app.Manifest, nil)
}

// goToCRM begins a sign-in with the pending application. entered is the application if it was entered in this request.
func (p adminAppPages) goToCRM(ctx context.Context, r *request, a *org.Admin, m *manifest.Manifest, entered *org.Entered) (any, error) {
	c, err := p.admin.flows.TryApp(ctx, a, m.Platform, entered)
	if err != nil {
		return nil, err
	}
	return p.admin.site.going(r, m.Title, c, entered)
}

// drop discards the pending application.
func (p adminAppPages) drop(ctx context.Context, r *request, a *org.Admin) (any, error) {
	if err := a.DropPending(ctx, crmgate.Platform(r.last)); err != nil {
		return nil, err
	}
	return seeOther(p.admin.site.adminPath("/" + r.last)), nil
}

// retry lets the next request try an application that the CRM rejects.
func (p adminAppPages) retry(ctx context.Context, r *request, a *org.Admin) (any, error) {
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err == nil {
		err = a.RetryApp(ctx, app.Manifest.Platform)
	}
	if err != nil {
		return nil, err
	}
	return seeOther(p.admin.site.adminPath("/" + r.last)), nil
}

// confirmRemove asks to confirm that the application is removed.
func (p adminAppPages) confirmRemove(ctx context.Context, r *request, a *org.Admin) (any, error) {
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	n, err := a.SignedInByApp(ctx, app.Manifest.Platform)
	if err != nil {
		return nil, err
	}
	return p.admin.confirm(web.AdminConfirm{
		Frame: p.admin.frame(a, "Remove the application for "+app.Manifest.Title+"?"), Action: p.admin.site.adminPath("/remove/" + r.last), Button: "Remove",
		Back: p.admin.site.adminPath("/" + r.last), Sentences: []string{
			people(n) + " will be signed out at once. They cannot connect until another application is set up.",
			"An application that waits for a sign-in is removed too. The application stays registered at the CRM.",
		},
	})
}

// remove removes the application.
func (p adminAppPages) remove(ctx context.Context, r *request, a *org.Admin) (any, error) {
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err == nil {
		err = a.RemoveApp(ctx, app.Manifest.Platform)
	}
	if err != nil {
		return nil, err
	}
	return seeOther(p.admin.site.adminPath("/" + r.last)), nil
}

// render is the page of an application. problem is an error of the whole form.
func (p adminAppPages) render(ctx context.Context, a *org.Admin, app org.PlatformApp, f *appForm, problem string, status int) (any, error) {
	setup, err := f.setup(p.admin.flows.RedirectURI())
	if err != nil {
		return nil, err
	}
	m := app.Manifest
	at := func(what string) string { return p.admin.site.adminPath(what + string(m.Platform)) }
	v := web.AdminApp{
		Frame: p.admin.frame(a, m.Title), CRM: m.Title, Problem: problem, Setup: setup, Blocks: f.blocks(), Action: at("/"),
		Try: at("/try/"), Retry: at("/retry/"), Drop: at("/drop/"), Remove: at("/remove/"), People: at("/people/"),
	}
	if pending := app.Pending; pending != nil {
		v.Pending = &web.AppCard{Heading: "Waiting for a sign-in", Values: shownPairs(pending.Shown()), Sentence: pendingSentence(pending)}
		if !pending.Used.IsZero() {
			v.Pending.Heading = "Waiting for the admin's session"
		}
	}
	if err := confirmedCard(ctx, a, app, &v); err != nil {
		return nil, err
	}
	return renderForm(status, func(w io.Writer) error { return p.admin.site.pages.AdminApp(w, v) })
}

// confirmedCard fills in what the page shows of the confirmed application, if there is one.
func confirmedCard(ctx context.Context, a *org.Admin, app org.PlatformApp, v *web.AdminApp) error {
	c := app.Confirmed
	if c == nil {
		return nil
	}
	n, err := a.SignedInByApp(ctx, app.Manifest.Platform)
	if err != nil {
		return err
	}
	v.Confirmed = &web.AppCard{Values: shownPairs(c.Shown()), Sentence: "Entered by " + operator.AdminName(c.By) + " on " + moment(c.Entered) + "."}
	v.SignedIn = people(n)
	trouble, err := a.Trouble(ctx, app)
	if trouble == nil {
		return err
	}
	v.Trouble, v.Retried = trouble.Message+" Access has not been renewed since "+moment(trouble.Since)+".", trouble.Retried
	if trouble.SignIn {
		v.Trouble, v.Retry = trouble.Message+" Sign-ins have failed since "+moment(trouble.Since)+".", ""
	}
	return err
}

// shownPairs are an application's values with their labels. Of the secret, they say only whether it is set.
func shownPairs(values map[string]string) []web.Pair {
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
