package e2e_test

import (
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// postsForms has the practice CRM answer by a form, at a site that is not crmgate's: localhost is not 127.0.0.1.
func postsForms(o *edgetest.Options) {
	file := filepath.Join(o.Connectors, "practice.json")
	b, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	crm := strings.TrimPrefix(o.Settings["PRACTICE_URL"], "http://127.0.0.1")
	b = []byte(strings.Replace(string(b), "http://127.0.0.1"+crm+"/oauth/authorize", "http://localhost"+crm+"/oauth/authorize?response_mode=form_post", 1))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		panic(err)
	}
}

// TestFormPost: the form of a CRM (response_mode=form_post) becomes the query of the landing page, as it was sent.
func TestFormPost(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	const form = "application/x-www-form-urlencoded"
	for body, kind := range map[string]string{
		"state=platform%3Dpractice&code=a%2Bb+c&iss=https%3A%2F%2Fcrm.example": form + "; charset=utf-8",
		"": form,
	} {
		a := g.do("POST", "/redirect.html", body, "Content-Type", kind, "Origin", "null", "Sec-Fetch-Site", "cross-site")
		if a.status != 303 || a.header.Get("Location") != "/redirect.html?"+body || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", body, a.status, a.header)
		}
	}
	for _, c := range []struct {
		body, kind string
		status     int
	}{
		{"code=" + strings.Repeat("x", 8<<10), form, 400},
		{"code=" + strings.Repeat("x", 65<<10), form, 413},
		{"code=a#b", form, 400},
		{"code=a b", form, 400},
		{"code=a\r\nSet-Cookie: b", form, 400},
		{"code=\xff", form, 400},
		{`{"code":"x"}`, "application/json", 415},
		{"code=x", "", 415},
	} {
		if a := g.do("POST", "/redirect.html", c.body, "Content-Type", c.kind); a.status != c.status || a.header.Get("Location") != "" {
			t.Errorf("%.20s: %d, want %d", c.body, a.status, c.status)
		}
	}
	// The query is read as any other, and the cookie still says which browser it is.
	jar, err := cookiejar.New(nil)
	edgetest.Must(t, err)
	g.client.Jar = jar
	v := &visitor{g, jar}
	landed := v.landing("practice", "ada", url.Values{})
	_, query, _ := strings.Cut(landed, "?")
	to := g.do("POST", "/redirect.html", query, "Content-Type", form, "Sec-Fetch-Site", "cross-site").header.Get("Location")
	g.do("GET", to, "").wantPage(t, 200, "You are connected")
}

// TestBrowserTakesAForm: a real browser sends no cookie with the CRM's form, and has it on the page that follows.
func TestBrowserTakesAForm(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	g := newGate(t, postsForms)
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	edgetest.Must(t, chromedp.Do(ctx))
	b := &tab{gate: g, t: t, ctx: ctx}
	b.open("/connect/practice")
	b.at("Connect Practice CRM")
	b.press(submit)
	b.consent("ada")
	b.at("You are connected")
}
