package e2e_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// opener is a page of a client that opens the landing page in a window, and shows what the window posts to it.
const opener = `<!doctype html><title>client</title><button id="open">Open</button><output id="got"></output><script>
addEventListener('message', e => { document.getElementById('got').textContent = e.data.callbackUri; });
document.getElementById('open').addEventListener('click', () => open(location.hash.slice(1)));
</script>`

// closedOff is a browser, and a client whose pages have the opener policy that their path names.
type closedOff struct {
	*gate
	browser context.Context
	client  string // origin
}

// from opens an address in a window from a page of the client.
func (c closedOff) from(t *testing.T, b *tab, policy, address string) {
	t.Helper()
	b.do(chromedp.Navigate(c.client + "/" + policy + "#" + address))
	b.press("#open")
}

// window opens an address in a window from a page of the client, and returns the window.
func (c closedOff) window(t *testing.T, b *tab, policy, address string) *tab {
	t.Helper()
	opened := chromedp.WaitNewTarget(b.ctx, func(i *target.Info) bool { return strings.HasPrefix(i.URL, c.URL) })
	c.from(t, b, policy, address)
	select {
	case id := <-opened:
		ctx, leave := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
		t.Cleanup(leave)
		edgetest.Must(t, chromedp.Do(ctx))
		return &tab{gate: c.gate, t: t, ctx: ctx}
	case <-time.After(inTime):
		t.Fatal("no window was opened")
		return nil
	}
}

// tab opens a window without an address.
func (c closedOff) tab(t *testing.T) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(c.browser, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	edgetest.Must(t, chromedp.Do(ctx))
	return &tab{gate: c.gate, t: t, ctx: ctx}
}

// TestOpenerPolicies: the client's page keeps its windows away from itself, or not. In each case the sign-in goes on, or the
// person learns how to go on.
func TestOpenerPolicies(t *testing.T) {
	t.Parallel()
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Opener-Policy", strings.TrimPrefix(r.URL.Path, "/"))
		fmt.Fprint(w, opener)
	}))
	defer client.Close()
	c := closedOff{browser: newBrowser(t), client: client.URL}
	c.gate = newPages(t, func(f *edgetest.Options) { f.AllowedOrigins = []string{client.URL} })
	state, _ := bound(c.gate, "practice", "Origin", client.URL)
	landing := func(state string) string { return c.URL + "/redirect.html?code=x&state=" + url.QueryEscape(state) }
	for _, r := range []struct{ policy, state string }{
		{"unsafe-none", "platform=practice"}, {"same-origin-allow-popups", "platform=practice"}, {"same-origin-allow-popups", state},
	} {
		t.Run("the client gets the address: "+r.policy, func(t *testing.T) {
			b := c.tab(t)
			c.from(t, b, r.policy, landing(r.state))
			b.do(chromedp.WaitVisible(`//output[text()="` + landing(r.state) + `"]`))
		})
	}
	for name, r := range map[string]struct{ state, want string }{
		"plain": {"platform=practice", "same-origin-allow-popups works"},
		"bound": {state, "Close this window and start again from the extension."},
	} {
		t.Run("no opener: "+name, func(t *testing.T) {
			b := c.tab(t)
			w := c.window(t, b, "same-origin", landing(r.state))
			w.at("This sign-in cannot be completed here")
			if text := eval[string](w, `document.querySelector('main').innerText`); !strings.Contains(text, r.want) {
				t.Errorf("got %q, want %q", text, r.want)
			}
			if got := eval[string](b, `document.getElementById('got').textContent`); got != "" {
				t.Errorf("the client got %s", got)
			}
		})
	}
	t.Run("no opener: a client that waits", func(t *testing.T) {
		b := c.tab(t)
		waits := b.waits("practice", "")
		w := c.window(t, b, "same-origin", waits.ConnectURL)
		w.at("Connect Practice CRM")
		w.press(submit)
		w.consent("ada")
		w.at("You are connected")
		if p := c.poll(waits); p.Status != "completed" || p.Token == "" {
			t.Errorf("%+v", p)
		}
	})
	t.Run("no opener: a plain state goes on here", func(t *testing.T) {
		w := c.window(t, c.tab(t), "same-origin", landing("platform=practice"))
		w.press(`//a[text()="Connect here"]`)
		w.at("Connect Practice CRM")
	})
}

// TestLandingPage: what a landing page says depends on its state.
func TestLandingPage(t *testing.T) {
	t.Parallel()
	g := newPages(t, func(f *edgetest.Options) { f.AllowedOrigins = []string{"https://a.example", "https://b.example"} })
	state, _ := bound(g, "practice", "Origin", "https://b.example")
	const (
		again  = "start again from the extension"
		policy = "Cross-Origin-Opener-Policy"
		both   = `["https://a.example","https://b.example"]`
	)
	for _, c := range []struct {
		name, state, origins string
		says                 string
		connect              string // path; empty for no link
	}{
		{"a plain state", "platform=practice", both, policy, "/connect/practice"},
		{"a plain state with a host name", "platform=practice&hostname=a.example", both, policy, "/connect/practice"},
		{"a plain state, platform last", "fillerString,platform=practice", both, policy, "/connect/practice"},
		{"a platform whose redirect URI is elsewhere", "platform=elsewhere", both, policy, ""},
		{"an unknown platform", "platform=nowhere", both, policy, ""},
		{"no state", "", both, policy, ""},
		{"a bound state", state, `["https://b.example"]`, again, ""},
		{"a made-up bound state", "cg.x,platform=practice", both, again, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := g.get("/redirect.html?code=x&state=" + url.QueryEscape(c.state))
			page := html.UnescapeString(a.body)
			for _, text := range []string{again, policy} {
				if got, want := strings.Contains(page, text), text == c.says; got != want {
					t.Errorf("%q: got %t, want %t: %s", text, got, want, page)
				}
			}
			link := `<a class="primary" href="` + c.connect + `">`
			if !strings.Contains(page, c.origins) || strings.Contains(page, link) != (c.connect != "") || c.connect == "" && strings.Contains(page, "Connect here") {
				t.Errorf("want origins %s and link %q: %s", c.origins, c.connect, page)
			}
		})
	}
}
