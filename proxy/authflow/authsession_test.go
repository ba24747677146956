package authflow_test

import (
	"context"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/storage/storetest"
)

// onPages is a connector that people can connect to on a page.
type onPages struct{ bring }

func (onPages) AuthType() (manifest.AuthType, error) { return manifest.OAuth, nil }

// TestOpenSignInsAreNotStored: a sign-in that a client waits for is in its id. The store has a record once the sign-in has ended.
// For one client it keeps a limited number of failures.
func TestOpenSignInsAreNotStored(t *testing.T) {
	t.Parallel()
	all, err := manifest.Parse(map[string][]byte{"one": []byte(`{"platforms":{"one":{"auth":{"type":"oauth","oauth":{
		"authUrl":"https://crm.example/authorize","clientId":"c","redirectUri":"http://gate.example/redirect.html"}},"crmgate":{"hosts":["crm.example"]}}}}`)}, "")
	storetest.Must(t, err)
	m, _ := all.Platform("one")
	s := storetest.New(t, "")
	flows := proxytest.New(t, proxytest.Config{DB: s.DB, Now: s.Clock.Now, Connectors: connector.Registry{
		Find: func(context.Context, crmgate.Platform) (connector.Connector, error) {
			return onPages{bring{manifest: m, model: &model{}}}, nil
		},
		Platforms: func(context.Context) []crmgate.Platform { return []crmgate.Platform{"one"} },
	}}).Flows
	from := func(address string) context.Context {
		return crmgate.WithTrace(t.Context(), &crmgate.Trace{Source: crmgate.SourceAt(netip.MustParseAddr(address))})
	}
	stored := func() (n int) {
		for _, r := range storetest.Raw(t, s.Engine) {
			if r.Key[0] == 'S' {
				n++
			}
		}
		return n
	}
	at := make(chan struct{})
	close(at) // a poll does not wait
	// denied opens a sign-in that the person denies, and returns its status.
	denied := func(ctx context.Context) authflow.SignInStatus {
		t.Helper()
		before := stored()
		opened, err := flows.OpenPending(ctx, authflow.PendingRequest{Platform: "one"})
		storetest.Must(t, err)
		composed, err := flows.ConnectOAuth(ctx, authflow.ConnectRequest{Platform: "one", Session: opened.ID, Browser: opened.BrowserSecret}, "", "", nil)
		storetest.Must(t, err)
		p, err := flows.PollPending(ctx, opened.ID, opened.LoginSecret, at)
		if err != nil || p.Status != authflow.SignInPending || stored() != before {
			t.Fatalf("before its end: %+v, %v, and %d records of %d", p, err, stored(), before)
		}
		u, err := url.Parse(composed.AuthURL)
		storetest.Must(t, err)
		l := flows.Landing(ctx, u.Query().Get("state"))
		if _, err := flows.Finish(ctx, l, url.Values{"error": {"access_denied"}}, composed.LoginSecret); err == nil {
			t.Fatal("a denied sign-in succeeded")
		}
		p, err = flows.PollPending(ctx, opened.ID, opened.LoginSecret, at)
		storetest.Must(t, err)
		return p.Status
	}
	t.Run("a state ends with its auth session", func(t *testing.T) {
		opened, err := flows.OpenPending(t.Context(), authflow.PendingRequest{Platform: "one"})
		storetest.Must(t, err)
		s.Clock.Add(9 * time.Minute)
		composed, err := flows.ConnectOAuth(t.Context(), authflow.ConnectRequest{Platform: "one", Session: opened.ID, Browser: opened.BrowserSecret}, "", "", nil)
		storetest.Must(t, err)
		s.Clock.Add(2 * time.Minute)
		u, err := url.Parse(composed.AuthURL)
		storetest.Must(t, err)
		_, err = flows.Finish(t.Context(), flows.Landing(t.Context(), u.Query().Get("state")), url.Values{"code": {"x"}}, composed.LoginSecret)
		storetest.WantErr(t, err, crmgate.ErrExpired)
	})
	const attacker, honest = "203.0.113.7", "198.51.100.1"
	for range authflow.MaxFailures {
		if got := denied(from(attacker)); got != authflow.SignInFailed {
			t.Fatalf("a denied sign-in is %s", got)
		}
	}
	if got := denied(from(attacker)); got != authflow.SignInPending || stored() != authflow.MaxFailures {
		t.Errorf("one more is %s, and there are %d records", got, stored())
	}
	if got := denied(from(honest)); got != authflow.SignInFailed {
		t.Errorf("that of another client is %s", got)
	}
	s.Clock.Add(time.Second)
	if got := denied(from(attacker)); got != authflow.SignInFailed {
		t.Errorf("a second later it is %s", got)
	}
}
