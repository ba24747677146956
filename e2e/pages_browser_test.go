package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// newBrowser starts a Chromium that ends with the test. newTab opens its tabs.
func newBrowser(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		skip(t, "there is no Chromium here")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(inTime),
		chromedp.Flag("headless", "new"), chromedp.Flag("no-sandbox", os.Geteuid() == 0), chromedp.DisableGPU)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, flags...)...)
	t.Cleanup(stop)
	browser, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(browser); err != nil {
		skip(t, "Chromium does not start: %v", err)
	}
	return browser
}

// tab is a window with its own cookies. It reports forbidden requests and console errors.
type tab struct {
	*gate
	t       *testing.T
	ctx     context.Context
	mu      sync.Mutex
	foreign []string // guarded by mu
	faults  []string // guarded by mu
}

// newTab opens a window of a given size.
func (g *gate) newTab(t *testing.T, browser context.Context, width, height int, scheme string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	ctx, stop := context.WithTimeout(ctx, 3*inTime)
	t.Cleanup(func() { stop(); end() })
	b := &tab{gate: g, t: t, ctx: ctx}
	edgetest.Must(t, chromedp.Do(ctx))
	edgetest.Must(t, chromedp.Listen(ctx, b.watch))
	const tell = `document.addEventListener('securitypolicyviolation', e => console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI))`
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	edgetest.Must(t, err)
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	edgetest.Must(t, err)
	_, err = chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: tell})
	edgetest.Must(t, err)
	_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	edgetest.Must(t, err)
	b.do(chromedp.EmulateViewport(int64(width), int64(height)))
	t.Cleanup(b.check)
	return b
}

func (b *tab) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, b.URL+"/") && !strings.HasPrefix(u, b.CRMURL+"/") && !strings.HasPrefix(u, "about:") {
			b.foreign = append(b.foreign, u)
		}
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			for _, a := range e.Args {
				b.faults = append(b.faults, string(a.Value))
			}
		}
	case *log.EventEntryAdded:
		// A browser logs the error status of a refusal.
		refused := e.Entry.Source == log.EntrySourceNetwork && (strings.HasPrefix(e.Entry.URL, b.URL+"/connect/") || strings.HasPrefix(e.Entry.URL, b.URL+"/redirect.html") || strings.HasPrefix(e.Entry.URL, b.URL+"/admin") || e.Entry.URL == b.URL+"/astray" ||
			e.Entry.URL == b.URL+"/favicon.ico") // a browser requests it for a text
		if e.Entry.Level == log.EntryLevelError && !refused {
			b.faults = append(b.faults, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// check reports requests to other hosts, and messages in the console.
func (b *tab) check() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.foreign {
		b.t.Errorf("a request to %s", u)
	}
	for _, f := range b.faults {
		b.t.Errorf("in the console: %s", f)
	}
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, inTime)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		ctx, stop := context.WithTimeout(b.ctx, 5*time.Second)
		defer stop()
		at, _ := chromedp.Run(ctx, chromedp.Location())
		text, _ := chromedp.Run(ctx, chromedp.Text("body"))
		b.t.Fatalf("%v, at %s: %s", err, at, text)
	}
}

// open opens a page of the gate.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.URL + path))
}

// at waits for a page with a heading.
func (b *tab) at(title string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(`//h1[normalize-space()="`+title+`"]`), chromedp.WaitReady("body"))
}

// press clicks the button of a form.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(selector))
}

// consent gives consent at the practice CRM.
func (b *tab) consent(person string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(`button[value="` + person + `"]`))
	b.press(`button[value="` + person + `"]`)
}

// eval runs a script in a tab and waits for its promise.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, inTime)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	edgetest.Must(b.t, err)
	return v
}

// waits has a client in this browser begin a sign-in, with a RingCentral token if there is one. The client is a page without
// a content security policy.
func (b *tab) waits(platform, rcToken string) waiting {
	b.t.Helper()
	b.open("/isAlive")
	return eval[waiting](b, `fetch('/authSession', {method: 'POST', headers: {'Content-Type': 'application/json', 'X-RC-Access-Token': '`+rcToken+`'}, body: '{"platform":"`+platform+`"}'}).then(r => r.json())`)
}

const submit = `button[type="submit"]`

func TestBrowserConnects(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	g := newPages(t)
	run := func(name string, f func(*testing.T, *tab)) {
		t.Run(name, func(t *testing.T) { f(t, g.newTab(t, browser, 320, 700, "light")) })
	}
	run("OAuth", func(t *testing.T, b *tab) {
		b.open("/connect/practice")
		b.at("Connect Practice CRM")
		b.press(submit)
		b.consent("ada")
		b.at("You are connected")
		if at := eval[string](b, `location.href`); !strings.HasPrefix(at, g.URL+"/redirect.html?state=cg.") || strings.Contains(at, "code") {
			t.Errorf("the code stays in the history: %s", at)
		}
		b.do(chromedp.Reload())
		b.at("You are connected")
	})
	run("an API key, with a mistake first", func(t *testing.T, b *tab) {
		b.open("/connect/practicekey")
		b.at("Connect Practice CRM")
		b.press(submit)
		b.do(chromedp.WaitVisible(`.error`))
		b.do(chromedp.SendKeys(`input[type="password"]`, "wrong"))
		b.press(submit)
		b.do(chromedp.WaitVisible(`[role="alert"]`))
		b.do(chromedp.SendKeys(`input[type="password"]`, practicecrm.APIKey))
		b.press(`.reveal`)
		if kind := eval[string](b, `document.querySelector('#field-0').type`); kind != "text" {
			t.Errorf("the key is not shown: %s", kind)
		}
		b.press(submit)
		b.at("You are connected")
	})
	run("a selectable environment", func(t *testing.T, b *tab) {
		b.open("/connect/Choose")
		b.press(submit)
		b.do(chromedp.WaitVisible(`.error`))
		b.press(`input[value="https://eu.choice.example"]`)
		b.press(submit)
		b.consent("ada")
		b.at("You are connected")
	})
	run("a dynamic environment", func(t *testing.T, b *tab) {
		b.open("/connect/paste")
		b.do(chromedp.SendKeys("#hostname", "https://evil.example"))
		b.press(submit)
		b.do(chromedp.WaitVisible(`#hostname-error`))
		b.do(chromedp.SetValue("#hostname", "https://acme.paste.example/app/deals"))
		b.press(submit)
		b.consent("ada")
		b.at("You are connected")
	})
	run("cancelled, and tried again", func(t *testing.T, b *tab) {
		b.open("/connect/practice")
		b.press(submit)
		b.consent("deny")
		b.at("Not connected")
		b.press("a.primary")
		b.at("Connect Practice CRM")
	})
	run("too late", func(t *testing.T, b *tab) {
		b.open("/connect/practice")
		b.press(submit)
		b.do(chromedp.WaitVisible(`button[value="ada"]`))
		g.Pass(11 * time.Minute)
		b.consent("ada")
		b.at("This took too long")
	})
	run("for a client that waits", func(t *testing.T, b *tab) {
		w := b.waits("practice", "")
		done := make(chan polled)
		go func() { done <- g.poll(w) }()
		b.open(strings.TrimPrefix(w.ConnectURL, g.URL))
		b.at("Connect Practice CRM")
		b.press(submit)
		b.consent("ada")
		b.at("You are connected")
		if p := <-done; p.Status != "completed" || p.Token == "" {
			t.Errorf("%+v", p)
		}
	})
	run("by keyboard alone", func(t *testing.T, b *tab) {
		keys := func(keys ...string) {
			for _, k := range keys {
				b.do(chromedp.KeyEvent(k))
			}
		}
		b.open("/connect/Choose")
		b.at("Connect Choice CRM")
		keys("\t", " ", "\t", "\r")
		b.do(chromedp.WaitVisible(`button[value="ada"]`))
		keys("\t", "\r")
		b.at("You are connected")
		b.open("/connect/fields")
		b.at("Connect Fields")
		keys("\t", "acme.fields.example", "\t", "\t", "ada", "\t", "key", "\r") // past the link
		b.do(chromedp.WaitVisible(`.error`))
		if at := eval[string](b, `document.activeElement.name`); at != "fields[region]" {
			t.Errorf("the focus is on %q, want the invalid field", at)
		}
		keys("E", "\t", "\t", "\t")
		b.open("/connect/practicekey")
		keys("\t", practicecrm.APIKey, "\r")
		b.at("You are connected")
	})
}

// view is a page to check.
type view struct {
	name, title string
	show        func(*tab)
}

// views returns all pages.
func (g *gate) views() []view {
	opens := func(path string) func(*tab) { return func(b *tab) { b.open(path) } }
	sent := func(path string, fill ...chromedp.Action[chromedp.Void]) func(*tab) {
		return func(b *tab) {
			b.open(path)
			b.do(fill...)
			b.press(submit)
			b.do(chromedp.WaitVisible(".error, [role=alert]"))
		}
	}
	lands := func(person string) func(*tab) {
		return func(b *tab) {
			b.open("/connect/practice")
			b.press(submit)
			b.consent(person)
		}
	}
	sets := func(rcToken string) func(*tab) {
		return func(b *tab) { b.open(strings.TrimPrefix(b.waits("org", rcToken).ConnectURL, g.URL)) }
	}
	return []view{
		{"oauth", "Connect Practice CRM", opens("/connect/practice")},
		{"choose", "Connect Choice CRM", opens("/connect/Choose?hostname=eu.choice.example")},
		{"choose-wrong", "Connect Choice CRM", sent("/connect/Choose")},
		{"paste", "Connect Paste CRM", opens("/connect/paste")},
		{"paste-wrong", "Connect Paste CRM", sent("/connect/paste", chromedp.SendKeys("#hostname", "https://evil.example"))},
		{"fields", "Connect Fields", opens("/connect/fields")},
		{"fields-wrong", "Connect Fields", sent("/connect/fields", chromedp.SendKeys("#hostname", "acme.fields.example"))},
		{"key-refused", "Connect Practice CRM", sent("/connect/practicekey", chromedp.SendKeys("#field-0", "wrong"))},
		{"waited", "Connect Practice CRM", func(b *tab) {
			w := b.waits("practice", "")
			b.open(strings.TrimPrefix(w.ConnectURL, g.URL))
		}},
		{"not-set-up", "Not set up yet", sets(practicecrm.RCUserToken)},
		{"setup", "Set up Organisation CRM", sets(practicecrm.RCAdminToken)},
		{"setup-wrong", "Set up Organisation CRM", func(b *tab) {
			sets(practicecrm.RCAdminToken)(b)
			b.do(chromedp.SendKeys("#app-clientId", ownClient), chromedp.SendKeys("#app-clientSecret", "mistyped"))
			b.press(submit)
			b.do(chromedp.WaitVisible("[role=alert]"))
		}},
		{"connected", "You are connected", lands("ada")},
		{"cancelled", "Not connected", lands("deny")},
		{"expired", "This took too long", func(b *tab) {
			b.open("/connect/practice")
			b.press(submit)
			b.do(chromedp.WaitVisible(`button[value="ada"]`))
			g.Pass(11 * time.Minute)
			b.consent("ada")
		}},
		{"other-browser", "This sign-in cannot be completed here", func(b *tab) { b.open(g.visitor().landing("practice", "ada", nil)) }},
		{"trap", "This sign-in cannot be completed here", func(b *tab) { b.open("/connect/practice?session=" + g.visitor().wait("practice").ID) }},
		{"elsewhere", "This did not work", opens("/connect/elsewhere")},
		{"unknown", "There is nothing to connect here", opens("/connect/nobody")},
		{"landing", "This sign-in cannot be completed here", opens("/redirect.html?code=x&state=platform%3Dpractice")},
		{"home", "crmgate", opens("/")},
		{"astray", "There is nothing here", opens("/astray")},
		{"hosts", "Fields CRM", opensAsAdmin("/admin/fields/fields")},
		{"hosts-wrong", "Fields CRM", func(b *tab) {
			opensAsAdmin("/admin/fields/fields")(b)
			b.do(chromedp.SendKeys("#hostname", "https://evil.example"), chromedp.Click("main form[method=get] button"), chromedp.WaitVisible(".error"))
		}},
		{"host-fields", "Fields CRM", opensAsAdmin("/admin/fields/fields?hostname=acme.fields.example")},
		{"landing-bound", "This sign-in cannot be completed here", opens("/redirect.html?code=x&state=cg.x%2Cplatform%3Dpractice")},
	}
}

// TestBrowserShows checks every page, light and dark (in the short form, light or dark). axe-core must find no violations,
// and the page must fit into a panel of 300 pixels. CRMGATE_SCREENSHOTS names a folder for screenshots.
func TestBrowserShows(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	axe := axeCore(t)
	g := newPages(t)
	g.look(t, browser, axe, g.views())
}

// look checks pages.
func (g *gate) look(t *testing.T, browser context.Context, axe string, views []view) {
	t.Helper()
	for i, v := range views {
		for j, scheme := range []string{"light", "dark"} {
			if !soak() && j != i%2 {
				continue
			}
			t.Run(v.name+" "+scheme, func(t *testing.T) {
				b := g.newTab(t, browser, 300, 700, scheme)
				v.show(b)
				b.at(v.title)
				if eval[bool](b, `document.documentElement.scrollWidth > window.innerWidth`) {
					t.Error("the page is wider than 300 pixels")
				}
				b.accessible(axe)
				for _, width := range []int{320, 1200} {
					b.picture(fmt.Sprintf("%s-%d-%s.png", v.name, width, scheme), width)
				}
			})
		}
	}
}

// accessible checks the page with axe-core.
func (b *tab) accessible(axe string) {
	b.t.Helper()
	found := eval[string](b, axe+`; axe.run(document).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + ' ' + n.failureSummary)}))))`)
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	edgetest.Must(b.t, json.Unmarshal([]byte(found), &violations))
	for _, v := range violations {
		b.t.Errorf("%s: %s: %s", v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

func (b *tab) picture(name string, width int) {
	dir := os.Getenv("CRMGATE_SCREENSHOTS")
	if dir == "" {
		return
	}
	b.t.Helper()
	b.do(chromedp.EmulateViewport(int64(width), 760))
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	edgetest.Must(b.t, err)
	edgetest.Must(b.t, os.WriteFile(filepath.Join(dir, name), png, 0o600))
}
