package wasmhost_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
)

// version returns a connector whose application has a client id, and whose getUserInfo sends a request.
func version(clientID string) string {
	const request = `{"method":"GET","url":"https://ok.example/"}`
	m := oauth(seq(text(1024, request), invoke(fFetch, 1024, int64(len(request))), drop, answer(`{"successful":false}`, 0)))
	for i := range m.Funcs {
		if m.Funcs[i].Name == "getOauthInfo" {
			m.Funcs[i] = export("getOauthInfo", answer(`{"clientId":"`+clientID+`"}`, 0))
		}
	}
	return m.String()
}

// put replaces a file in one step.
func put(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.WriteFile(path+".new", []byte(content), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func clientID(t testing.TB, f *wasmhost.Folder, p crmgate.Platform) string {
	t.Helper()
	info, err := mustConnector(t, f, p).OAuthInfo(t.Context(), connector.OAuthInfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return info.ClientID
}

func mustReload(t testing.TB, h *wasmhost.Host, dir string, earlier *wasmhost.Folder) *wasmhost.Folder {
	t.Helper()
	f, err := h.Reload(t.Context(), dir, "", earlier)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestReload: calls in flight end on the module that they began on, its process ends after them, and a module that has not changed is
// not touched.
func TestReload(t *testing.T) {
	t.Parallel()
	fetching, goOn := make(chan struct{}), make(chan struct{})
	h := newHost(t, wasmhost.Config{Processes: 4, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		close(fetching)
		<-goOn
		return answering(200, "{}"), nil
	}})
	dir := folder(t, map[string]string{
		"x.wasm": version("one"), "x.json": manifestOf("x", `"hosts": ["ok.example"]`), "y.wasm": version("y"), "y.json": manifestOf("y", ""),
	})
	before, err := loadAll(t, h, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	clientID(t, before, "y")
	ended := make(chan error)
	go func() {
		_, err := mustConnector(t, before, "x").UserInfo(t.Context(), bearer(""))
		ended <- err
	}()
	<-fetching
	old, other := before.Pid("x"), before.Pid("y")
	put(t, dir, "x.wasm", version("two"))
	after := mustReload(t, h, dir, before)
	defer after.Close()
	after.Replace(before)
	if got := clientID(t, after, "x"); got != "two" {
		t.Errorf("after the reload: got %s", got)
	}
	if got := clientID(t, before, "x"); got != "one" {
		t.Errorf("a request that began before: got %s", got)
	}
	if before.Pid("x") != old || after.Pid("y") != other || !before.Same("y", after) || before.Same("x", after) {
		t.Error("a process was replaced that should not be")
	}
	put(t, dir, "y.json", manifestOf("y", `"hosts": ["a.example"]`))
	last := mustReload(t, h, dir, after)
	if last.Same("y", after) || !last.Same("x", after) {
		t.Error("a new manifest does not change the connector")
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	for before.Pid("x") != 0 { // the test's deadline bounds it
		time.Sleep(10 * time.Millisecond)
	}
	if got := clientID(t, before, "x"); got != "one" { // late, and from the copy of the module
		t.Errorf("after its process has ended: got %s", got)
	}
}

// TestCloseAfterReload: closing the latest folder ends the calls of replaced modules, too, and frees them.
func TestCloseAfterReload(t *testing.T) {
	t.Parallel()
	fetching := make(chan struct{})
	h := newHost(t, wasmhost.Config{Processes: 2, Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		close(fetching)
		<-r.Context().Done()
		return nil, r.Context().Err()
	}})
	dir := folder(t, map[string]string{"x.wasm": version("one"), "x.json": manifestOf("x", `"hosts": ["ok.example"]`)})
	before, err := loadAll(t, h, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := mustConnector(t, before, "x").UserInfo(t.Context(), bearer(""))
		ended <- err
	}()
	<-fetching
	put(t, dir, "x.wasm", version("two"))
	after := mustReload(t, h, dir, before)
	after.Replace(before)
	if err := after.Close(); err != nil {
		t.Fatal(err)
	}
	if before.Pid("x") != 0 {
		t.Error("the process of the replaced module runs on")
	}
	if err := <-ended; err == nil {
		t.Error("a call has not noticed")
	}
}

// TestKeptConnector: the connector before a wrong one runs on, also when its process has to start again, until the file is right.
func TestKeptConnector(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{Idle: time.Millisecond})
	dir := folder(t, map[string]string{"x.wasm": version("one"), "x.json": manifestOf("x", ""), "m.json": manifestOf("m", "")})
	before, err := loadAll(t, h, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "x.wasm", "nonsense")
	put(t, dir, "m.json", "{")
	after := mustReload(t, h, dir, before)
	wrong := after.LeftOut()
	if wrong["x"] == nil || wrong["m"] == nil {
		t.Fatalf("left out: %v", wrong)
	}
	for _, p := range []crmgate.Platform{"x", "m"} {
		if !after.Keep(p, before, wrong[p]) || after.Kept()[p] == nil {
			t.Errorf("%s is not kept", p)
		}
	}
	if len(after.LeftOut()) > 0 || after.Keep("z", before, wrong["x"]) {
		t.Errorf("left out: %v", after.LeftOut())
	}
	after.Replace(before)
	for range 3 {
		if got := clientID(t, after, "x"); got != "one" {
			t.Errorf("got %s", got)
		}
		for after.Free("x") >= 0 {
			time.Sleep(time.Millisecond)
		}
	}
	if doc, ok := after.Manifests().Published("m"); !ok || string(doc) != string(mustPublish(before, "m")) {
		t.Errorf("the manifest is not kept: %s", doc)
	}
	put(t, dir, "x.wasm", version("two"))
	last := mustReload(t, h, dir, after)
	defer last.Close()
	last.Replace(after)
	if got := clientID(t, last, "x"); got != "two" || len(last.Kept()) > 0 {
		t.Errorf("after it was mended: got %s, kept %v", got, last.Kept())
	}
}

func mustPublish(f *wasmhost.Folder, name string) []byte {
	doc, _ := f.Manifests().Published(name)
	return doc
}
