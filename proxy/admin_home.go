package proxy

import (
	"context"
	"strings"

	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// adminHome is the overview.
func (s *Server) adminHome(ctx context.Context, _ *request, a *org.Admin) (any, error) {
	apps, err := a.Apps(ctx)
	if err != nil {
		return nil, err
	}
	h := web.AdminHome{Frame: s.frame(a, "Your organisation's CRMs")}
	for _, app := range apps {
		trouble, err := a.Trouble(ctx, app)
		if err != nil {
			return nil, err
		}
		h.Apps = append(h.Apps, s.appRow(app, trouble))
	}
	for _, m := range a.FieldPlatforms() {
		h.Fields = append(h.Fields, web.Row{Title: m.Title, Href: s.fieldsPath(m.Platform, "")})
	}
	for _, m := range a.Platforms() {
		h.People = append(h.People, web.Row{Title: m.Title, Href: s.adminPath("/people/" + string(m.Platform))})
	}
	return adminPage(200, func(b *strings.Builder) error { return s.pages.AdminHome(b, h) })
}

// appRow says how an application stands.
func (s *Server) appRow(app org.OwnApp, trouble *org.AppTrouble) web.Row {
	row := web.Row{Title: app.Manifest.Title, Href: s.adminPath("/" + string(app.Manifest.Platform)), State: "Not set up", Tone: "calm"}
	if c := app.Confirmed; c != nil {
		row.State, row.Tone = "In use", "good"
		row.Sentences = append(row.Sentences, "Client ID "+c.Values["clientId"]+", entered on "+moment(c.Entered)+".")
	}
	if t := trouble; t != nil {
		row.State, row.Tone = "In trouble", "bad"
		row.Sentences = append(row.Sentences, "The CRM rejects it since "+moment(t.Since)+": "+t.Message)
	}
	if p := app.Pending; p != nil {
		if app.Confirmed == nil {
			row.State = "Waiting for a sign-in"
		}
		row.Sentences = append(row.Sentences, waits(p))
	}
	return row
}

// waits says of a pending application who entered it, and until when it waits.
func waits(p *org.EnteredApp) string {
	what := "Waits"
	if p.Staged {
		what = "Another one waits"
	}
	return what + " for a sign-in: entered by extension " + string(p.By) + " on " + moment(p.Entered) + ", forgotten on " + moment(p.Until) + "."
}
