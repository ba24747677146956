package proxy

import (
	"context"
	"io"
	"strconv"

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
	return p.render(ctx, a, app, newAppForm(app.Manifest, shownValues(app), app.Revision), "", 200)
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
		Revision crmgate.Text `json:"revision"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	f := newAppForm(app.Manifest, shownValues(app), app.Revision)
	f.fill(string(b.Hostname), b.Fields)
	return p.submit(ctx, r, a, app, f, string(b.Revision))
}

// submit saves the values of the form. revision is that of the form that was sent.
func (p adminAppPages) submit(ctx context.Context, r *request, a *org.Admin, app org.PlatformApp, f *appForm, revision string) (any, error) {
	if !f.check() {
		f.revision = revision
		return p.render(ctx, a, app, f, "", 400)
	}
	entered, err := a.EnterApp(ctx, app, f.entered(p.admin.flows.RedirectURI()), revision)
	if t, ok := p.admin.site.correctable(ctx, err); ok {
		if app, err = a.App(ctx, app.Manifest.Platform); err != nil {
			return nil, err
		}
		f.revision = app.Revision
		return p.render(ctx, a, app, f, t.sentence, t.status)
	}
	if err != nil {
		return nil, err
	}
	return p.goToCRM(ctx, r, a, app.Manifest, entered)
}

// try leads on to the CRM, for the admin to sign in with the pending application.
func (p adminAppPages) try(ctx context.Context, r *request, a *org.Admin) (any, error) {
	revision, err := revisionOf(r)
	if err != nil {
		return nil, err
	}
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	pending, err := a.Pending(ctx, app, revision)
	if err != nil {
		return nil, err
	}
	return p.goToCRM(ctx, r, a, app.Manifest, pending)
}

// revisionOf reads the revision of a form that has nothing else.
func revisionOf(r *request) (string, error) {
	var b struct {
		Revision crmgate.Text `json:"revision"`
	}
	err := r.body(&b)
	return string(b.Revision), err
}

// goToCRM begins a sign-in with the pending application.
func (p adminAppPages) goToCRM(ctx context.Context, r *request, a *org.Admin, m *manifest.Manifest, entered *org.Entered) (any, error) {
	c, err := p.admin.flows.TryApp(ctx, a, m.Platform, entered)
	if err != nil {
		return nil, err
	}
	return p.admin.site.going(r, m.Title, c, entered)
}

// drop discards the pending application.
func (p adminAppPages) drop(ctx context.Context, r *request, a *org.Admin) (any, error) {
	revision, err := revisionOf(r)
	if err != nil {
		return nil, err
	}
	platform := crmgate.Platform(r.last)
	if err := a.DropPending(ctx, platform, a.IfSeen(platform, revision)); err != nil {
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
		Hidden: []web.Pair{{Name: "revision", Value: app.Revision}}, Back: p.admin.site.adminPath("/" + r.last), Sentences: []string{
			people(n) + " will be signed out at once. They cannot connect until another application is set up.",
			"An application that waits for a sign-in is removed too. The application stays registered at the CRM.",
		},
	})
}

// remove removes the application.
func (p adminAppPages) remove(ctx context.Context, r *request, a *org.Admin) (any, error) {
	revision, err := revisionOf(r)
	if err != nil {
		return nil, err
	}
	app, err := a.App(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	if err := a.RemoveApp(ctx, app.Manifest.Platform, a.IfSeen(app.Manifest.Platform, revision)); err != nil {
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
		Frame: p.admin.frame(a, m.Title), CRM: m.Title, Problem: problem, Setup: setup, Blocks: f.blocks(), Revision: f.revision, Action: at("/"),
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
	v.Trouble, v.Retried = troubleText(trouble)+" Access has not been renewed since "+moment(trouble.Since)+".", trouble.Retried
	if trouble.SignIn {
		v.Trouble, v.Retry = troubleText(trouble)+" Sign-ins have failed since "+moment(trouble.Since)+".", ""
	}
	return err
}

// troubleText says why the CRM rejects an application: in its own words, if it said something.
func troubleText(t *org.AppTrouble) string {
	if t.Said == "" {
		return t.Message
	}
	return "The CRM says: " + strconv.Quote(t.Said) + "."
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
