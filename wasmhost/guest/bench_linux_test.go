package guest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// BenchmarkInstance measures what a new instance of a connector in Go costs.
//
//	new    makes an instance from the template, and closes it
//	plain  the same without the template: it runs the code of the language's runtime
//
// The two run in turn. "cpu-µs" is the processor time of an instance, the least of several runs, and "times-new" its ratio to that of
// new.
func BenchmarkInstance(b *testing.B) {
	const instances = 20
	m := practice(b)
	plain := &Module{limits: m.limits, code: m.code}
	repeat := func(m *Module) func() {
		return func() {
			for range instances {
				inst, err := m.instantiate(b.Context(), silent{})
				if err != nil {
					b.Fatal(err)
				}
				inst.close()
			}
		}
	}
	least := wasmtest.Cheapest(b, 15, []int{os.Getpid()}, repeat(m), repeat(plain))
	for i, name := range []string{"new", "plain"} {
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(float64(least[i].Nanoseconds())/1e3/instances, "cpu-µs")
			b.ReportMetric(float64(least[i])/float64(least[0]), "times-new")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkReset measures what the reset after a call costs: getUserInfo with one fetch in Go and C, and an echo of 1 KB in C. The same
// instance runs calls with and without a reset in turn.
//
//	call-µs      processor time of a call without a reset
//	reset-µs     what the reset adds to a call: resetting, the page faults that follow, and what the guest initializes again
//	restore-µs   the time of resetting alone
//	reset-share  reset-µs as a share of a call with its reset
//	memory-MB    the memory of the instance in the end. It grows when calls are not reset, and never shrinks
//
// Figures are the least of several runs.
func BenchmarkReset(b *testing.B) {
	info := call{operation: "getUserInfo", input: []byte(`{"authHeader":"Bearer x"}`)}
	notes := strings.Repeat(`Analytical \\\"Engine\\\", `, 90) // JSON in JSON
	flags := []string{"-O2", "-nostdlib", "-ffreestanding", "-fno-builtin", "-Wno-unused-function", "-Wl,--no-entry", "-Wl,--allow-undefined"}
	for _, kind := range []struct {
		name  string
		start func() *Module
		call  call
		calls int
		host  ada
	}{
		{"Go", func() *Module { return practice(b) }, info, 100, ada{}},
		{"Go/2KB", func() *Module { return practice(b) }, info, 100, ada{notes: notes}},
		{"C", func() *Module {
			return inC(b, filepath.Join("..", "connectortest", "testdata", "c", "good.c"), flags...)
		},
			info, 2000, ada{}},
		{"JavaScript", func() *Module { return scripted(b, userInfo) }, info, 100, ada{}},
		{"JavaScript/2KB", func() *Module { return scripted(b, userInfo) }, info, 100, ada{notes: notes}},
		{"echo", func() *Module { return inC(b, filepath.Join("testdata", "echo.c"), flags...) },
			call{operation: "echo", input: bytes.Repeat([]byte("x"), 1<<10)}, 10_000, ada{}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			m := kind.start()
			inst, err := m.instantiate(b.Context(), ada{})
			if err != nil {
				b.Fatal(err)
			}
			defer inst.close()
			restoring := time.Hour // for all calls of a run
			run := func(reset bool) func() {
				return func() {
					var took time.Duration
					for range kind.calls {
						c := kind.call
						c.module, c.host = m, kind.host
						if code, err := inst.operation(b.Context(), &c); code != 0 || err != nil || !c.hasOutput {
							b.Fatal(code, err)
						}
						if reset {
							began := time.Now()
							if err := m.template.restore(inst); err != nil {
								b.Fatal(err)
							}
							took += time.Since(began)
						}
					}
					if reset {
						restoring = min(restoring, took)
					}
				}
			}
			least := wasmtest.Cheapest(b, 15, []int{os.Getpid()}, run(true), run(false))
			each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(kind.calls) }
			b.ReportMetric(each(least[1]), "call-µs")
			b.ReportMetric(each(least[0]-least[1]), "reset-µs")
			b.ReportMetric(each(restoring), "restore-µs")
			b.ReportMetric(each(least[0]-least[1])/each(least[0]), "reset-share")
			b.ReportMetric(float64(inst.guest.Memory().Size())/1e6, "memory-MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// userInfo is a connector in JavaScript.
const userInfo = `
exports.getAuthType = () => ({ type: 'oauth' });
exports.getUserInfo = async (input) => {
  const answer = await fetch('https://crm.example/me', { headers: { Authorization: input.authHeader } });
  const me = await answer.json();
  return { successful: true, platformUserInfo: { id: me.id, name: me.name, timezoneName: me.timezone.name } };
};`

// inC returns a guest in C, started.
func inC(b *testing.B, source string, flags ...string) *Module {
	b.Helper()
	path := filepath.Join(b.TempDir(), "guest.wasm")
	wasmtest.C(b, path, "wasm32", source, flags...)
	return started(b, path)
}

// ada is a host with a CRM that knows Ada.
type ada struct {
	silent
	notes string // of the CRM about Ada, as they are written in a document of an answer
}

func (a ada) Fetch(context.Context, []byte) []byte {
	return []byte(`{"status":200,"headers":{},"body":"{\"id\":42,\"name\":\"Ada\",\"email\":\"ada@example.com\",\"timezone\":{\"name\":\"Europe/London\",\"offset\":0},\"notes\":\"` + a.notes + `\"}"}`)
}

func (ada) Config(_ context.Context, name []byte) (string, bool) {
	return "http://crm.example", string(name) == "PRACTICE_URL"
}

// BenchmarkScript measures what a further script takes in a process that has the JavaScript engine: the same connector as in
// BenchmarkReset.
//
//	load-ms     processor time of loading it, until it can be called: the least of several
//	further-MB  the memory of a further script that has run calls (PSS)
func BenchmarkScript(b *testing.B) {
	first := scripted(b, userInfo)
	var all []*Module
	another := func() *Module {
		m, err := first.Another()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.Start(b.Context(), silent{}, &Script{Name: "x.js", Source: userInfo}); err != nil {
			b.Fatal(err)
		}
		return m
	}
	least := wasmtest.Cheapest(b, 30, []int{os.Getpid()}, func() { another().Close() })[0]
	const more = 16
	debug.FreeOSMemory()
	before := wasmtest.PSS(b, os.Getpid())
	for range more {
		m := another()
		all = append(all, m)
		for range 5 {
			if _, err := m.Run(b.Context(), Call{Operation: "getUserInfo", Input: []byte(`{"authHeader":"Bearer x"}`), Host: ada{}}); err != nil {
				b.Fatal(err)
			}
		}
	}
	debug.FreeOSMemory()
	b.ReportMetric((wasmtest.PSS(b, os.Getpid())-before)/more, "further-MB")
	b.ReportMetric(float64(least.Microseconds())/1e3, "load-ms")
	b.ReportMetric(0, "ns/op")
	for _, m := range all {
		m.Close()
	}
}
