package proxy

import (
	"context"
	"errors"
	"io"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// askToken is the page that asks for a token. An admin whose session has expired has a statement.
func (p adminPages) askToken(statement crmgate.Secret, r *request) (any, error) {
	problem, status := "", 200
	switch {
	case r.fc.IsPost():
		problem, status = "Your admin session has expired. Nothing was saved. Sign in again.", 403
	case !statement.IsZero():
		problem, status = "Your admin session has expired. Sign in again.", 403
	}
	return p.showSignIn(problem, status)
}

func (p adminPages) showSignIn(problem string, status int) (any, error) {
	v := web.AdminSignIn{Action: p.site.adminPath("/session"), Problem: problem}
	return renderForm(status, func(w io.Writer) error { return p.site.pages.AdminSignIn(w, v) })
}

// signIn signs an admin in to the pages, from the page's form or for an extension.
//
// An extension sends its token in a header. A page of another site cannot send that header together with cookies.
func (p adminPages) signIn(ctx context.Context, r *request) (any, error) {
	if r.header("X-RC-Access-Token") != "" {
		return p.signInExtension(ctx, r)
	}
	err := p.signInForm(ctx, r)
	if err == nil {
		return seeOther(p.site.adminPath("")), nil
	}
	t, ok := p.site.correctable(ctx, err)
	if !ok {
		return p.site.failure(ctx, r, err, ending{admin: true})
	}
	switch { // the sentences of the JSON routes are RingCentral's
	case errors.Is(err, crmgate.ErrInvalidToken):
		t.sentence = "This token is not valid."
	case errors.Is(err, crmgate.ErrNotAdmin):
		t.sentence = "This token does not belong to an administrator."
	}
	return p.showSignIn(t.sentence, t.status)
}

func (p adminPages) signInExtension(ctx context.Context, r *request) (any, error) {
	token, err := r.rcToken("")
	if err == nil {
		err = p.open(ctx, r, token)
	}
	if err != nil {
		return nil, err
	}
	return struct {
		URL       string `json:"adminUrl"`
		ExpiresIn int    `json:"expiresIn"`
	}{p.flows.PublicURL + "/admin", int(org.AdminLife.Seconds())}, nil
}

func (p adminPages) signInForm(ctx context.Context, r *request) error {
	var b struct {
		Token crmgate.Text `json:"token"`
	}
	if err := r.fromOurPage(p.site.origin); err != nil {
		return err
	}
	if err := r.body(&b); err != nil {
		return err
	}
	token, err := r.rcToken(b.Token)
	if err != nil {
		return err
	}
	return p.open(ctx, r, token)
}

// open verifies an admin's token and sets the cookie.
func (p adminPages) open(ctx context.Context, r *request, token crmgate.Secret) error {
	statement, err := p.orgs.OpenAdmin(ctx, token)
	if err == nil {
		p.site.cookies.set(r, adminCookie, statement, org.AdminLife)
	}
	return err
}

// signOut signs an admin out of the pages.
func (p adminPages) signOut(ctx context.Context, r *request) (any, error) {
	if err := r.fromOurPage(p.site.origin); err != nil {
		return p.site.failure(ctx, r, err, ending{admin: true})
	}
	p.site.cookies.remove(r, adminCookie)
	return seeOther(p.site.adminPath("")), nil
}
