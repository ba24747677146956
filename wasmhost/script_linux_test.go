package wasmhost_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// inLanguage is the example connector in one language.
type inLanguage struct {
	name, file string // the language and the file in the folder of connectors
	code       string
	lines      int // of source
}

// languages returns the example connector in all languages.
func languages(b *testing.B) (all []inLanguage) {
	for _, l := range []struct{ name, source string }{
		{"JavaScript", "javascript/acme.js"}, {"TypeScript", "typescript/acme.ts"}, {"Go", "go/main.go"},
		{"AssemblyScript", "assemblyscript/acme.ts"}, {"C", "c/acme.c"}, {"Rust", "rust/acme.rs"},
	} {
		path := filepath.Join("..", "connectors-wasm", "example", l.source)
		code, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		of := inLanguage{name: l.name, file: "acme.wasm", lines: strings.Count(string(code), "\n")}
		switch l.name {
		case "JavaScript", "TypeScript":
			of.file = filepath.Base(path)
		case "Go":
			code = guest(b, "acme")
		default:
			code = onSDK(b, path)
		}
		of.code = string(code)
		all = append(all, of)
	}
	return all
}

// BenchmarkLanguages compares the example connector in all languages, each in a process of its own.
//
//	cold-ms      the time to load it with an empty cache, and to answer: everything is compiled
//	start-ms     the same with a full cache: a process starts. The least of several
//	warm-ms      the same in this process, without a new one. A script finds the JavaScript engine in memory, which another has loaded
//	cpu-µs       processor time of getUserInfo in its process, the least of several runs
//	guest-µs     processor time of getUserInfo in this process, without what it takes for a guest that sends and answers constants: the
//	             connector's own. Both run in turn, and the least of several runs counts
//	instance-KB  what each further call at once takes, measured with 32 calls that wait for the CRM
//	process-MB   the memory of the process after calls (PSS)
//	module-KB    the size of the module or the script
//	lines        of source
func BenchmarkLanguages(b *testing.B) {
	manifest, err := os.ReadFile(filepath.Join("..", "connectors-wasm", "example", "acme.json"))
	if err != nil {
		b.Fatal(err)
	}
	constant := onSDK(b, filepath.Join("testdata", "constant", "constant.c"))
	body, _ := json.Marshal(map[string]any{
		"id": 1, "name": "Ada Lovelace", "email": "ada@example.com", "timezone": map[string]any{"name": "Europe/London", "offset": 0},
		"notes": strings.Repeat("Analytical \"Engine\", ", 90),
	})
	for _, l := range languages(b) {
		b.Run(l.name, func(b *testing.B) {
			var waiting sync.WaitGroup
			var hold sync.RWMutex
			dir := folder(b, map[string]string{l.file: l.code, "acme.json": string(manifest)})
			cache := b.TempDir()
			host := func(processes int) *wasmhost.Host {
				return newHost(b, wasmhost.Config{Processes: processes, CacheDir: cache, Deadline: time.Minute, MaxCalls: 256, MaxRunning: 64, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
					waiting.Done()
					hold.RLock()
					defer hold.RUnlock()
					return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
				}})
			}
			open := func(h *wasmhost.Host) (*wasmhost.Folder, connector.Connector, time.Duration) {
				began := time.Now()
				f, err := loadAll(b, h, dir, "http://127.0.0.1:8080")
				if err != nil {
					b.Fatal(err)
				}
				c := mustConnector(b, f, "acme")
				waiting.Add(1)
				if u, err := c.UserInfo(b.Context(), bearer("")); err != nil || !u.Successful {
					b.Fatal(u, err)
				}
				return f, c, time.Since(began)
			}
			again := func(h *wasmhost.Host) time.Duration {
				var all []time.Duration
				for range 10 {
					f, _, took := open(h)
					all = append(all, took)
					_ = f.Close()
				}
				return slices.Min(all)
			}
			isolated, here := host(1), host(0)
			f, _, cold := open(isolated)
			_ = f.Close()
			start := again(isolated)
			other, _, _ := open(here)
			warm := again(here)
			_ = other.Close()
			f, c, _ := open(isolated)
			defer f.Close()
			const calls = 500 // the clock of a process can be late by a tick
			call := func(c connector.Connector) {
				if u, err := c.UserInfo(b.Context(), bearer("")); err != nil || !u.Successful {
					b.Error(u, err)
				}
			}
			repeat := func(c connector.Connector) func() {
				return func() {
					waiting.Add(calls)
					for range calls {
						call(c)
					}
				}
			}
			pids := []int{f.Describe()[0].Pid}
			each := wasmtest.Cheapest(b, 20, pids, repeat(c))[0] / calls
			alone := wasmtest.PSS(b, pids...)
			const more = 32
			var all sync.WaitGroup
			waiting.Add(more)
			hold.Lock()
			for range more {
				all.Go(func() { call(c) })
			}
			waiting.Wait()
			crowd := wasmtest.PSS(b, pids...)
			hold.Unlock()
			all.Wait()
			mine, _, _ := open(here)
			defer mine.Close()
			bare := load(b, here, map[string]string{"acme.wasm": string(constant), "acme.json": string(manifest)})
			both := wasmtest.Cheapest(b, 20, []int{os.Getpid()}, repeat(mustConnector(b, mine, "acme")), repeat(mustConnector(b, bare, "acme")))
			b.ReportMetric(float64(cold.Microseconds())/1e3, "cold-ms")
			b.ReportMetric(float64(start.Microseconds())/1e3, "start-ms")
			b.ReportMetric(float64(warm.Microseconds())/1e3, "warm-ms")
			b.ReportMetric(float64(each.Nanoseconds())/1e3, "cpu-µs")
			b.ReportMetric(float64((both[0]-both[1]).Nanoseconds())/1e3/calls, "guest-µs")
			b.ReportMetric(float64(len(l.code))/1e3, "module-KB")
			b.ReportMetric(float64(l.lines), "lines")
			b.ReportMetric((crowd-alone)*1e3/more, "instance-KB")
			b.ReportMetric(alone, "process-MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkShare measures what scripts in one process take, after calls (PSS).
//
//	first-MB    the process with one script
//	further-MB  each further script in it
func BenchmarkShare(b *testing.B) {
	const more = 15
	_, _, f := sharing(b, wasmhost.Config{}, 1+more)
	defer f.Close()
	use := func(scripts ...int) float64 {
		for range 20 {
			greet(b, f, scripts...)
		}
		return wasmtest.PSS(b, f.Pid("x0"))
	}
	first := use(0)
	var all []int
	for i := range 1 + more {
		all = append(all, i)
	}
	b.ReportMetric(first, "first-MB")
	b.ReportMetric((use(all...)-first)/more, "further-MB")
	b.ReportMetric(0, "ns/op")
}
