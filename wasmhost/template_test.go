package wasmhost_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// Nothing that a call leaves in a connector is there in the next call, whatever language it is written in.
func TestCallsShareNothing(t *testing.T) {
	t.Parallel()
	sources := filepath.Join("testdata", "hoard")
	for name, build := range map[string]func(to string){
		"Go": func(to string) { wasmtest.Go(t, to, ".", "./"+sources) },
		"C": func(to string) {
			sdk := filepath.Join("..", "connectors-wasm", "c")
			wasmtest.C(t, to, "wasm32-wasi", filepath.Join(sources, "hoard.c"), filepath.Join(sdk, "crmgate.c"), "-I"+sdk, "-O2", "-mbulk-memory", "-mexec-model=reactor")
		},
		"AssemblyScript": func(to string) {
			wasmtest.Connector(t, to, filepath.Join(sources, "hoard.ts"), "--runtime", "incremental")
		},
	} {
		path := filepath.Join(t.TempDir(), name)
		build(path)
		wasm, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, c := one(t, string(wasm))
		for i := range 10 {
			if u, err := c.UserInfo(t.Context(), bearer("")); err != nil || u.ID != "none" {
				t.Errorf("%s: call %d got %q, %v", name, i, u.ID, err)
			}
		}
		if n := f.Free("x"); n != 1 && runtime.GOOS == "linux" {
			t.Errorf("%s: %d instances are free, want one that serves all calls", name, n)
		}
	}
}

// one returns a connector that runs one call at a time, in the same instance if possible.
func one(t *testing.T, wasm string) (*wasmhost.Folder, connector.Connector) {
	t.Helper()
	f := load(t, newHost(t, wasmhost.Config{MaxRunning: 1}), map[string]string{"x.wasm": wasm, "x.json": manifestOf("x", "")})
	return f, mustConnector(t, f, "x")
}

// A module can keep a number in more places than its memory. Each guest answers with what the call before left there, which
// must be the same in every call.
func TestStateOfModules(t *testing.T) {
	t.Parallel()
	const kept, other = 5, 7
	for name, c := range map[string]struct {
		module     mod
		restorable bool
	}{
		"memory":             {oauth(seq(answerNumber(load32(60000)), put32(60000, kept))), true},
		"global":             {with(oauth(seq(answerNumber([]byte{0x23, 0}), num(kept), []byte{0x24, 0})), func(m *mod) { m.Globals = []int64{other} }), true},
		"size of the memory": {oauth(seq(answerNumber([]byte{0x3f, 0}), num(1), []byte{0x40, 0, 0x1a})), true},
		"new memory": {oauth(answerNumber(
			num(1), []byte{0x40, 0}, num(16), []byte{0x74}, []byte{0x22, 0, 0x28, 2, 0}, // memory.grow << 16, and what is there
			[]byte{0x20, 0}, num(kept), []byte{0x36, 2, 0})), true},
		"table": {with(oauth(seq(answerNumber(num(0), []byte{0x25, 0, 0xd1}), num(0), []byte{0xd0, 0x70, 0x26, 0})),
			func(m *mod) { m.Table, m.Elements = []byte{1, 0x70, 0, 1}, []uint64{fFirst} }), false},
		"size of a table": {with(oauth(seq(answerNumber([]byte{0xfc, 16, 0}), []byte{0xd0, 0x70}, num(1), []byte{0xfc, 15, 0, 0x1a})),
			func(m *mod) { m.Table = []byte{1, 0x70, 0, 1} }), false},
	} {
		t.Run(name, func(t *testing.T) {
			m := c.module
			for i := range m.Funcs {
				m.Funcs[i].Locals = 1
			}
			f, guest := one(t, m.String())
			first, err := guest.UserInfo(t.Context(), bearer(""))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if u, err := guest.UserInfo(t.Context(), bearer("")); err != nil || u.ID != first.ID {
					t.Errorf("the next call got %q, %v, want %q", u.ID, err, first.ID)
				}
			}
			if n := f.Free("x"); (n == 1) != c.restorable && runtime.GOOS == "linux" {
				t.Errorf("%d instances are free; the module is restorable: %v", n, c.restorable)
			}
		})
	}
}

func with(m mod, change func(*mod)) mod {
	change(&m)
	return m
}
