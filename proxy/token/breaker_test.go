package token_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
)

// passerby stores a person with a due token, and calls Live.
func (w *world) passerby(i int) error {
	w.t.Helper()
	key := crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(fmt.Sprint(i))}
	now, app := w.clock.Now(), w.client().App
	_, err := w.db.SignIn(w.t.Context(), key, func(p *crmgate.Person) error {
		p.Grant = crmgate.Grant{AccessToken: crmgate.NewSecret("a"), RefreshToken: crmgate.NewSecret("r"), Issued: now.Add(-2 * time.Hour), Expiry: now.Add(-time.Hour), App: app}
		return nil
	})
	must(w.t, err)
	_, err = w.engine.Live(w.t.Context(), key)
	return err
}

// TestBreakerPerHost: a manifest may refresh at another host than it exchanges. The breaker belongs to the host of the request.
func TestBreakerPerHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	down := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) }))
	t.Cleanup(down.Close)
	up := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(rw, `{"access_token":"a1","refresh_token":"r1","expires_in":3600}`)
	}))
	t.Cleanup(up.Close)
	// Two manifests stand for two people's hosts: {hostname} in refresh.url.
	at := w.conn.info.AccessTokenURI
	declare := func(url string) {
		w.declare(url, "", `"url":"`+url+`/token"`)
		exchange, err := crmgate.ParseHostPattern(hostOf(w.url))
		must(t, err)
		w.conn.manifest.Hosts = append(w.conn.manifest.Hosts, exchange)
		w.conn.info.AccessTokenURI = at
	}
	declare(down.URL)
	for i := range 6 {
		_ = w.passerby(i)
	}
	declare(up.URL)
	if err := w.passerby(99); err != nil {
		t.Errorf("a person on a host that works: %v", err)
	}
}

// TestTroubleOpensTheBreaker: a CRM in trouble gets few requests, however it says so.
func TestTroubleOpensTheBreaker(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"a connector that cannot connect": &crmgate.ConnectorError{Message: "connect: no connection"},
		"a connector past its deadline":   &crmgate.ConnectorError{Message: "too slow", Err: context.DeadlineExceeded},
		"a connector that was told 503":   &crmgate.ConnectorError{Message: "no", Status: 503},
		"a connector that was told 408":   &crmgate.ConnectorError{Message: "no", Status: 408},
		"a connector that was told 425":   &crmgate.ConnectorError{Message: "no", Status: 425},
	} {
		w, n := newWorld(t, ""), 0
		w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
			n++
			return connector.RefreshAnswer{}, err
		}
		for i := range 100 {
			_ = w.passerby(i)
		}
		if n > 10 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
	w, asked := newWorld(t, ""), 0
	w.endpoint(func(rw http.ResponseWriter, _ string, n int) {
		asked = n
		rw.Header().Set("Retry-After", "300")
		rw.WriteHeader(403)
	})
	for i := range 100 {
		_ = w.passerby(i)
	}
	if asked != 1 {
		t.Errorf("a CRM that answers 403 with Retry-After: %d requests", asked)
	}
	w.clock.Add(299 * time.Second)
	if err := w.passerby(100); !errors.Is(err, crmgate.ErrTransient) || asked != 1 {
		t.Errorf("before that: %v, %d requests", err, asked)
	}
}

// TestFullShareKeepsTheBreakerClosed: requests that this server did not send say nothing about the CRM.
func TestFullShareKeepsTheBreakerClosed(t *testing.T) {
	t.Parallel()
	full := true
	w := newWorld(t, "", func(c *token.Config) {
		fetch := c.Fetch
		c.Fetch = func(r *http.Request, e crmgate.Egress) (*http.Response, error) {
			if full {
				return nil, &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: "too many requests are running", Err: limit.ErrBusy}
			}
			return fetch(r, e)
		}
	})
	asked := 0
	w.endpoint(func(rw http.ResponseWriter, _ string, n int) {
		asked = n
		fmt.Fprint(rw, `{"access_token":"a1","refresh_token":"r1","expires_in":3600}`)
	})
	for i := range 20 {
		if err := w.passerby(i); !errors.Is(err, crmgate.ErrTransient) {
			t.Fatalf("number %d: %v", i, err)
		}
	}
	full = false
	if err := w.passerby(20); err != nil || asked != 1 {
		t.Errorf("after 20 requests that were not sent: %v, %d requests", err, asked)
	}
	w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
		return connector.RefreshAnswer{}, &crmgate.ConnectorError{Message: "too many calls are waiting", Err: limit.ErrBusy}
	}
	for i := range 20 {
		_ = w.passerby(100 + i)
	}
	w.conn.own = nil
	if err := w.passerby(200); err != nil || asked != 2 {
		t.Errorf("after 20 calls of the connector that did not start: %v, %d requests", err, asked)
	}
}

// TestRefusalsKeepTheBreakerClosed: a CRM that refuses grants or applications is well.
func TestRefusalsKeepTheBreakerClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.crm.SetMood(practicecrm.Mood{Error: "invalid_grant"})
	for i := range 20 {
		if err := w.passerby(i); !errors.Is(err, crmgate.ErrUserDead) {
			t.Fatalf("number %d: %v", i, err)
		}
	}
}

// TestCRM: without an endpoint, the breaker counts by the person's host or by platform, not for all CRMs together.
func TestCRM(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		endpoint, host, want string
	}{
		{"https://crm.example:8443/token?x", "eu.crm.example", "crm.example:8443"},
		{"", "eu.crm.example", "eu.crm.example"},
		{"", "", "clio"},
		{"::", "", "::"},
	} {
		if got := token.CRM(c.endpoint, crmgate.UserKey{Platform: "clio", ID: "1", Hostname: c.host}); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

// TestOpenBreakerIsKept: many other CRMs do not close the breaker of one that is asked for.
func TestOpenBreakerIsKept(t *testing.T) {
	t.Parallel()
	b := newWorld(t, "").engine.Breaker()
	done, _ := b.Admit("down.example")
	done(true, time.Minute)
	for i := range 10_000 {
		done, _ := b.Admit(fmt.Sprint(i, ".example"))
		done(false, 0)
		if i%1000 == 0 && b.Wait("down.example") == 0 {
			t.Fatalf("closed after %d others", i)
		}
	}
}
