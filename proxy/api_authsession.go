package proxy

import (
	"context"
	"net/url"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
)

// patience is how long a poll waits: less than what proxies in front allow.
const patience = 25 * time.Second

// openAuthSession begins a sign-in that a client waits for. The browser that sends this, and no other, can carry it out:
// the answer has a cookie for it. Pages of other sites cannot have one set and read the answer as well.
func (s *Server) openAuthSession(ctx context.Context, r *request) (any, error) {
	var b struct {
		Platform crmgate.Platform `json:"platform"`
		Hostname string           `json:"hostname"`
		RCToken  string           `json:"rcAccessToken"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	if b.Platform == "" {
		return nil, crmgate.RefusePlain("Missing platform name")
	}
	rc, err := r.rcToken(b.RCToken)
	if err != nil {
		return nil, err
	}
	a, err := s.Flows.OpenPending(ctx, authflow.PendingRequest{
		Platform: b.Platform, Hostname: b.Hostname, RCToken: rc, HashedExtension: clean(r.header("rc-extension-id")),
	})
	if err != nil {
		return nil, err
	}
	s.set(r, sessionCookie, a.BrowserSecret, a.Life)
	return struct {
		ID          string `json:"id"`
		LoginSecret string `json:"loginSecret"`
		ConnectURL  string `json:"connectUrl"`
		ExpiresIn   int    `json:"expiresIn"`
	}{a.ID, a.LoginSecret.Reveal(), s.Flows.PublicURL + "/connect/" + string(b.Platform) + "?session=" + url.QueryEscape(a.ID), int(a.Life.Seconds())}, nil
}

// pollAuthSession waits for a sign-in for a while.
func (s *Server) pollAuthSession(ctx context.Context, r *request) (any, error) {
	wait, cancel := context.WithTimeout(s.polling, patience)
	defer cancel()
	p, err := s.Flows.PollPending(ctx, r.last, crmgate.NewSecret(r.header("X-Crmgate-Login")), wait.Done())
	if err != nil {
		return nil, err
	}
	return struct {
		Status authflow.SignInStatus `json:"status"`
		signedIn
	}{p.Status, signedIn{p.Token.Reveal(), p.Name, p.Message}}, nil
}
