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

// sameConnector is the connector of the practice CRM in C, Go and JavaScript: OAuth, and a getUserInfo that fetches JSON of 2 KB.
func sameConnector(b *testing.B) map[string]string {
	c := filepath.Join(b.TempDir(), "good.wasm")
	wasmtest.C(b, c, "wasm32", filepath.Join("connectortest", "testdata", "c", "good.c"), "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin",
		"-Wno-unused-function", "-Wl,--no-entry", "-Wl,--allow-undefined")
	inC, err := os.ReadFile(c)
	if err != nil {
		b.Fatal(err)
	}
	return map[string]string{"c.wasm": string(inC), "go.wasm": string(guest(b, "practice")), "js.js": userInfo(`
  const answer = await fetch('https://crm.example/me', { headers: { Authorization: input.authHeader } });
  if (!answer.ok) return { successful: false };
  const me = await answer.json();
  return {
    successful: true,
    platformUserInfo: { id: me.id + '-practice', name: me.name, timezoneName: me.timezone.name, timezoneOffset: me.timezone.offset, platformAdditionalInfo: { email: me.email } },
    returnMessage: { messageType: 'success', message: 'Connected.', ttl: 1000 },
  };`)}
}

// BenchmarkLanguages compares the same connector in C, Go and JavaScript, each in a process of its own.
//
//	cold-ms      the time to load it with an empty cache, and to answer: everything is compiled
//	start-ms     the same with a full cache: a process starts. The least of several
//	warm-ms      the same in this process, without a new one. The script finds the JavaScript engine in memory, which another has loaded
//	cpu-µs       processor time of getUserInfo in its process, the least of several runs
//	instance-KB  what each further call at once takes, measured with 32 calls that wait for the CRM
//	process-MB   the memory of the process after calls (PSS)
func BenchmarkLanguages(b *testing.B) {
	for file, code := range sameConnector(b) {
		name, _, _ := strings.Cut(file, ".")
		b.Run(name, func(b *testing.B) {
			body, _ := json.Marshal(map[string]any{
				"id": 1, "name": "Ada Lovelace", "email": "ada@example.com", "timezone": map[string]any{"name": "Europe/London", "offset": 0},
				"notes": strings.Repeat("Analytical \"Engine\", ", 90),
			})
			var waiting sync.WaitGroup
			var hold sync.RWMutex
			dir := folder(b, map[string]string{file: code, name + ".json": manifestOf(name, `"hosts": ["127.0.0.1:8081", "crm.example"]`)})
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
				c := mustConnector(b, f, crmgate.Platform(name))
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
			call := func() {
				if u, err := c.UserInfo(b.Context(), bearer("")); err != nil || !u.Successful {
					b.Error(u, err)
				}
			}
			const calls = 50
			pids := []int{f.Describe()[0].Pid}
			each := wasmtest.Cheapest(b, 20, pids, func() {
				waiting.Add(calls)
				for range calls {
					call()
				}
			})[0] / calls
			alone := wasmtest.PSS(b, pids...)
			const more = 32
			var all sync.WaitGroup
			waiting.Add(more)
			hold.Lock()
			for range more {
				all.Go(call)
			}
			waiting.Wait()
			crowd := wasmtest.PSS(b, pids...)
			hold.Unlock()
			all.Wait()
			b.ReportMetric(float64(cold.Microseconds())/1e3, "cold-ms")
			b.ReportMetric(float64(start.Microseconds())/1e3, "start-ms")
			b.ReportMetric(float64(warm.Microseconds())/1e3, "warm-ms")
			b.ReportMetric(float64(each.Nanoseconds())/1e3, "cpu-µs")
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
