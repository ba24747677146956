package proxy

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// adminPeople lists the account's people on a platform.
func (s *Server) adminPeople(ctx context.Context, r *request, a *org.Admin) (any, error) {
	after, err := r.param("after")
	if err != nil {
		return nil, err
	}
	m, err := a.Platform(crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	list, err := a.People(ctx, m.Platform, crmgate.UserID(after))
	if err != nil {
		return nil, err
	}
	v := web.AdminPeople{Frame: s.frame(a, "People on "+m.Title), Total: people(list.Total), End: s.adminPath("/end/" + r.last), Some: list.Total > 0, First: after == ""}
	for _, e := range list.People {
		v.People = append(v.People, s.personRow(e))
	}
	if list.Next != "" {
		v.Next = s.adminPath("/people/"+r.last) + "?after=" + url.QueryEscape(string(list.Next))
	}
	return adminPage(200, func(b *strings.Builder) error { return s.pages.AdminPeople(b, v) })
}

// states are how the pages call what crmgate users show calls otherwise.
var states = map[string]web.Row{
	"active":      {State: "Connected", Tone: "good"},
	"refreshing":  {State: "Connected", Tone: "good"},
	"needs_login": {State: "Must sign in again", Tone: "bad"},
	"paused":      {State: "Paused", Tone: "bad"},
	"logged_out":  {State: "Signed out", Tone: "calm"},
}

func (s *Server) personRow(e operator.Entry) web.Row {
	row := states[e.State]
	if row.Title = e.Name; row.Title == "" {
		row.Title = string(e.ID)
	}
	row.Sentences = append(row.Sentences, string(e.ID)+", signed in on "+moment(e.SignedIn)+".")
	if e.Reason != "" {
		row.Sentences = append(row.Sentences, e.Reason)
	}
	if e.State != "logged_out" {
		row.Href = s.adminPath("/end/"+string(e.Platform)) + "?user=" + url.QueryEscape(string(e.ID))
	}
	return row
}

// adminAskEnd asks whether the session of one, or those of all, are to end.
func (s *Server) adminAskEnd(ctx context.Context, r *request, a *org.Admin) (any, error) {
	user, err := r.param("user")
	if err != nil {
		return nil, err
	}
	m, err := a.Platform(crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	c := web.AdminConfirm{
		Frame: s.frame(a, "End all sessions on "+m.Title+"?"), Action: s.adminPath("/end/" + r.last), Button: "End them", Back: s.adminPath("/people/" + r.last),
	}
	if user != "" {
		e, err := a.Person(ctx, crmgate.UserKey{Platform: m.Platform, ID: crmgate.UserID(user)})
		if err != nil {
			return nil, err
		}
		row := s.personRow(e)
		c.Frame.Heading, c.Button, c.Hidden = "End the session of "+row.Title+"?", "End it", []web.Pair{{Name: "user", Value: user}}
		c.Sentences = []string{"They are signed out of " + m.Title + " at once, and can connect again."}
		return adminPage(200, func(b *strings.Builder) error { return s.pages.AdminConfirm(b, c) })
	}
	n, err := a.Connected(ctx, m.Platform)
	if err != nil {
		return nil, err
	}
	c.Sentences = []string{people(n) + " will be signed out at once, and can connect again."}
	return adminPage(200, func(b *strings.Builder) error { return s.pages.AdminConfirm(b, c) })
}

// adminEnd ends the session of one, or those of all.
func (s *Server) adminEnd(ctx context.Context, r *request, a *org.Admin) (any, error) {
	var b struct {
		User string `json:"user"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	m, err := a.Platform(crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	if b.User != "" {
		if _, err := a.EndSession(ctx, crmgate.UserKey{Platform: m.Platform, ID: crmgate.UserID(b.User)}); err != nil {
			return nil, err
		}
		return seeOther(s.adminPath("/people/" + r.last)), nil
	}
	ended, left, err := a.EndSessions(ctx, m.Platform)
	if err != nil {
		return nil, err
	}
	if left == 0 {
		return seeOther(s.adminPath("/people/" + r.last)), nil
	}
	c := web.AdminConfirm{
		Frame: s.frame(a, "Some sessions are left"), Action: s.adminPath("/end/" + r.last), Button: "Go on", Back: s.adminPath("/people/" + r.last),
		Sentences: []string{strconv.Itoa(ended) + " sessions have ended, and " + strconv.Itoa(left) + " are left: so many at once are ended in steps."},
	}
	return adminPage(200, func(w *strings.Builder) error { return s.pages.AdminConfirm(w, c) })
}
