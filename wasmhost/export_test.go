package wasmhost

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/guest"
)

// Entry points for fuzzing the decoders without a guest.

// DecodeAnswer decodes an answer as that of every operation, and returns the errors and the additional info.
func DecodeAnswer(b []byte) (errs []error, info []json.RawMessage) {
	note := func(err error, i json.RawMessage) { errs, info = append(errs, err), append(info, i) }
	oauth, err := decode[oauthInfoOut](b)
	oauth.info()
	note(err, nil)
	if user, err := decode[userInfoOut](b); err == nil {
		note(nil, user.info().AdditionalInfo)
	} else {
		note(err, nil)
	}
	validation, err := decode[validationOut](b)
	if err == nil {
		note(nil, validation.outcome().AdditionalInfo)
	}
	note(err, nil)
	out, err := decode[outcomeOut](b)
	if err == nil {
		note(nil, out.outcome().AdditionalInfo)
	}
	note(err, nil)
	refresh, err := decode[refreshOut](b)
	if err == nil {
		note(nil, nullToNil(refresh.User.AdditionalInfo))
	}
	note(err, nil)
	license, err := decode[licenseOut](b)
	if err == nil {
		note(nil, license.RawMessage)
	}
	note(err, nil)
	_, err = decode[oauthOptionOut](b)
	note(err, nil)
	_, err = decode[basicAuthOut](b)
	note(err, nil)
	return errs, info
}

// newTestCall returns a call with the minimum that the documents need.
func newTestCall(fetch crmgate.Fetch, log io.Writer, secrets []string) *call {
	h := &Host{Config: Config{Fetch: fetch, Logger: slog.New(slog.NewTextHandler(log, nil)), Deadline: time.Second, MaxOutput: 1 << 20, MaxResponse: 1 << 20, MaxLogLines: 100}}
	c := (&hosted{&module{host: h, manifest: &manifest.Manifest{Platform: "acme"}}}).newCall("getUserInfo", "")
	c.secrets.Show(secrets...)
	return c
}

// Redacted returns the log and the error for a guest's text, which it logs and returns as an error. The input of the call has a
// header, a form and an API key.
func Redacted(header, form, key, text string) (log, told string) {
	var b strings.Builder
	c := newTestCall(nil, &b, formSecrets(crmgate.NewSecret(form)))
	c.addHeader(crmgate.NewSecret(header), true)
	c.addKey(crmgate.NewSecret(key))
	c.Log(context.Background(), slog.LevelInfo, []byte(text))
	c.output = encode(map[string]string{"message": text})
	return b.String(), c.guestError().Error()
}

// FetchAnswer returns the document that a guest gets for an answer of the CRM or an error.
func FetchAnswer(t *testing.T, resp *http.Response, err error) []byte {
	return newTestCall(func(*http.Request, crmgate.Egress) (*http.Response, error) { return resp, err }, io.Discard, nil).
		Fetch(t.Context(), []byte(`{"url":"https://a.example/"}`))
}

// FetchWithHandles performs the fetch of a guest with handles. doc is the document of its request, in which HANDLE is that of a secret.
func FetchWithHandles(t *testing.T, fetch crmgate.Fetch, secret, doc string) []byte {
	c := newTestCall(fetch, io.Discard, nil)
	at, err := crmgate.ParseHostPattern("crm.example")
	if err != nil {
		t.Fatal(err)
	}
	c.module.manifest.Handles, c.module.manifest.Sends = true, map[string]manifest.Send{
		manifest.AccessToken: {In: []manifest.Position{manifest.InHeader, manifest.InQuery, manifest.InBody}, Hosts: crmgate.Hosts{at}},
	}
	c.secrets = (&hosted{c.module}).newCall("getUserInfo", "").secrets
	return c.Fetch(t.Context(), []byte(strings.ReplaceAll(doc, "HANDLE", c.secrets.Add(manifest.AccessToken, secret))))
}

// ParseFetchRequest returns the HTTP request for a guest's document.
func ParseFetchRequest(t *testing.T, b []byte) (*http.Request, error) {
	r, err := parseFetch(b)
	if err != nil {
		return nil, err
	}
	return r.httpRequest(t.Context())
}

// Free returns the number of a connector's instances that wait for a call. It is -1 if the connector is not
// loaded, and 1 if it has a process.
func (f *Folder) Free(p crmgate.Platform) int {
	m := f.connectors[p].(*hosted).m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loaded == nil {
		return -1
	}
	g, ok := m.loaded.runner.(*guest.Module)
	if !ok {
		return 1
	}
	return g.Free()
}

// Pid returns the process of a connector, or 0 if it has none.
func (f *Folder) Pid(p crmgate.Platform) int {
	m := f.connectors[p].(*hosted).m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loaded == nil {
		return 0
	}
	return m.loaded.room.process.Pid()
}

// CheckCache checks the cache on behalf of a user, as New does.
func CheckCache(dir string, user int) error { return checkCache(dir, user) }

// Tighten changes the memory that guests may use: nine tenths of it are what they use now.
func (f *Folder) Tighten() {
	w := f.modules[0].host.watch
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.memory = (w.total + w.here.Used()) / 9 * 10
}

// Ran pretends that the process of a connector has used processor time since its last call.
func (f *Folder) Ran(p crmgate.Platform, d time.Duration) {
	m := f.connectors[p].(*hosted).m
	w := m.host.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	for r, u := range w.of {
		if r.has(m) {
			u.idle -= d
		}
	}
}

// LanguageOf returns what a module says about its language.
func LanguageOf(module []byte) string { return languageOf("x.wasm", module) }

// P95 returns what is shown for calls that took these times.
func P95(all ...time.Duration) time.Duration {
	var s stats
	for _, d := range all {
		s.add("ok", d)
	}
	return s.p95()
}

// Recorded returns the operations of which it is decided whether failed calls are recorded, with the reason.
func Recorded() map[string]string {
	all := map[string]string{}
	for name, r := range recorded {
		all[name] = r.why
	}
	return all
}

// Loading reports whether a connector is being loaded.
func (f *Folder) Loading(p crmgate.Platform) bool {
	m := f.module(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loading != nil
}

// Waiting returns how many modules wait for a process.
func (h *Host) Waiting() int {
	h.rooms.mu.Lock()
	defer h.rooms.mu.Unlock()
	return len(h.rooms.waiting)
}

// Rooms returns how many guest processes are in use, or modules if they run in this process.
func (h *Host) Rooms() int { return len(h.rooms.all()) }

// Engines returns how many scripts are in this process, and how many engines they have.
func (h *Host) Engines() (scripts, engines int) {
	all := map[uintptr]bool{}
	tenants := h.rooms.tenants()
	for _, t := range tenants {
		all[reflect.ValueOf(t.runner).Elem().FieldByName("code").Pointer()] = true
	}
	return len(tenants), len(all)
}

// Interprets reports whether the folder runs connectors without code, on an interpreter that was not replaced.
func (f *Folder) Interprets() bool { return f.interpreter != nil && !f.interpreter.isRetired() }
