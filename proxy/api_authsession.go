package proxy

import (
	"context"
	"net/url"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
)

// pollTime is how long a poll waits. Proxies in front allow longer.
const pollTime = 25 * time.Second

// openAuthSession opens an auth session: a sign-in for which the client polls. The answer sets a cookie, so only the browser
// that sent the request can carry out the sign-in. A page of another site cannot both set the cookie and read the answer.
func (a signInAPI) openAuthSession(ctx context.Context, r *request) (any, error) {
	var b struct {
		Platform crmgate.Text `json:"platform"`
		Hostname crmgate.Text `json:"hostname"`
		RCToken  crmgate.Text `json:"rcAccessToken"`
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
	opened, err := a.flows.OpenPending(ctx, authflow.PendingRequest{
		Platform: crmgate.Platform(b.Platform), Hostname: string(b.Hostname), RCToken: rc, HashedExtension: clean(r.header("rc-extension-id")),
	})
	if err != nil {
		return nil, err
	}
	a.cookies.set(r, sessionCookie, opened.BrowserSecret, opened.Life)
	return authSession{opened.ID, opened.LoginSecret.Reveal(), a.flows.PublicURL + "/connect/" + string(b.Platform) + "?session=" + url.QueryEscape(opened.ID), int(opened.Life.Seconds())}, nil
}

// authSession is the answer with an opened auth session.
type authSession struct {
	ID          string `json:"id"`
	LoginSecret string `json:"loginSecret"`
	ConnectURL  string `json:"connectUrl"`
	ExpiresIn   int    `json:"expiresIn"`
}

// pollAuthSession waits up to pollTime for the sign-in to end.
func (a signInAPI) pollAuthSession(ctx context.Context, r *request) (any, error) {
	wait, cancel := context.WithTimeout(a.polling, pollTime)
	defer cancel()
	p, err := a.flows.PollPending(ctx, r.last, crmgate.NewSecret(r.header("X-Crmgate-Login")), wait.Done())
	if err != nil {
		return nil, err
	}
	return struct {
		Status authflow.SignInStatus `json:"status"`
		signedIn
	}{p.Status, signedIn{p.Token.Reveal(), p.Name, p.Message}}, nil
}
