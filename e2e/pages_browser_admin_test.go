package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// signIn signs an admin in to the page.
func (b *tab) signIn(token string) {
	b.t.Helper()
	b.open("/admin")
	b.at("Your organisation's CRMs")
	b.do(chromedp.SendKeys("#token", token))
	b.press(submit)
	b.do(chromedp.WaitVisible(".top"))
}

const (
	enterForm = `form[action="/admin/practice"] ` + submit
	tryForm   = `form[action="/admin/try/practice"] ` + submit
	retryForm = `form[action="/admin/retry/practice"] ` + submit
)

// credentials fills in the form of an application.
func (b *tab) credentials(client, secret string) {
	b.t.Helper()
	b.do(chromedp.SetValue("#app-clientId", client), chromedp.SendKeys("#app-clientSecret", secret))
	b.press(enterForm)
}

// reject has the CRM reject the organisation's applications, and has a person's refresh notice it.
func (g *gate) reject(session string) {
	g.t.Helper()
	for _, client := range []string{ownClient, "acme-second"} {
		g.CRM.Register(client, "rotated-at-the-crm")
	}
	g.Pass(2 * time.Hour)
	g.get("/authValidation", bearer(session)...)
}

// TestBrowserAdmin sets up and removes an organisation's application as its admin.
func TestBrowserAdmin(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	g := organised(t, withNotes)
	b := g.newTab(t, browser, 320, 700, "light")
	b.signIn(practicecrm.RCAdminToken)
	b.press(`a[href="/admin/practice"]`)
	b.at("Practice CRM")
	b.credentials(ownClient, "mistyped")
	b.do(chromedp.WaitVisible("[role=alert]"))
	if confirmed, pending := g.apps("1"); confirmed+pending != "" {
		t.Error("something was stored")
	}
	b.do(chromedp.SendKeys("#app-clientSecret", ownSecret))
	b.press(enterForm)
	b.consent("ada")
	b.at("The application works")
	b.press("a.primary")
	b.at("Practice CRM")
	b.do(chromedp.WaitVisible("#used"))

	grace := g.token(g.managed("grace", practicecrm.RCUserToken))
	g.CRM.Register("acme-second", "second-secret")
	b.open("/admin/practice")
	b.credentials("acme-second", "second-secret")
	b.do(chromedp.WaitVisible(`button[value="ada"]`))
	g.lives("while the admin signs in", grace)
	b.open("/admin/practice")
	b.do(chromedp.WaitVisible("#waits"))
	b.press(tryForm)
	b.consent("ada")
	b.at("The application works")
	g.ends("the second person's session", grace)

	ada := g.token(g.managed("ada", practicecrm.RCAdminToken))
	g.reject(ada)
	g.CRM.Register("acme-second", "second-secret")
	b.signIn(practicecrm.RCAdminToken) // the page's session has expired
	b.open("/admin/practice")
	b.press(retryForm)
	b.do(chromedp.WaitNotPresent(retryForm))
	b.at("Practice CRM")
	if n := g.refreshes(ada); n != 1 {
		t.Errorf("%d requests after a retry", n)
	}

	t.Run("by keyboard alone", func(t *testing.T) {
		b := g.newTab(t, browser, 320, 700, "light")
		keys := func(keys ...string) {
			for _, k := range keys {
				b.do(chromedp.KeyEvent(k))
			}
		}
		b.open("/admin")
		b.at("Your organisation's CRMs")
		keys(practicecrm.RCAdminToken, "\r")
		b.do(chromedp.WaitVisible(".top"))
		keys("\t", "\t", "\r") // past the sign-out button, to the application
		b.at("Practice CRM")
		b.do(chromedp.Focus(`a[href="/admin/remove/practice"]`))
		keys("\r")
		b.at("Remove the application for Practice CRM?")
		keys("\t", "\t", "\r")
		b.at("Practice CRM")
		b.do(chromedp.WaitNotPresent("#used"))
	})
}

// opensAsAdmin opens an organisation's page.
func opensAsAdmin(path string) func(*tab) {
	return func(b *tab) {
		b.signIn(practicecrm.RCAdminToken)
		b.open(path)
	}
}

// adminViews returns the organisation's pages.
func (g *gate) adminViews() []view {
	opens := opensAsAdmin
	return []view{
		{"admin-signin", "Your organisation's CRMs", func(b *tab) { b.open("/admin") }},
		{"admin-signin-wrong", "Your organisation's CRMs", func(b *tab) {
			b.open("/admin")
			b.press(submit)
			b.do(chromedp.WaitVisible("[role=alert]"))
		}},
		{"admin-first", "Practice CRM", opens("/admin/practicb")},
		{"admin-home", "Your organisation's CRMs", opens("/admin")},
		{"admin-app", "Practice CRM", opens("/admin/practice")},
		{"admin-app-wrong", "Practice CRM", func(b *tab) {
			opens("/admin/practice")(b)
			b.credentials(ownClient, "wrong")
			b.do(chromedp.WaitVisible("[role=alert]"))
		}},
		{"admin-remove", "Remove the application for Practice CRM?", opens("/admin/remove/practice")},
		{"admin-people", "People on Practice CRM", opens("/admin/people/practice")},
		{"admin-audit", "Audit log", opens("/admin/audit")},
		{"admin-end", "End all sessions on Practice CRM?", opens("/admin/end/practice")},
		{"admin-nothing", "There is nothing here", opens("/admin/nobody")},
	}
}

// TestBrowserShowsAdmin checks the organisation's pages like TestBrowserShows.
func TestBrowserShowsAdmin(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	axe := axeCore(t)
	g := organised(t, withNotes, func(f *edgetest.Options) { practices(t, f, f.Settings["PRACTICE_URL"], "") })
	g.organisation("POST", cachePath+"?platform=practice", practicecrm.RCAdminToken, entered(ownClient, ownSecret, "")).want(t, 200, done)
	ada := g.token(g.managed("ada", practicecrm.RCAdminToken))
	g.token(g.managed("robert", practicecrm.RCUserToken))
	g.organisation("POST", cachePath+"?platform=practice", practicecrm.RCAdminToken, entered(ownClient, ownSecret, "")).want(t, 200, done)
	g.Pass(time.Minute)
	g.look(t, browser, axe, g.adminViews())
	g.reject(ada)
	g.look(t, browser, axe, []view{{"admin-app-rejected", "Practice CRM", func(b *tab) {
		b.signIn(practicecrm.RCAdminToken)
		b.open("/admin/practice")
		b.do(chromedp.WaitVisible(retryForm))
	}}})
	w := withFields(t)
	const title = "Wire CRM"
	w.look(t, browser, axe, []view{
		{"admin-fields", title, opensAsAdmin("/admin/fields/wirefields")},
		{"admin-fields-extension", title, opensAsAdmin("/admin/fields/wirefields?extension=102")},
	})
	if strings.Contains(g.Log.String(), practicecrm.RCAdminToken) {
		t.Error("the token is in the log")
	}
}
