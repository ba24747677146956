package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// adminPages are the pages for administrators, below /admin.
type adminPages struct {
	site  *site
	flows *authflow.Flows
	orgs  *org.Orgs
}

// adminHandler is a handler for a signed-in admin.
type adminHandler func(context.Context, *request, *org.Admin) (any, error)

// forAdmin runs a handler for a signed-in admin. It refuses a POST that does not come from one of our pages.
func (p adminPages) forAdmin(run adminHandler) handler {
	return func(ctx context.Context, r *request) (any, error) {
		if r.fc.IsPost() {
			if err := r.fromOurPage(p.site.origin); err != nil {
				return p.site.failure(ctx, r, err, ending{admin: true})
			}
		}
		statement := p.site.cookies.value(r, adminCookie)
		a, err := p.orgs.Admin(statement)
		if errors.Is(err, crmgate.ErrExpired) {
			return p.askToken(statement, r)
		}
		var reply any
		if err == nil {
			reply, err = run(ctx, r, a)
		}
		if err != nil {
			return p.site.failure(ctx, r, err, ending{admin: true, platform: crmgate.Platform(r.last)})
		}
		return reply, nil
	}
}

// frame is the part that all pages of a signed-in admin share.
func (p adminPages) frame(a *org.Admin, heading string) web.Frame {
	return web.Frame{Heading: heading, Account: string(a.Account()), Who: signedInBy(a.Extension()), Home: p.site.adminPath("")}
}

// confirm is the page that asks to confirm an action.
func (p adminPages) confirm(c web.AdminConfirm) (any, error) {
	return renderForm(200, func(w io.Writer) error { return p.site.pages.AdminConfirm(w, c) })
}

// signedInBy says how an admin has signed in.
func signedInBy(x crmgate.ExtensionID) string {
	if _, ok := identity.TokenName(x); ok {
		return "with " + operator.AdminName(x)
	}
	return "as " + operator.AdminName(x)
}

// moment formats a time for a page.
func moment(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04") + " UTC" }

// people formats a number of people.
func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}
