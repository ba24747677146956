package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// adminPath is an address of the organisation's page; at begins with a slash, or is empty.
func (s *Server) adminPath(at string) string { return s.path + "/admin" + strings.TrimSuffix(at, "/") }

// forAdmin runs a handler for an admin who has signed in to the page. What changes anything comes from our page.
func (s *Server) forAdmin(run func(context.Context, *request, *org.Admin) (any, error)) func(context.Context, *request) (any, error) {
	return func(ctx context.Context, r *request) (any, error) {
		if r.fc.IsPost() {
			if err := s.fromOurPage(r); err != nil {
				return s.failure(ctx, r, err, ending{admin: true})
			}
		}
		statement := s.cookie(r, adminCookie)
		a, err := s.Orgs.Admin(statement)
		if errors.Is(err, crmgate.ErrExpired) {
			return s.askAdmin(statement, r)
		}
		var reply any
		if err == nil {
			reply, err = run(ctx, r, a)
		}
		if err != nil {
			return s.failure(ctx, r, err, ending{admin: true, platform: crmgate.Platform(r.last)})
		}
		return reply, nil
	}
}

// askAdmin is the page that asks for a token.
func (s *Server) askAdmin(statement crmgate.Secret, r *request) (any, error) {
	in := web.AdminSignIn{Action: s.adminPath("/session")}
	status := 200
	switch {
	case r.fc.IsPost():
		in.Problem, status = "You were signed in to this page for too long. Nothing was changed. Please sign in again.", 403
	case !statement.IsZero():
		in.Problem, status = "You were signed in to this page for too long. Please sign in again.", 403
	}
	return s.showAdminSignIn(in, status)
}

func (s *Server) showAdminSignIn(in web.AdminSignIn, status int) (any, error) {
	var b strings.Builder
	err := s.pages.AdminSignIn(&b, in)
	return page{html: b.String(), status: status, referrer: "same-origin"}, err
}

// openAdmin signs an admin in to the page: from the page's own form, or for an extension, with a header that no page of
// another site can have a browser send together with cookies.
func (s *Server) openAdmin(ctx context.Context, r *request) (any, error) {
	extension := r.header("X-RC-Access-Token") != ""
	token, err := s.adminToken(r, extension)
	var statement crmgate.Secret
	if err == nil {
		statement, err = s.Orgs.OpenAdmin(ctx, token)
	}
	if err == nil {
		s.set(r, adminCookie, statement, org.AdminLife)
	}
	switch {
	case err == nil && extension:
		return struct {
			URL       string `json:"adminUrl"`
			ExpiresIn int    `json:"expiresIn"`
		}{s.Flows.PublicURL + "/admin", int(org.AdminLife.Seconds())}, nil
	case err == nil:
		return seeOther(s.adminPath("")), nil
	case extension:
		return nil, err
	}
	t := tell(err)
	if t.sentence == "" {
		return s.failure(ctx, r, err, ending{admin: true})
	}
	s.Logger.InfoContext(ctx, "refused", "status", t.status, "err", err)
	return s.showAdminSignIn(web.AdminSignIn{Action: s.adminPath("/session"), Problem: t.sentence}, t.status)
}

func (s *Server) adminToken(r *request, extension bool) (crmgate.Secret, error) {
	var b struct {
		Token string `json:"token"`
	}
	if !extension {
		if err := s.fromOurPage(r); err != nil {
			return crmgate.Secret{}, err
		}
		if err := r.body(&b); err != nil {
			return crmgate.Secret{}, err
		}
	}
	return r.rcToken(b.Token)
}

// leaveAdmin signs an admin out of the page.
func (s *Server) leaveAdmin(ctx context.Context, r *request) (any, error) {
	if err := s.fromOurPage(r); err != nil {
		return s.failure(ctx, r, err, ending{admin: true})
	}
	s.forget(r, adminCookie)
	return seeOther(s.adminPath("")), nil
}

// frame is what all of an admin's pages have.
func (s *Server) frame(a *org.Admin, heading string) web.Frame {
	who := "extension " + string(a.Extension())
	if name, ok := strings.CutPrefix(string(a.Extension()), "token "); ok {
		who = "the admin token " + name
	}
	return web.Frame{Heading: heading, Account: string(a.Account()), Who: who, Home: s.adminPath("")}
}

// adminPage is a page for an admin.
func adminPage(status int, render func(*strings.Builder) error) (any, error) {
	var b strings.Builder
	err := render(&b)
	return page{html: b.String(), status: status, referrer: "same-origin"}, err
}

// moment is a time as the pages say it.
func moment(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04") + " UTC" }

// people says how many they are.
func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}
