package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/quickjs"
)

// engine returns the configuration of a process with the JavaScript engine.
func engine(t testing.TB) Config {
	t.Helper()
	path, dir := filepath.Join(t.TempDir(), "engine.wasm"), t.TempDir()
	if err := os.WriteFile(path, quickjs.Engine(), 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{Code: compile(t, path, dir), Dir: dir, Limits: limits}
}

// A process gets its script when it starts, and the configuration with each call. An error of the script is a Stop, with its line, and
// the process goes on.
func TestScript(t *testing.T) {
	t.Parallel()
	c := engine(t)
	p := mustStart(t, c)
	s, err := p.Start(t.Context(), &crm{}, &guest.Script{Name: "x.js", Env: `{"X_TOP":"€","X_NONE":null}`, Source: `
const top = ['X_NONE' in process.env, process.env.X_TOP].join();
exports.getAuthType = () => ({ type: 'oauth' });
exports.getUserInfo = async (input) => ({ top, got: input.text, name: process.env.X_NAME, left: globalThis.left, set: globalThis.left = 1 });
exports.getLicenseStatus = async () => { await new Promise(() => {}); };`})
	if want := []string{"getAuthType", "getUserInfo", "getLicenseStatus"}; err != nil || !s.Restorable || !s.Configured || !slices.Equal(s.Operations, want) {
		t.Fatalf("got %+v, %v", s, err)
	}
	for _, name := range []string{"Ada", "Grace"} {
		r, err := p.Run(t.Context(), guest.Call{Operation: "getUserInfo", Input: []byte(`{"text":"€"}`), Env: []byte(`{"X_NAME":"` + name + `"}`), Host: &crm{}})
		if err != nil || r.Code != 0 || string(r.Output) != `{"top":"false,€","got":"€","name":"`+name+`","set":1}` {
			t.Errorf("got %d, %q, %v", r.Code, r.Output, err)
		}
	}
	var stop *guest.Stop
	if _, err := p.Run(t.Context(), guest.Call{Operation: "getLicenseStatus", Input: []byte(`{}`), Host: &crm{}}); !errors.As(err, &stop) || stop.How != "waits for a promise that never settles" {
		t.Errorf("got %v", err)
	}
	if r, err := p.Run(t.Context(), guest.Call{Operation: "getOauthInfo", Input: []byte(`{}`), Host: &crm{}}); err != nil || r.Code != 2 || r.HasOutput {
		t.Errorf("an operation that is not there: %+v, %v", r, err)
	}

	p = mustStart(t, c)
	if _, err := p.Start(t.Context(), &crm{}, &guest.Script{Name: "x.js", Source: "exports.a = 1;\nnull.b;"}); !errors.As(err, &stop) || !stop.Starting || !strings.Contains(stop.Trap, "x.js:2:") {
		t.Errorf("got %#v", err)
	}
}

// Scripts in one process share the engine's code and nothing else. A place is used again, and the process ends with its last module.
func TestSharedProcess(t *testing.T) {
	t.Parallel()
	c := engine(t)
	c.Most = 3
	first, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	start := func(m *Module, name string) {
		t.Helper()
		source := "globalThis.all = (globalThis.all ?? '') + '" + name + "'; const kept = '" + name + "'.repeat(" + strconv.Itoa(len(name)*100_000) + ");" +
			"exports.getAuthType = () => ({ type: all += '!', kept: kept.replaceAll('" + name + "', '').length })"
		if _, err := m.Start(t.Context(), &crm{}, &guest.Script{Name: "x.js", Source: source}); err != nil {
			t.Fatal(err)
		}
	}
	another := func(name string) *Module {
		t.Helper()
		m, err := first.Another()
		if err != nil {
			t.Fatal(err)
		}
		start(m, name)
		return m
	}
	start(first, "a")
	second, third := another("b"), another("c")
	if m, err := first.Another(); err == nil {
		t.Errorf("a fourth module has the place %d of three", m.place)
	}
	run := func(all map[*Module]string) {
		t.Helper()
		for m, name := range all {
			for range 2 {
				r, err := m.Run(t.Context(), guest.Call{Operation: "getAuthType", Input: []byte("{}"), Host: &crm{}})
				if want := `{"type":"` + name + `!","kept":0}`; err != nil || string(r.Output) != want {
					t.Errorf("got %s, %v: want %s", r.Output, err, want)
				}
			}
		}
	}
	run(map[*Module]string{first: "a", second: "b", third: "c"})
	first.Close()
	run(map[*Module]string{second: "b", third: "c"})
	for range 3 {
		third.Close()
		third = another("dd")
		run(map[*Module]string{second: "b", third: "dd"})
	}
	other := another("e")
	run(map[*Module]string{second: "b", third: "dd", other: "e"})
	for _, m := range []*Module{second, third, other} {
		select {
		case <-m.child.dead:
			t.Fatal("the process has ended before its last module")
		default:
			m.Close()
		}
	}
	<-first.child.dead
	if _, err := first.Another(); err == nil {
		t.Error("the process has ended, and has another module")
	}
}

func init() {
	for name, list := range map[string]string{"an operation that is a number": `["getUserInfo",7]`, "a long list": `["` + strings.Repeat("x", maxOperations) + `"]`} {
		instead[strings.ReplaceAll(name, " ", "-")] = func(s *server, _ hello) {
			f := s.ready()
			_ = s.send(kindStarted, 1, f.call, []byte(list))
		}
	}
}

// A process that lies about the operations of its script is ended.
func TestLiesAboutScripts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"an-operation-that-is-a-number", "a-long-list"} {
		p, err := Start(t.Context(), Config{Code: []byte("x"), Dir: "/tmp/" + name, Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Start(context.Background(), &crm{}, &guest.Script{Name: "x.js"}); !errors.As(err, new(*Died)) || !strings.Contains(err.Error(), "kind 11") {
			t.Errorf("%s: got %v", name, err)
		}
		p.Close()
	}
}
