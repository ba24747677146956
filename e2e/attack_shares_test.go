package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestFairShares: one attacker, or ten from different addresses, use up what all clients share, as far as they can. An honest
// client at another address is still served. The test logs a table of what the honest client gets.
func TestFairShares(t *testing.T) {
	t.Parallel()
	rows := make(chan string, 32)
	t.Cleanup(func() {
		close(rows)
		for row := range rows {
			t.Log(row)
		}
	})
	for _, a := range []struct {
		name   string
		attack func(*client, int)
		honest func(*client, int) bool
	}{
		{"sign-ins that a client waits for",
			func(c *client, _ int) { c.send("POST", "/authSession", `{"platform":"practice"}`) },
			func(c *client, _ int) bool {
				status, _ := c.send("POST", "/authSession", `{"platform":"practice"}`)
				return status == 200
			}},
		{"short states",
			func(c *client, _ int) { c.send("GET", "/authUrl?platform=short&mode=bound", "") },
			func(c *client, _ int) bool {
				status, _ := c.send("GET", "/authUrl?platform=short&mode=bound", "")
				return status == 200
			}},
		{"polls", (*client).poll, func(c *client, i int) bool {
			c.poll(i)
			return c.refused.Load() == 0
		}},
		{"instances of a connector",
			func(c *client, i int) {
				c.send("POST", "/apiKeyLogin", fmt.Sprintf(`{"platform":"practicekey","apiKey":"slow-%d"}`, i))
			},
			func(c *client, _ int) bool {
				status, _ := c.send("POST", "/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`)
				return status == 200
			}},
		{"requests to RingCentral",
			func(c *client, i int) {
				c.send("GET", "/user/preloadSettings", "", "X-RC-Access-Token", fmt.Sprint("slow-", c.address, i))
			},
			func(c *client, i int) bool {
				status, body := c.send("GET", "/user/preloadSettings", "", "X-RC-Access-Token", fmt.Sprint("expired-", i))
				return status == 400 && strings.Contains(body, "status code 401")
			}},
	} {
		t.Run(a.name, func(t *testing.T) {
			for _, attackers := range attackerCounts() {
				rows <- fairShare(t, a.name, attackers, a.attack, a.honest)
			}
		})
	}
}

// attackerCounts are the numbers of attackers that are tried.
func attackerCounts() []int {
	if soak() {
		return []int{0, 1, 10}
	}
	return []int{10}
}

// client sends requests from an address.
type client struct {
	ctx     context.Context
	http    *http.Client
	url     string
	address string
	sent    *atomic.Int64
	refused *atomic.Int64 // requests that were answered with 503
}

func (c *client) send(method, path, body string, header ...string) (status int, answer string) {
	req, err := http.NewRequestWithContext(c.ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("X-Forwarded-For", c.address)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	c.sent.Add(1)
	if resp.StatusCode == 503 {
		c.refused.Add(1)
	}
	return resp.StatusCode, string(b)
}

// poll opens a sign-in, and polls for it for a moment.
func (c *client) poll(int) {
	_, body := c.send("POST", "/authSession", `{"platform":"practice"}`)
	id, secret := member(body, "id"), member(body, "loginSecret")
	ctx, cancel := context.WithTimeout(c.ctx, 300*time.Millisecond)
	defer cancel()
	short := *c
	short.ctx = ctx
	short.send("GET", "/authSession/"+id, "", "X-Crmgate-Login", secret)
}

// member returns a text of a JSON object.
func member(object, name string) string {
	_, rest, _ := strings.Cut(object, `"`+name+`":"`)
	text, _, _ := strings.Cut(rest, `"`)
	return text
}

// fairShare runs an attack, and returns what an honest client gets meanwhile.
func fairShare(t *testing.T, name string, attackers int, attack func(*client, int), honest func(*client, int) bool) string {
	t.Helper()
	g := newGate(t, func(f *edgetest.Options) {
		f.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		addPlatforms(f, []string{"short"})
	})
	g.Freeze()
	during, atOnce, tries := 300*time.Millisecond, 8, 5
	if soak() {
		during, atOnce, tries = 10*time.Second, 160, 60
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	g.WhenAsked(func(r *http.Request) { // the CRM and RingCentral take their time for an attacker
		user, _, _ := r.BasicAuth()
		if strings.HasPrefix(user, "slow-") || strings.HasPrefix(r.Header.Get("Authorization"), "Bearer slow-") {
			select {
			case <-time.After(during):
			case <-ctx.Done():
			}
		}
	})
	transport := &http.Transport{MaxIdleConnsPerHost: 2000}
	defer transport.CloseIdleConnections()
	at := func(address string) *client {
		return &client{ctx, &http.Client{Transport: transport}, g.URL, address, new(atomic.Int64), new(atomic.Int64)}
	}
	var all []*client
	var group sync.WaitGroup
	for i := range attackers {
		a := at(fmt.Sprintf("203.0.113.%d", i+1))
		all = append(all, a)
		for n := range atOnce {
			group.Go(func() {
				for j := 0; ctx.Err() == nil; j++ {
					attack(a, n*1_000_000+j)
				}
			})
		}
	}
	if attackers > 0 {
		time.Sleep(during / 2) // until the attack has taken what it can
	}
	h := at("198.51.100.1")
	served := 0
	var took []time.Duration
	for i := range tries {
		began := time.Now()
		if honest(h, i) {
			served++
		}
		took = append(took, time.Since(began))
		time.Sleep(during / time.Duration(tries))
	}
	stop()
	group.Wait()
	slices.Sort(took)
	if served != tries {
		t.Errorf("%s, %d attackers: an honest client was served %d times of %d", name, attackers, served, tries)
	}
	sent, refused := sum(all, func(c *client) int64 { return c.sent.Load() }), sum(all, func(c *client) int64 { return c.refused.Load() })
	return fmt.Sprintf("%-34s %2d attackers, %6d requests, %6d refused | honest: %2d of %2d, median %v, longest %v", name, attackers, sent, refused,
		served, tries, took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
}

func sum(all []*client, of func(*client) int64) (n int64) {
	for _, c := range all {
		n += of(c)
	}
	return n
}
