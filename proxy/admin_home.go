package proxy

import (
	"context"
	"io"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// home is the overview.
func (p adminPages) home(ctx context.Context, _ *request, a *org.Admin) (any, error) {
	apps, err := a.Apps(ctx)
	if err != nil {
		return nil, err
	}
	h := web.AdminHome{Frame: p.frame(a, "Your organisation's CRMs")}
	for _, app := range apps {
		trouble, err := a.Trouble(ctx, app)
		if err != nil {
			return nil, err
		}
		h.Apps = append(h.Apps, p.appRow(app, trouble))
	}
	for _, m := range a.FieldPlatforms(ctx) {
		h.Fields = append(h.Fields, web.Row{Title: m.Title, Href: p.fieldsPath(credentials{m: m})})
	}
	for _, m := range a.Platforms(ctx) {
		h.People = append(h.People, web.Row{Title: m.Title, Href: p.site.adminPath("/people/" + string(m.Platform))})
	}
	return renderForm(200, func(w io.Writer) error { return p.site.pages.AdminHome(w, h) })
}

// appRow shows the state of an application.
func (p adminPages) appRow(app org.PlatformApp, trouble *org.AppTrouble) web.Row {
	row := web.Row{Title: app.Manifest.Title, Href: p.site.adminPath("/" + string(app.Manifest.Platform)), State: "Not set up", Tone: "calm"}
	if c := app.Confirmed; c != nil {
		row.State, row.Tone = "In use", "good"
		row.Sentences = append(row.Sentences, "Client ID "+c.ClientID+", entered on "+moment(c.Entered)+".")
	}
	if trouble != nil {
		row.State, row.Tone = "Rejected", "bad"
		row.Sentences = append(row.Sentences, "The CRM has rejected it since "+moment(trouble.Since)+". "+troubleText(trouble))
	}
	if pending := app.Pending; pending != nil {
		if app.Confirmed == nil {
			row.State = "Waiting for a sign-in"
		}
		row.Sentences = append(row.Sentences, pendingSentence(pending))
	}
	return row
}

// pendingSentence says what a pending application waits for, who entered it, and when it expires.
func pendingSentence(p *crmgate.OrgApplication) string {
	what := "Waiting for a sign-in."
	switch {
	case !p.Used.IsZero():
		what = "Waiting for the admin's session. A person signed in with this application on " + moment(p.Used) +
			", but their RingCentral account is not verified. Sign in to test it, and it is confirmed."
	case p.State == crmgate.Staged:
		what = "A replacement is waiting for a sign-in."
	}
	return what + " Entered by " + operator.AdminName(p.By) + " on " + moment(p.Entered) + ". Expires on " + moment(p.Expires) + "."
}
