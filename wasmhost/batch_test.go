package wasmhost_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// progress is a log of what Load compiles. It holds the first of them until there are as many at once.
type progress struct {
	slog.Handler
	together int
	reached  chan struct{}
	seen     func() // if set, called at the first line

	mu           sync.Mutex
	active, most int      // guarded by mu
	lines        []string // guarded by mu
}

func newProgress(together int) *progress {
	return &progress{Handler: slog.DiscardHandler, together: together, reached: make(chan struct{})}
}

func (p *progress) Enabled(context.Context, slog.Level) bool { return true }

func (p *progress) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "took" {
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		}
		return true
	})
	p.mu.Lock()
	p.lines = append(p.lines, line)
	if r.Message != "compiling a connector" {
		p.active--
		p.mu.Unlock()
		return nil
	}
	if p.active++; p.active > p.most {
		if p.most = p.active; p.most == p.together {
			close(p.reached)
		}
	}
	p.mu.Unlock()
	if p.seen != nil {
		p.seen()
	}
	select {
	case <-p.reached:
	case <-time.After(time.Minute):
	}
	return nil
}

// costly is a module that takes much memory to compile, and little time: 16,000 calls reload 250 globals each.
func costly() string {
	f := wasmtest.Func{Type: wasmtest.ToNothing, Body: slices.Repeat(wasmtest.Invoke(uint64(len(abiImports))+4), 16_000)}
	m := oauth(num(2), f, wasmtest.Func{Type: wasmtest.ToNothing})
	m.Globals = make([]int64, 250)
	return m.String()
}

// Modules are compiled several at once, as many as there may be processes. One that is wrong, and one whose process dies, leave out
// only themselves. A start with a warm cache says nothing.
func TestModulesAreCompiledAtOnce(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	files := map[string]string{}
	for i := range 5 {
		name := fmt.Sprintf("m%d", i)
		files[name+".wasm"], files[name+".json"] = oauth(answer(fmt.Sprintf(`{"successful":true,"platformUserInfo":{"id":"%d"}}`, i), 0)).String(), manifestOf(name, "")
	}
	files["copy.wasm"], files["copy.json"] = files["m0.wasm"], manifestOf("copy", "")
	start := func(p *progress, more map[string]string) *wasmhost.Folder {
		all := map[string]string{}
		for _, m := range []map[string]string{files, more} {
			for name, content := range m {
				all[name] = content
			}
		}
		h := newHost(t, wasmhost.Config{CacheDir: cache, Processes: 2, Progress: slog.New(p)})
		f, err := h.Load(t.Context(), folder(t, all), "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	p := newProgress(2)
	more, of := map[string]string{"wrong.wasm": "wrong", "wrong.json": manifestOf("wrong", "")}, 6
	if !underRace { // the race detector has no limits
		more["hungry.wasm"], more["hungry.json"] = costly(), manifestOf("hungry", "")
		of++
	}
	f := start(p, more)
	left := f.LeftOut()
	if len(left) != of-5 || !strings.Contains(fmt.Sprint(left["wrong"]), "wrong.wasm: ") {
		t.Errorf("left out: %v", left)
	}
	if !underRace && !strings.Contains(fmt.Sprint(left["hungry"]), "384 MB of memory") {
		t.Errorf("hungry: %v", left["hungry"])
	}
	if p.most != 2 || p.active != 0 {
		t.Errorf("%d were compiled at once, and %d at the end", p.most, p.active)
	}
	done := slices.DeleteFunc(slices.Clone(p.lines), func(l string) bool { return !strings.Contains(l, " done=") })
	for i, line := range done {
		if want := fmt.Sprintf(" done=%d of=%d", i+1, of); !strings.HasSuffix(line, want) {
			t.Errorf("line %d is %q, want %q at the end", i, line, want)
		}
	}
	if len(done) != of || len(p.lines) != 2*of || !strings.HasPrefix(p.lines[0], "compiling a connector platform=") || !slices.ContainsFunc(done, func(l string) bool { return strings.HasPrefix(l, "compiled a connector platform=m1 ") }) {
		t.Errorf("the lines are %q", p.lines)
	}
	for name, want := range map[crmgate.Platform]string{"m0": "0", "copy": "0", "m4": "4"} {
		if u, err := mustConnector(t, f, name).UserInfo(t.Context(), bearer("")); err != nil || string(u.ID) != want {
			t.Errorf("%s: got the user %q, %v", name, u.ID, err)
		}
	}
	warm := newProgress(2)
	if start(warm, nil); len(warm.lines) > 0 {
		t.Errorf("a warm start says %q", warm.lines)
	}
}

// A cancelled start ends the processes that compile, and leaves nothing behind.
func TestCancelledLoad(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := newProgress(2)
	p.seen = func() { time.AfterFunc(10*time.Millisecond, cancel) }
	files := map[string]string{}
	for i := range 4 {
		name := fmt.Sprintf("m%d", i)
		files[name+".wasm"], files[name+".json"] = string(guest(t, "practice"))+strings.Repeat("\x00\x02\x01x", i), manifestOf(name, "")
	}
	_, err := newHost(t, wasmhost.Config{CacheDir: cache, Processes: 4, Progress: slog.New(p)}).Load(ctx, folder(t, files), "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(cache, "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("in the cache: %v, %v", left, err)
	}
}
