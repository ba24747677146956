package wasmhost_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// producers returns a module with a section "producers" of one field.
func producers(field, name, version string) []byte {
	text := func(s string) []byte { return wasmtest.Sized([]byte(s)) }
	body := slices.Concat(text("producers"), []byte{1}, text(field), []byte{1}, text(name), text(version))
	return append([]byte("\x00asm\x01\x00\x00\x00"), wasmtest.Section(0, body)...)
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for want, module := range map[string][]byte{
		"unknown":               append([]byte("\x00asm\x01\x00\x00\x00"), wasmtest.Section(0, []byte("\x04name"))...),
		"Rust":                  producers("language", "Rust", ""),
		"clang 19.1":            producers("processed-by", "clang", "19.1"),
		"[2J 1":                 producers("language", "\x1b[2J", "1"),
		strings.Repeat("a", 40): producers("language", strings.Repeat("a", 1000), ""),
	} {
		if got := wasmhost.LanguageOf(module); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := wasmhost.LanguageOf(guest(t, "echo")); !strings.HasPrefix(got, "Go go1.") {
		t.Errorf("in Go: got %q", got)
	}
}

// FuzzLanguage: what is shown of a module is short and printable, whatever the module is.
func FuzzLanguage(f *testing.F) {
	f.Add(producers("language", "Rust", "1.90"))
	f.Add(producers("processed-by", "clang", "")[:20])
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := wasmhost.LanguageOf(b)
		if s == "" || len(s) > 81 || strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			t.Errorf("got %q", s)
		}
	})
}

func TestP95(t *testing.T) {
	t.Parallel()
	if got := wasmhost.P95(); got != 0 {
		t.Errorf("without calls: %v", got)
	}
	for _, d := range []time.Duration{time.Nanosecond, 50 * time.Microsecond, 7 * time.Millisecond, 3 * time.Second, 40 * time.Second} {
		calls := slices.Repeat([]time.Duration{d}, 95)
		got := wasmhost.P95(append(calls, slices.Repeat([]time.Duration{time.Hour}, 5)...)...)
		if got < d || got > max(d*5/4, 10*time.Microsecond) {
			t.Errorf("95 calls of %v: got %v", d, got)
		}
	}
}

// TestDescribe: a loaded folder says what its connectors are and do; a folder that is not loaded, what they are.
func TestDescribe(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{Processes: 2})
	dir := folder(t, map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", `"hosts": ["a.example"]`), "m.json": manifestOf("m", ""), "w.wasm": "", "w.json": "{"})
	f, err := h.Load(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	clientID(t, f, "x")
	if _, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	all := f.Describe()
	if len(all) != 1 || all[0].Pid != f.Pid("x") || all[0].Calls != 1 || all[0].Failed != 0 || all[0].P95 == 0 || !all[0].InMemory || !slices.Contains(all[0].Capabilities, "host a.example") {
		t.Errorf("loaded: %+v", all)
	}
	known, wrong, err := wasmhost.Survey(dir, "")
	if err != nil || len(known) != 1 || known[0].Module != all[0].Module || known[0].Size != all[0].Size || known[0].Pid != 0 || wrong["w"] == nil {
		t.Errorf("not loaded: %+v, %v, %v", known, wrong, err)
	}
}
