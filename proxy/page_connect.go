package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/web"
)

// connectRequest reads who is on the page of which platform.
func (s *Server) connectRequest(r *request, session string) authflow.ConnectRequest {
	return authflow.ConnectRequest{Platform: crmgate.Platform(r.last), Session: session, Browser: s.cookie(r, sessionCookie)}
}

// connectPage is the page on which a person connects a CRM.
func (s *Server) connectPage(ctx context.Context, r *request) (any, error) {
	var session, hostname string
	if err := r.params(map[string]*string{"session": &session, "hostname": &hostname}); err != nil {
		return nil, err
	}
	who := s.connectRequest(r, session)
	c, err := s.Flows.Connect(ctx, who)
	if err != nil {
		return s.failure(ctx, r, err, ending{waited: session != ""})
	}
	if c.Own != nil {
		return s.showOwnApp(newAppForm(c.Manifest, c.Own), session, "", 200)
	}
	return s.showForm(newConnectForm(c.Manifest, session, cmp.Or(c.Hostname, hostname)), 200)
}

// connect takes the page's form: it leads on to the CRM, or signs the person in with what they filled in.
func (s *Server) connect(ctx context.Context, r *request) (any, error) {
	if err := s.fromOurPage(r); err != nil {
		return s.failure(ctx, r, err, endingOf(s.connectRequest(r, "")))
	}
	var b struct {
		Session  string            `json:"session"`
		Hostname string            `json:"hostname"`
		Fields   map[string]string `json:"fields"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	who := s.connectRequest(r, b.Session)
	c, err := s.Flows.Connect(ctx, who)
	if err != nil {
		return s.failure(ctx, r, err, endingOf(who))
	}
	m := c.Manifest
	if c.Own != nil {
		return s.connectOwnApp(ctx, r, who, c, b.Hostname, b.Fields)
	}
	f := newConnectForm(m, b.Session, cmp.Or(b.Hostname, c.Hostname))
	f.fill(b.Fields)
	if !f.check() {
		return s.showForm(f, 400)
	}
	if m.AuthType == manifest.OAuth {
		return s.goToCRM(ctx, r, who, f)
	}
	return s.connectByKey(ctx, r, who, f)
}

func endingOf(who authflow.ConnectRequest) ending {
	return ending{platform: who.Platform, waited: who.Session != ""}
}

// goToCRM begins a sign-in by OAuth. The browser goes on by a header and not by a redirect: browsers hold what a form is
// redirected to to form-action, and where a CRM redirects to in turn is not known.
func (s *Server) goToCRM(ctx context.Context, r *request, who authflow.ConnectRequest, f *connectForm) (any, error) {
	c, err := s.Flows.ConnectOAuth(ctx, who, f.hostname)
	if err != nil {
		return s.failure(ctx, r, err, endingOf(who))
	}
	return s.going(r, f.m.Title, c)
}

// going is the page that leads to the CRM. The browser keeps the login secret.
func (s *Server) going(r *request, crm string, c authflow.Composed) (any, error) {
	s.set(r, loginCookie, c.LoginSecret, c.Life)
	var b strings.Builder
	if err := s.pages.Going(&b, web.Going{CRM: crm, URL: c.AuthURL}); err != nil {
		return nil, err
	}
	r.fc.Response.Header.Set("Refresh", "0; url="+c.AuthURL) // what may not stand in a URL is percent-encoded
	return page{html: b.String()}, nil
}

// connectByKey signs a person in with what they filled in. If the CRM does not take it, they can mend it.
func (s *Server) connectByKey(ctx context.Context, r *request, who authflow.ConnectRequest, f *connectForm) (any, error) {
	info, err := json.Marshal(f.values)
	if err != nil {
		return nil, err
	}
	key, ok := f.values["apiKey"]
	if !ok {
		key = "apiKey" // as clients do whose form has no such field
	}
	in, err := s.Flows.ConnectAPIKey(ctx, who, authflow.APIKeyRequest{
		APIKey: crmgate.NewSecret(key), Hostname: f.hostname, AdditionalInfo: crmgate.NewSecret(string(info)),
	})
	switch t := tell(err); {
	case err == nil:
	case t.sentence == "", errors.Is(err, crmgate.ErrExpired), errors.Is(err, crmgate.ErrConflict):
		return s.failure(ctx, r, err, endingOf(who))
	default:
		f.problem = t.sentence
		s.Logger.InfoContext(ctx, "refused", "status", t.status, "err", err)
		return s.showForm(f, t.status)
	}
	if in.Token.IsZero() {
		f.problem = in.Message.Message
		return s.showForm(f, 400)
	}
	return s.connected(endingOf(who), in)
}

func (s *Server) showForm(f *connectForm, status int) (any, error) {
	var b strings.Builder
	err := s.pages.Connect(&b, f.view(s.connectPath(f.m.Platform)))
	// same-origin: with no-referrer, a browser's Origin for the form would be null.
	return page{html: b.String(), status: status, referrer: "same-origin"}, err
}
