package e2e_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// TestExtensionWaits follows docs/operating.md: an extension with host permissions begins a sign-in, the person completes it
// in a tab of the same browser, and the extension gets the session token. The test needs a browser, which decides whether
// the tab sends the cookie of the extension's request.
func TestExtensionWaits(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"manifest.json": `{"manifest_version": 3, "name": "client", "version": "1", "host_permissions": ["http://127.0.0.1/*"]}`,
		"client.html":   `<!doctype html><title>client</title>`,
	} {
		edgetest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	browser := newBrowser(t, chromedp.Flag("disable-extensions", false), chromedp.Flag("load-extension", dir))
	b := &tab{gate: g, t: t, ctx: browser}
	b.do(chromedp.Navigate("chrome-extension://" + extensionID(dir) + "/client.html"))
	w := eval[waiting](b, `fetch('`+g.URL+`/authSession', {method: 'POST', credentials: 'include', headers: {'Content-Type': 'application/json'},
		body: '{"platform":"practice"}'}).then(r => r.json())`)
	b.open(strings.TrimPrefix(w.ConnectURL, g.URL))
	b.at("Connect Practice CRM")
	b.press(submit)
	b.consent("ada")
	b.at("You are connected")
	b.do(chromedp.Navigate("chrome-extension://" + extensionID(dir) + "/client.html"))
	p := eval[polled](b, `fetch('`+g.URL+`/authSession/`+w.ID+`', {headers: {'X-Crmgate-Login': '`+w.LoginSecret+`'}}).then(r => r.json())`)
	if p.Status != "completed" || p.Token == "" {
		t.Errorf("%+v", p)
	}
}

// extensionID returns Chromium's id for an extension in a folder: a hash of the folder's path.
func extensionID(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	var id strings.Builder
	for _, b := range sum[:16] {
		id.WriteByte('a' + b>>4)
		id.WriteByte('a' + b&15)
	}
	return id.String()
}

// TestForeignPageCannotWait: a page of another site gets a session with a link that works in this browser, or a session that
// it can read, but never both.
func TestForeignPageCannotWait(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	b := &tab{gate: g, t: t, ctx: newBrowser(t)}
	b.do(chromedp.Navigate(strings.Replace(g.CRMURL, "127.0.0.1", "localhost", 1) + "/practice/counts"))
	const begin = `/authSession', {method: 'POST', credentials: 'CREDENTIALS', headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: 'platform=practice'})`
	with := func(credentials string) string {
		return `fetch('` + g.URL + strings.Replace(begin, "CREDENTIALS", credentials, 1)
	}
	if got := eval[string](b, with("include")+`.then(r => r.text(), e => 'unreadable')`); got != "unreadable" {
		t.Errorf("with cookies: %s", got)
	}
	w := eval[waiting](b, with("omit")+`.then(r => r.json())`)
	b.open(strings.TrimPrefix(w.ConnectURL, g.URL))
	b.at("This sign-in cannot be completed here")
}
