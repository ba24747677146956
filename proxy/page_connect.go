package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/org"
)

// connectPages are the pages on which a person connects to a CRM: /connect/{platform} and /redirect.html.
type connectPages struct {
	site  *site
	flows *authflow.Flows
}

// visitor reads who is on the page of which platform.
func (p connectPages) visitor(r *request, session string) authflow.ConnectRequest {
	return authflow.ConnectRequest{Platform: crmgate.Platform(r.last), Session: session, Browser: p.site.cookies.value(r, sessionCookie)}
}

// show is the page with the form.
func (p connectPages) show(ctx context.Context, r *request) (any, error) {
	var session, hostname string
	if err := r.params(map[string]*string{"session": &session, "hostname": &hostname}); err != nil {
		return nil, err
	}
	c, err := p.flows.Connect(ctx, p.visitor(r, session))
	if err != nil {
		return p.site.failure(ctx, r, err, ending{waited: session != ""})
	}
	if c.Own != nil {
		return p.showOwnApp(newAppForm(c.Manifest, c.Own, c.Revision), session, "", 200)
	}
	return p.showForm(newConnectForm(c.Manifest, session, cmp.Or(c.Hostname, hostname)), 200)
}

// submit takes the form. It leads on to the CRM, or signs the person in with what they entered.
func (p connectPages) submit(ctx context.Context, r *request) (any, error) {
	if err := r.fromOurPage(p.site.origin); err != nil {
		return p.site.failure(ctx, r, err, endingOf(p.visitor(r, "")))
	}
	var b struct {
		Session  crmgate.Text `json:"session"`
		Hostname crmgate.Text `json:"hostname"`
		Username crmgate.Text `json:"username"`
		Fields   texts        `json:"fields"`
		Revision crmgate.Text `json:"revision"` // of the organisation's applications, if the form is for one
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	who := p.visitor(r, string(b.Session))
	c, err := p.flows.Connect(ctx, who)
	if err != nil {
		return p.site.failure(ctx, r, err, endingOf(who))
	}
	if c.Own != nil {
		f := newAppForm(c.Manifest, c.Own, c.Revision)
		f.fill(string(b.Hostname), b.Fields)
		return p.submitOwnApp(ctx, r, who, f, string(b.Revision))
	}
	f := newConnectForm(c.Manifest, string(b.Session), cmp.Or(string(b.Hostname), c.Hostname))
	f.username = strings.TrimSpace(string(b.Username))
	if b.Revision != "" { // an application was confirmed meanwhile
		f.problem = org.OutdatedText
		return p.showForm(f, 400)
	}
	f.fill(b.Fields)
	return p.connect(ctx, r, who, f)
}

// connect signs a person in with a form that is filled in.
func (p connectPages) connect(ctx context.Context, r *request, who authflow.ConnectRequest, f *connectForm) (any, error) {
	switch {
	case !f.check():
		return p.showForm(f, 400)
	case f.m.AuthType == manifest.OAuth:
		return p.goToCRM(ctx, r, who, f, nil)
	}
	return p.connectByKey(ctx, r, who, f)
}

func endingOf(who authflow.ConnectRequest) ending {
	return ending{platform: who.Platform, waited: who.Session != ""}
}

// goToCRM begins a sign-in by OAuth. entered is the application that this request has entered, if any.
func (p connectPages) goToCRM(ctx context.Context, r *request, who authflow.ConnectRequest, f *connectForm, entered *org.Entered) (any, error) {
	c, err := p.flows.ConnectOAuth(ctx, who, f.hostname, f.username, entered)
	if err != nil {
		return p.site.failure(ctx, r, err, endingOf(who))
	}
	return p.site.going(r, f.m.Title, c, entered)
}

// connectByKey signs a person in with an API key. If the CRM refuses it, the form is shown again.
func (p connectPages) connectByKey(ctx context.Context, r *request, who authflow.ConnectRequest, f *connectForm) (any, error) {
	info, err := json.Marshal(f.values)
	if err != nil {
		return nil, err
	}
	key, ok := f.values["apiKey"]
	if !ok {
		key = "apiKey" // clients send this if the form has no such field
	}
	in, err := p.flows.ConnectAPIKey(ctx, who, authflow.APIKeyRequest{
		APIKey: crmgate.NewSecret(key), Hostname: f.hostname, AdditionalInfo: crmgate.NewSecret(string(info)),
	})
	if err != nil {
		return p.refusedKey(ctx, r, who, f, err)
	}
	if in.Token.IsZero() {
		f.problem = in.Message.Message
		if f.ask(in.Missing) {
			f.problem = "Your organisation has no saved credentials for this address. Enter your own."
		}
		return p.showForm(f, 400)
	}
	return p.connected(endingOf(who), in)
}

// refusedKey shows the form again, or a page that ends the sign-in if the form cannot be sent again.
func (p connectPages) refusedKey(ctx context.Context, r *request, who authflow.ConnectRequest, f *connectForm, err error) (any, error) {
	if !errors.Is(err, crmgate.ErrExpired) && !errors.Is(err, crmgate.ErrConflict) {
		if t, ok := p.site.correctable(ctx, err); ok {
			f.problem = t.sentence
			return p.showForm(f, t.status)
		}
	}
	return p.site.failure(ctx, r, err, endingOf(who))
}

func (p connectPages) showForm(f *connectForm, status int) (any, error) {
	return renderForm(status, func(w io.Writer) error { return p.site.pages.Connect(w, f.view(p.site.connectPath(f.m.Platform))) })
}
