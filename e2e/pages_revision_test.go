package e2e_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// revision returns the revision that a page's forms carry.
func (v *visitor) revision(path string) string {
	v.t.Helper()
	_, rest, found := strings.Cut(v.get(path).body, `name="revision" value="`)
	revision, _, _ := strings.Cut(rest, `"`)
	if !found || revision == "" {
		v.t.Fatalf("%s has no revision", path)
	}
	return revision
}

const outdatedApp = "The application was changed after this page was opened."

// seenAt returns an application's form as a page with a revision sends it.
func seenAt(revision, client, secret string) url.Values {
	form := application(client, secret)
	form.Set("revision", revision)
	return form
}

// replace has an admin enter an application and sign in with it.
func (v *visitor) replace(client, secret string) {
	v.t.Helper()
	form := seenAt(v.revision("/admin/practice"), client, secret)
	v.get(v.landingAt(v.send("/admin/practice", form).follow(v.t), "ada")).wantPage(v.t, 200, "The application works")
}

// TestOutdatedAdminForms: a form changes nothing if another admin has replaced what it shows.
func TestOutdatedAdminForms(t *testing.T) {
	t.Parallel()
	g := organised(t)
	for _, client := range []string{"client-b", "client-c"} {
		g.CRM.Register(client, "secret-of-"+client)
	}
	first, second := g.office(practicecrm.RCAdminToken), g.office(practicecrm.RCSecondToken)
	first.replace(ownClient, ownSecret)
	old := second.revision("/admin/practice")
	oldRemove := second.revision("/admin/remove/practice")
	first.replace("client-b", "secret-of-client-b")
	confirmed, _ := g.apps("1")

	before := g.CRM.Counts().Token
	a := second.send("/admin/practice", seenAt(old, "client-c", "secret-of-client-c"))
	a.wantPage(t, 400, "Practice CRM", outdatedApp, "<dd>client-b</dd>", `value="client-c"`)
	second.send("/admin/remove/practice", url.Values{"revision": {oldRemove}}).wantPage(t, 400, "This did not work", outdatedApp)
	second.send("/admin/remove/practice", nil).wantPage(t, 400, "This did not work", outdatedApp)
	if c, p := g.apps("1"); c != confirmed || p != "" {
		t.Error("an outdated form changed an application")
	}
	if n := g.CRM.Counts().Token - before; n != 0 {
		t.Errorf("an outdated form was sent to the CRM %d times", n)
	}

	// The page that the refusal shows has the new revision.
	_, rest, _ := strings.Cut(a.body, `name="revision" value="`)
	now, _, _ := strings.Cut(rest, `"`)
	second.send("/admin/practice", seenAt(now, "client-c", "secret-of-client-c")).follow(t)
	_, pending := g.apps("1")
	seen := url.Values{"revision": {now}} // the first admin's page does not show the pending application
	for _, path := range []string{"/admin/try/practice", "/admin/drop/practice"} {
		first.send(path, seen).wantPage(t, 400, "This did not work", outdatedApp)
	}
	first.send("/admin/practice", seenAt(now, ownClient, ownSecret)).wantPage(t, 400, "Practice CRM", outdatedApp, "<dd>client-c</dd>")
	if c, p := g.apps("1"); c != confirmed || p != pending {
		t.Error("an outdated form changed an application")
	}
	// Their own pending application is another matter: the second admin goes back and corrects the form.
	second.send("/admin/practice", seenAt(now, "client-c", "secret-of-client-c")).follow(t)
	first.send("/admin/drop/practice", url.Values{"revision": {first.revision("/admin/practice")}}).wantHeader(t, "Location", "/admin/practice")
}

// TestAdminsAtOnce: of two admins who send the same page's form at once, one is refused.
func TestAdminsAtOnce(t *testing.T) {
	t.Parallel()
	g := organised(t)
	admins := []*visitor{g.office(practicecrm.RCAdminToken), g.office(practicecrm.RCSecondToken)}
	admins[0].replace(ownClient, ownSecret)
	for range 8 {
		form := seenAt(admins[0].revision("/admin/practice"), ownClient, ownSecret)
		statuses := make([]int, len(admins))
		var wg sync.WaitGroup
		for i, v := range admins {
			wg.Go(func() { statuses[i] = v.send("/admin/practice", form).status })
		}
		wg.Wait()
		if statuses[0]+statuses[1] != 600 {
			t.Fatalf("statuses %v, want 200 and 400", statuses)
		}
		for _, v := range admins {
			v.send("/admin/drop/practice", url.Values{"revision": {v.revision("/admin/practice")}}).wantHeader(t, "Location", "/admin/practice")
		}
	}
}

// TestOutdatedConnectForm: the form with which an admin sets up the organisation on the connect page is outdated as soon as
// another admin has entered an application.
func TestOutdatedConnectForm(t *testing.T) {
	t.Parallel()
	g := organised(t)
	g.CRM.Register("client-b", "secret-of-client-b")
	first := g.visitor()
	session := first.wait("practice", holding(practicecrm.RCAdminToken)...).ID
	form := seenAt(first.revision("/connect/practice?session="+session), ownClient, ownSecret)
	form.Set("session", session)

	second := g.office(practicecrm.RCSecondToken)
	landed := second.landingAt(second.send("/admin/practice", seenAt(second.revision("/admin/practice"), "client-b", "secret-of-client-b")).follow(t), "ada")
	_, pending := g.apps("1")
	first.send("/connect/practice", form).wantPage(t, 400, "Set up Practice CRM", outdatedApp)
	if _, p := g.apps("1"); p != pending {
		t.Error("it replaced the other admin's pending application")
	}
	second.get(landed).wantPage(t, 200, "The application works")
	first.send("/connect/practice", form).wantPage(t, 400, "Connect Practice CRM", outdatedApp)
	if c, p := g.apps("1"); c != pending || p != "" {
		t.Error("it replaced the confirmed application")
	}
	first.get(first.landing("practice", "ada", url.Values{"session": {session}})).wantPage(t, 200, "You are connected")
}

// TestOutdatedFieldsForm: a form of credentials changes nothing if another admin has changed them.
func TestOutdatedFieldsForm(t *testing.T) {
	t.Parallel()
	const outdated = "The credentials were changed after this page was opened."
	w := withFields(t)
	first, second := w.office(practicecrm.RCAdminToken), w.office(practicecrm.RCSecondToken)
	for page, field := range map[string]string{"/admin/fields/wirefields": "apiKey", "/admin/fields/wirefields?extension=102": "companyId"} {
		_, extension, _ := strings.Cut(page, "=")
		send := func(v *visitor, revision string, form url.Values) answer {
			form.Set("revision", revision)
			form.Set("extension", extension)
			return v.send("/admin/fields/wirefields", form)
		}
		empty := second.revision(page)
		send(first, empty, url.Values{"fields[" + field + "]": {"k-1"}}).wantHeader(t, "Location", page)
		old := second.revision(page)
		send(first, old, url.Values{"fields[" + field + "]": {"k-2"}}).wantHeader(t, "Location", page)
		for _, revision := range []string{empty, old} {
			for _, form := range []url.Values{{"fields[" + field + "]": {"k-3"}}, {"remove": {field}}} {
				if a := send(second, revision, form); a.status != 400 || !strings.Contains(a.body, outdated) || !strings.Contains(a.body, "(set)") {
					t.Errorf("%s: %d %s", page, a.status, a.body)
				}
			}
		}
		send(second, second.revision(page), url.Values{"remove": {field}}).wantHeader(t, "Location", page)
		if a := first.get(page); strings.Contains(a.body, "(set)") {
			t.Error("the value was not removed")
		}
	}
}
