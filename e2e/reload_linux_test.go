package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// TestReloadsUnderLoad: while requests run, the folder alternates between two versions of a connector, and a broken one now and then.
// No call fails, both versions answer, and at the end the node uses no more of the machine than at the beginning.
//
// It is not parallel, because it counts the goroutines and processes of the tests.
func TestReloadsUnderLoad(t *testing.T) {
	reloads := 200
	if soak() {
		reloads = 10_000
	}
	g := newGate(t, func(o *edgetest.Options) {
		o.Strict, o.Logger = false, slog.New(slog.DiscardHandler) // a log in memory would count
		addSwap(t, o.Connectors, "one", "")
	})
	load := startTraffic(t, g)
	var first usage
	for i := range reloads {
		name := []string{"one", "two"}[i%2]
		broken := i%10 == 9
		if broken {
			putFile(t, g.Connectors, "swap.wasm", "nonsense")
		} else {
			addSwap(t, g.Connectors, name, "")
		}
		if i%20 == 0 { // a connector in Go, in the middle of its calls
			retitle(t, g.Connectors, fmt.Sprint("Practice ", i/20%2))
		}
		r, err := g.Edge.Reload(t.Context())
		if err != nil || r.Incomplete() != broken {
			t.Fatalf("reload %d: %+v, %v", i, r, err)
		}
		load.step(t)
		if i == reloads/10 {
			first = load.quiet(t)
		}
	}
	last := load.quiet(t)
	load.stop()
	t.Logf("%d calls in %d reloads; then %+v, before %+v", load.calls.Load(), reloads, last, first)
	for _, e := range load.failures() {
		t.Error(e)
	}
	if load.one.Load() == 0 || load.two.Load() == 0 {
		t.Errorf("%d answers of one version, and %d of the other", load.one.Load(), load.two.Load())
	}
	const filesOfChild = 6
	files := first.files + 5 + filesOfChild*max(0, last.children-first.children) // the first count may have come before a call of practicekey
	if last.goroutines > first.goroutines+5 || last.files > files || last.children > running || last.heap > first.heap+8<<20 {
		t.Errorf("the node uses more: %+v, before %+v", last, first)
	}
}

// addSwap puts a version of the connector "swap" into a folder: its client id is its name.
func addSwap(t testing.TB, dir, name, hosts string) {
	t.Helper()
	m := guest{"getAuthType": `{"type":"oauth"}`, "getOauthInfo": `{"clientId":"` + name + `"}`, "getUserInfo": ""}
	putFile(t, dir, "swap.json", `{"platforms":{"swap":{"auth":{"type":"oauth","oauth":{"authUrl":"https://a.example/"}},"crmgate":{"hosts":["a.example"`+hosts+`]}}}}`)
	putFile(t, dir, "swap.wasm", m.wasm())
}

// putFile replaces a file in one step.
func putFile(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	edgetest.Must(t, os.WriteFile(path+"~", []byte(content), 0o600))
	edgetest.Must(t, os.Rename(path+"~", path))
}

// retitle changes the name of the practice platform.
func retitle(t testing.TB, dir, title string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "practice.json"))
	edgetest.Must(t, err)
	before, after, ok := strings.Cut(string(b), `      "name": "`)
	if !ok {
		t.Fatal("no name")
	}
	_, after, _ = strings.Cut(after, `"`)
	putFile(t, dir, "practice.json", before+`      "name": "`+title+`"`+after)
}

// running is how many connectors the traffic calls: swap, practice and practicekey.
const running = 3

// traffic is requests that run all the time.
type traffic struct {
	g        *gate
	cancel   context.CancelFunc
	running  sync.WaitGroup
	gate     sync.RWMutex // held for reading by each request
	calls    atomic.Int64
	signIns  atomic.Int64
	one, two atomic.Int64 // answers of the versions

	mu     sync.Mutex
	failed []string // guarded by mu
}

func startTraffic(t *testing.T, g *gate) *traffic {
	ctx, cancel := context.WithCancel(t.Context())
	l := &traffic{g: g, cancel: cancel}
	session, err := g.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	for range 3 {
		l.running.Go(func() { l.repeat(ctx, func() error { return l.compose(ctx) }) })
	}
	l.running.Go(func() {
		l.repeat(ctx, func() error {
			ok, err := g.Lives(ctx, session)
			if err == nil && !ok {
				err = fmt.Errorf("the session has ended")
			}
			return err
		})
	})
	for range 2 {
		l.running.Go(func() {
			l.repeat(ctx, func() error {
				time.Sleep(time.Second) // sign-ins of one person are limited
				if l.signIns.Add(1) > 250 {
					return nil
				}
				_, err := g.APIKey(ctx)
				return err
			})
		})
	}
	t.Cleanup(l.stop)
	return l
}

// compose asks for an authorization URL, and notes which version answered.
func (l *traffic) compose(ctx context.Context) error {
	var c edgetest.Composed
	if err := l.g.Ask(ctx, "GET", "/authUrl?platform=swap", "", &c); err != nil {
		return err
	}
	u, err := url.Parse(c.AuthURL)
	if err != nil {
		return err
	}
	switch id := u.Query().Get("client_id"); id {
	case "one":
		l.one.Add(1)
	case "two":
		l.two.Add(1)
	default:
		return fmt.Errorf("the client id is %q", id)
	}
	return nil
}

func (l *traffic) repeat(ctx context.Context, call func() error) {
	for ctx.Err() == nil {
		l.gate.RLock()
		err := call()
		l.gate.RUnlock()
		l.calls.Add(1)
		if err != nil && ctx.Err() == nil {
			l.mu.Lock()
			if l.failed = append(l.failed, err.Error()); len(l.failed) > 10 {
				l.cancel()
			}
			l.mu.Unlock()
		}
	}
}

// step waits until some more calls have ended.
func (l *traffic) step(t *testing.T) {
	t.Helper()
	for until := l.calls.Load() + 3; l.calls.Load() < until; time.Sleep(time.Millisecond) {
		if len(l.failures()) > 10 {
			t.Fatal(l.failures())
		}
	}
}

func (l *traffic) stop() { l.cancel(); l.running.Wait() }

func (l *traffic) failures() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// usage is what the test's process uses.
type usage struct {
	goroutines, files, children int
	heap                        uint64
}

// quiet holds the requests until the processes of replaced connectors have ended, and returns what is used then.
func (l *traffic) quiet(t *testing.T) (u usage) {
	t.Helper()
	l.gate.Lock()
	defer l.gate.Unlock()
	l.g.client.CloseIdleConnections()
	for deadline := time.Now().Add(inTime); ; time.Sleep(50 * time.Millisecond) {
		u.children = len(wasmtest.Children(os.Getpid()))
		if u.children <= running || time.Now().After(deadline) {
			break
		}
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, err := os.ReadDir("/proc/self/fd")
	edgetest.Must(t, err)
	u.goroutines, u.files, u.heap = runtime.NumGoroutine(), len(files), m.HeapAlloc
	return u
}
