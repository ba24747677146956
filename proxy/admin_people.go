package proxy

import (
	"context"
	"io"
	"net/url"
	"strconv"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// people lists the organisation's people on a platform.
func (p adminPages) people(ctx context.Context, r *request, a *org.Admin) (any, error) {
	var after, hostname string
	if err := r.params(map[string]*string{"after": &after, "hostname": &hostname}); err != nil {
		return nil, err
	}
	m, err := a.Platform(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	list, err := a.People(ctx, crmgate.UserKey{Platform: m.Platform, Hostname: hostname, ID: crmgate.UserID(after)})
	if err != nil {
		return nil, err
	}
	v := web.AdminPeople{Frame: p.frame(a, "People on "+m.Title), Total: people(list.Total), End: p.site.adminPath("/end/" + r.last), Some: list.Total > 0}
	for _, e := range list.People {
		v.People = append(v.People, p.personRow(e))
	}
	if list.Next.ID != "" {
		v.Next = p.site.adminPath("/people/"+r.last) + "?" + personQuery("after", list.Next)
	}
	return renderForm(200, func(w io.Writer) error { return p.site.pages.AdminPeople(w, v) })
}

// personQuery is the query of a link to a person: their id, and their host if they have one.
func personQuery(param string, key crmgate.UserKey) string {
	q := url.Values{param: {string(key.ID)}}
	if key.Hostname != "" {
		q.Set("hostname", key.Hostname)
	}
	return q.Encode()
}

// states are the words of the pages for the states that "crmgate users show" prints.
var states = map[string]web.Row{
	"active":      {State: "Connected", Tone: "good"},
	"refreshing":  {State: "Connected", Tone: "good"},
	"needs_login": {State: "Must sign in again", Tone: "bad"},
	"paused":      {State: "Paused", Tone: "bad"},
	"logged_out":  {State: "Signed out", Tone: "calm"},
}

// personRow shows a person.
func (p adminPages) personRow(e operator.Entry) web.Row {
	row := states[e.State]
	if row.Title = e.Name; row.Title == "" {
		row.Title = string(e.ID)
	}
	who := string(e.ID)
	if e.Hostname != "" {
		who += " at " + e.Hostname
	}
	row.Sentences = append(row.Sentences, who+", signed in on "+moment(e.SignedIn)+".")
	if e.Unproven {
		row.Sentences = append(row.Sentences, "Not verified: this person's RingCentral account is not confirmed.")
	}
	if e.Reason != "" {
		row.Sentences = append(row.Sentences, e.Reason)
	}
	if e.State != "logged_out" {
		row.Href = p.site.adminPath("/end/"+string(e.Platform)) + "?" + personQuery("user", e.Key())
	}
	return row
}

// confirmEnd asks to confirm that the session of one person, or of all, is ended.
func (p adminPages) confirmEnd(ctx context.Context, r *request, a *org.Admin) (any, error) {
	var user, hostname string
	if err := r.params(map[string]*string{"user": &user, "hostname": &hostname}); err != nil {
		return nil, err
	}
	m, err := a.Platform(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	c := web.AdminConfirm{Action: p.site.adminPath("/end/" + r.last), Back: p.site.adminPath("/people/" + r.last)}
	if user != "" {
		return p.confirmEndOf(ctx, a, m, crmgate.UserKey{Platform: m.Platform, Hostname: hostname, ID: crmgate.UserID(user)}, c)
	}
	n, err := a.Connected(ctx, m.Platform)
	if err != nil {
		return nil, err
	}
	c.Frame, c.Button = p.frame(a, "End all sessions on "+m.Title+"?"), "End all sessions"
	c.Sentences = []string{people(n) + " will be signed out at once, and can connect again."}
	return p.confirm(c)
}

// confirmEndOf asks to confirm that the session of one person is ended.
func (p adminPages) confirmEndOf(ctx context.Context, a *org.Admin, m *manifest.Manifest, user crmgate.UserKey, c web.AdminConfirm) (any, error) {
	e, err := a.Person(ctx, user)
	if err != nil {
		return nil, err
	}
	c.Frame, c.Button = p.frame(a, "End the session of "+p.personRow(e).Title+"?"), "End the session"
	c.Hidden = []web.Pair{{Name: "user", Value: string(user.ID)}, {Name: "hostname", Value: user.Hostname}}
	c.Sentences = []string{"This person will be signed out of " + m.Title + " at once, and can connect again."}
	return p.confirm(c)
}

// end ends the session of one person, or of all.
func (p adminPages) end(ctx context.Context, r *request, a *org.Admin) (any, error) {
	var b struct {
		User     crmgate.Text `json:"user"`
		Hostname crmgate.Text `json:"hostname"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	m, err := a.Platform(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	if b.User == "" {
		return p.endAll(ctx, r, a, m.Platform)
	}
	if _, err := a.EndSession(ctx, crmgate.UserKey{Platform: m.Platform, Hostname: string(b.Hostname), ID: crmgate.UserID(b.User)}); err != nil {
		return nil, err
	}
	return seeOther(p.site.adminPath("/people/" + r.last)), nil
}

// endAll ends the sessions of all people. If there are too many for one request, it asks to continue.
func (p adminPages) endAll(ctx context.Context, r *request, a *org.Admin, platform crmgate.Platform) (any, error) {
	ended, left, err := a.EndSessions(ctx, platform)
	if err != nil {
		return nil, err
	}
	if left == 0 {
		return seeOther(p.site.adminPath("/people/" + r.last)), nil
	}
	return p.confirm(web.AdminConfirm{
		Frame: p.frame(a, "Some sessions have not ended yet"), Action: p.site.adminPath("/end/" + r.last), Button: "Continue", Back: p.site.adminPath("/people/" + r.last),
		Sentences: []string{strconv.Itoa(ended) + " sessions have ended, and " + strconv.Itoa(left) + " are left. Continue to end more."},
	})
}
