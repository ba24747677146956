package wasmhost_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
)

// sharing is a host whose scripts share processes, and a folder with the scripts x0, x1 …, which keep what they get, and answer with it.
func sharing(t testing.TB, c wasmhost.Config, scripts int) (h *wasmhost.Host, dir string, f *wasmhost.Folder) {
	t.Helper()
	files := map[string]string{"y.wasm": oauth(num(2)).String(), "y.json": manifestOf("y", "")}
	for i := range scripts {
		name := fmt.Sprint("x", i)
		files[name+".js"] = userInfo("globalThis.all = (globalThis.all ?? '') + input.authHeader;\nreturn { successful: true, platformUserInfo: { id: 'u', name: all } };")
		files[name+".json"] = manifestOf(name, "")
	}
	if c.Processes == 0 {
		c.Processes = 4
	}
	c.ShareJavaScript = true
	h, dir = newHost(t, c), folder(t, files)
	f, err := loadAll(t, h, dir, "http://127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	return h, dir, f
}

// greet calls the scripts with these numbers, all at once.
func greet(t testing.TB, f *wasmhost.Folder, scripts ...int) {
	t.Helper()
	var all sync.WaitGroup
	for _, i := range scripts {
		all.Go(func() {
			name := fmt.Sprint("x", i)
			got, err := mustConnector(t, f, crmgate.Platform(name)).UserInfo(t.Context(), bearer(name))
			if err != nil || got.Name != bearer(name).AuthHeader.Reveal() {
				t.Errorf("%s: got %+v, %v", name, got, err)
			}
		})
	}
	all.Wait()
}

// Scripts share a process if the operator allows it, and no more than 32 do. Modules do not. A changed script takes the place of the
// earlier one.
func TestShareJavaScript(t *testing.T) {
	t.Parallel()
	h, dir, f := sharing(t, wasmhost.Config{}, 33)
	var all []int
	for i := range 33 {
		all = append(all, i)
	}
	greet(t, f, all...)
	greet(t, f, all...)
	_, _ = mustConnector(t, f, "y").UserInfo(t.Context(), bearer(""))
	in := map[int]int{}
	for i := range 33 {
		in[f.Pid(crmgate.Platform(fmt.Sprint("x", i)))]++
	}
	if full := slices.Sorted(maps.Values(in)); !slices.Equal(full, []int{1, 32}) || in[f.Pid("y")] != 0 {
		t.Errorf("processes have so many scripts: %v; y is in %d", in, f.Pid("y"))
	}
	pid := f.Pid("x0")
	put(t, dir, "x1.js", userInfo("return { successful: true, platformUserInfo: { id: 'v', name: 'changed' } };"))
	before := f
	f = mustReload(t, h, dir, before)
	defer f.Close()
	f.Replace(before)
	if got, err := mustConnector(t, f, "x1").UserInfo(t.Context(), bearer("")); err != nil || got.Name != "changed" {
		t.Errorf("got %+v, %v", got, err)
	}
	greet(t, f, 0, 2)
	if now := f.Pid("x0"); now != pid {
		t.Errorf("x0 was in process %d, and is in %d", pid, now)
	}
}

// If a shared process ends, all its scripts start in another one.
func TestSharedProcessEnds(t *testing.T) {
	t.Parallel()
	_, _, f := sharing(t, wasmhost.Config{}, 3)
	defer f.Close()
	for range 3 {
		greet(t, f, 0, 1, 2)
		if a, b := f.Pid("x1"), f.Pid("x2"); a != b {
			t.Errorf("x1 is in process %d, and x2 in %d", a, b)
		}
		p, err := os.FindProcess(f.Pid("x0"))
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A shared process ends when none of its scripts was called for a while, or when another connector needs a process.
func TestSharedProcessIsLetGo(t *testing.T) {
	t.Parallel()
	_, _, f := sharing(t, wasmhost.Config{Processes: 1, Idle: time.Hour}, 2)
	defer f.Close()
	greet(t, f, 0, 1)
	_, _ = mustConnector(t, f, "y").UserInfo(t.Context(), bearer(""))
	if f.Pid("x0") != 0 || f.Pid("x1") != 0 || f.Pid("y") == 0 {
		t.Errorf("y is in process %d, x0 in %d, x1 in %d", f.Pid("y"), f.Pid("x0"), f.Pid("x1"))
	}
	greet(t, f, 1)

	_, _, f = sharing(t, wasmhost.Config{Idle: 100 * time.Millisecond}, 2)
	defer f.Close()
	greet(t, f, 0, 1)
	for end := time.Now().Add(20 * time.Second); f.Pid("x0") != 0 || f.Pid("x1") != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the process did not end")
		}
	}
}

// Scripts that share the engine of this process are loaded and unloaded while others ask what is in memory, as Close does.
func TestEngineIsSharedWhileModulesAreListed(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 6 {
		name := fmt.Sprint("x", i)
		files[name+".js"] = userInfo("return { successful: true, platformUserInfo: { id: 'u', name: input.authHeader } };")
		files[name+".json"] = manifestOf(name, "")
	}
	h := newHost(t, wasmhost.Config{Idle: time.Millisecond})
	f := load(t, h, files)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 10 {
			greet(t, f, 0, 1, 2, 3, 4, 5)
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
			h.Engines()
		}
	}
}

// Close ends scripts that wait for a process, and the call that has the process, in whatever order they come.
func TestCloseWhileScriptsWaitForAProcess(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	h := newHost(t, wasmhost.Config{ShareJavaScript: true, Processes: 1, Deadline: time.Minute, Setting: func(string) (crmgate.Secret, bool) {
		close(started)
		return crmgate.Secret{}, false
	}})
	f := load(t, h, map[string]string{
		"a0.js": userInfo(""), "a0.json": manifestOf("a0", ""), "a1.js": userInfo(""), "a1.json": manifestOf("a1", ""),
		"x.wasm": oauth(seq(announce, endless())).String(), "x.json": manifestOf("x", announced),
	})
	var all sync.WaitGroup
	call := func(p crmgate.Platform) {
		all.Go(func() {
			if _, err := mustConnector(t, f, p).UserInfo(t.Context(), bearer("")); err == nil {
				t.Errorf("%s has answered", p)
			}
		})
	}
	until := func(ok func() bool) {
		for !ok() {
			time.Sleep(time.Millisecond)
		}
	}
	call("x")
	<-started
	call("a1")
	until(func() bool { return h.Waiting() == 1 })
	call("a0")
	until(func() bool { return f.Loading("a0") })
	began := time.Now()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v: the call was not cancelled", took)
	}
}

// Scripts that share a process can have as many calls at once as those with a process of their own.
func TestManyCallsOfScriptsThatShare(t *testing.T) {
	t.Parallel()
	if underRace {
		return // the process is larger, and has no such limit
	}
	const scripts, calls = 16, 16
	var waiting atomic.Int32
	together := make(chan struct{})
	h := newHost(t, wasmhost.Config{ShareJavaScript: true, Processes: 1, MaxCalls: calls, Memory: 200 << 20, Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		if waiting.Add(1) == scripts*calls {
			close(together)
		}
		select {
		case <-together:
		case <-r.Context().Done():
		}
		return answering(200, "{}"), nil
	}})
	files := map[string]string{}
	for i := range scripts {
		name := fmt.Sprint("x", i)
		files[name+".js"] = userInfo("await fetch('https://crm.example/');\nreturn { successful: true, platformUserInfo: { id: 'u', name: input.authHeader } };")
		files[name+".json"] = manifestOf(name, `"hosts": ["crm.example"]`)
	}
	f := load(t, h, files)
	var all sync.WaitGroup
	for i := range scripts * calls {
		all.Go(func() {
			from := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
			ctx := crmgate.WithTrace(t.Context(), &crmgate.Trace{Source: crmgate.SourceAt(from)})
			if _, err := mustConnector(t, f, crmgate.Platform(fmt.Sprint("x", i%scripts))).UserInfo(ctx, bearer("")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Scripts come and go in two processes, which are killed, while connectors are reloaded. Each call gets its own answer, or is
// interrupted, and nothing is left at the end.
func TestSharedProcessesUnderStress(t *testing.T) {
	t.Parallel()
	const processes, scripts = 2, 6
	h, dir, first := sharing(t, wasmhost.Config{Processes: processes, Idle: 5 * time.Millisecond, Deadline: time.Minute}, scripts)
	var now atomic.Pointer[wasmhost.Folder]
	now.Store(first)
	end := time.Now().Add(2 * time.Second)
	var all sync.WaitGroup
	often := func(every time.Duration, do func(script string)) {
		all.Go(func() {
			for time.Now().Before(end) {
				do(fmt.Sprint("x", rand.IntN(scripts)))
				time.Sleep(rand.N(every))
			}
		})
	}
	var answers atomic.Int32
	for range 8 {
		often(10*time.Millisecond, func(script string) {
			key := fmt.Sprint("Bearer ", rand.Int())
			got, err := mustConnector(t, now.Load(), crmgate.Platform(script)).UserInfo(t.Context(), connector.UserInfoRequest{AuthHeader: crmgate.NewSecret(key)})
			switch {
			case err == nil && got.Name == key:
				answers.Add(1)
			case !errors.Is(err, connector.ErrInterrupted):
				t.Errorf("%s: got %+v, %v", script, got, err)
			}
		})
	}
	often(10*time.Millisecond, func(string) { // it needs a process of its own
		_, _ = mustConnector(t, now.Load(), "y").UserInfo(t.Context(), bearer(""))
	})
	often(200*time.Millisecond, func(script string) {
		if p, err := os.FindProcess(now.Load().Pid(crmgate.Platform(script))); err == nil && p.Pid > 0 {
			_ = p.Kill()
		}
	})
	often(200*time.Millisecond, func(script string) {
		before := now.Load()
		source, err := os.ReadFile(filepath.Join(dir, script+".js"))
		if err != nil {
			t.Error(err)
		}
		put(t, dir, script+".js", string(source)+"\n// changed")
		f := mustReload(t, h, dir, before)
		for p, err := range f.LeftOut() { // the process that tried it was killed
			f.Keep(p, before, err)
		}
		f.Replace(before)
		now.Store(f)
	})
	often(10*time.Millisecond, func(string) {
		if n := h.Rooms(); n > processes {
			t.Errorf("%d processes", n)
		}
	})
	all.Wait()
	if err := now.Load().Close(); err != nil {
		t.Error(err)
	}
	if n := h.Rooms(); n != 0 || answers.Load() == 0 {
		t.Errorf("%d processes are left, after %d answers", n, answers.Load())
	}
}
