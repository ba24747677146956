package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// BenchmarkCall measures getUserInfo, with one fetch that is answered at once, of connectors in Go and C, with 1, 8 and 32 calls at a
// time. "cpu-µs" is the processor time of a call in both processes, and "extra-µs" what of it the process adds. Calls in this process and
// in another run in turn, and each figure is the least of several runs.
func BenchmarkCall(b *testing.B) {
	h := &crm{}
	for _, language := range []struct {
		name  string
		start func(testing.TB) Config
		calls int
	}{{"Go", practice, 320}, {"C", inC, 3200}} {
		c := language.start(b)
		here, err := guest.Load(b.Context(), c.Code, b.TempDir(), limits)
		if err != nil {
			b.Fatal(err)
		}
		defer here.Close()
		there := mustStart(b, c)
		if _, err := here.Start(b.Context(), h, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := there.Start(b.Context(), h, nil); err != nil {
			b.Fatal(err)
		}
		for _, callers := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/%d", language.name, callers), func(b *testing.B) {
				least := wasmtest.Cheapest(b, 12, []int{os.Getpid(), there.Pid()},
					callsOf(b, callers, language.calls, func() error { _, err := here.Run(b.Context(), userInfo(h)); return err }),
					callsOf(b, callers, language.calls, func() error { _, err := there.Run(b.Context(), userInfo(h)); return err }))
				each := func(i int) float64 { return float64(least[i].Nanoseconds()) / 1e3 / float64(language.calls) }
				b.ReportMetric(each(1), "cpu-µs")
				b.ReportMetric(each(1)-each(0), "extra-µs")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// callsOf returns a function that makes calls, some at a time.
func callsOf(b *testing.B, callers, calls int, run func() error) func() {
	return func() {
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range calls / callers {
					if err := run(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	}
}

// inC returns the configuration of a process with a connector in C.
func inC(b testing.TB) Config {
	b.Helper()
	path := filepath.Join(b.TempDir(), "good.wasm")
	wasmtest.C(b, path, "wasm32", filepath.Join("..", "connectortest", "testdata", "c", "good.c"), "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin",
		"-Wno-unused-function", "-Wl,--no-entry", "-Wl,--allow-undefined")
	dir := b.TempDir()
	return Config{Code: compile(b, path, dir), Dir: dir, Limits: limits}
}

// BenchmarkStart measures the time from nothing to the first answer of a connector in Go whose machine code is in the cache: the median
// in ms, and the least.
func BenchmarkStart(b *testing.B) {
	c, h := practice(b), &crm{}
	var took []time.Duration
	for range 15 {
		began := time.Now()
		p, err := Start(b.Context(), c)
		if err == nil {
			_, err = p.Start(b.Context(), h, nil)
		}
		if err == nil {
			_, err = p.Run(b.Context(), userInfo(h))
		}
		took = append(took, time.Since(began))
		if err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[len(took)/2]), "p50-ms")
	b.ReportMetric(milliseconds(took[0]), "least-ms")
	b.ReportMetric(0, "ns/op")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// BenchmarkWaiting measures the memory of 1,000 calls that wait in fetch at once, of connectors in Go and C.
//
//	MB       the memory of both processes
//	MB-idle  what of it is there without the calls
//	calls    how many calls wait: fewer, if the process ends before
func BenchmarkWaiting(b *testing.B) {
	const calls = 1000
	for _, language := range []struct {
		name  string
		start func(testing.TB) Config
	}{{"Go", practice}, {"C", inC}} {
		b.Run(language.name, func(b *testing.B) {
			c := language.start(b)
			c.Data = calls * int64(limits.MemoryPages) << 16 // as much as the calls could ask for
			p := mustStart(b, c)
			if _, err := p.Start(b.Context(), &crm{}, nil); err != nil {
				b.Fatal(err)
			}
			debug.FreeOSMemory() // what building has left
			idle := wasmtest.PSS(b, os.Getpid(), p.Pid())
			waiting, release, ended := make(chan bool), make(chan bool), make(chan error)
			h := &crm{}
			answer := h.Fetch(b.Context(), nil)
			h.fetch = func(context.Context) []byte {
				waiting <- true
				<-release
				return answer
			}
			n, full := 0, idle
			for alive := true; n < calls && alive; {
				go func() { _, err := p.Run(b.Context(), userInfo(h)); ended <- err }()
				select {
				case <-waiting:
					if n++; n%50 == 0 {
						full = wasmtest.PSS(b, os.Getpid(), p.Pid())
					}
				case err := <-ended:
					b.Logf("call %d: %v", n+1, err)
					alive = false
				}
			}
			b.ReportMetric(full, "MB")
			b.ReportMetric(idle, "MB-idle")
			b.ReportMetric(float64(n), "calls")
			b.ReportMetric(0, "ns/op")
			close(release)
			for range n {
				if err := <-ended; err != nil && n == calls {
					b.Error(err)
				}
			}
		})
	}
}

// BenchmarkDeadline measures how long after its deadline a call returns whose guest runs in an endless loop: the median in ms, with one
// and with four such calls at once. Each has a process of its own.
func BenchmarkDeadline(b *testing.B) {
	c := spinning(b)
	for _, spinners := range []int{1, 4} {
		b.Run(strconv.Itoa(spinners), func(b *testing.B) {
			var processes []*Module
			for range spinners {
				p := mustStart(b, c)
				if _, err := p.Start(b.Context(), &crm{}, nil); err != nil {
					b.Fatal(err)
				}
				processes = append(processes, p)
			}
			var mu sync.Mutex
			var late []time.Duration
			for range 25 {
				var all sync.WaitGroup
				for _, p := range processes {
					all.Go(func() {
						deadline := time.Now().Add(150 * time.Millisecond)
						ctx, cancel := context.WithDeadline(b.Context(), deadline)
						defer cancel()
						_, err := p.Run(ctx, guest.Call{Operation: "spin", Host: &crm{}})
						after := time.Since(deadline)
						if !errors.Is(err, context.DeadlineExceeded) {
							b.Error(err)
						}
						mu.Lock()
						defer mu.Unlock()
						late = append(late, after)
					})
				}
				all.Wait()
			}
			slices.Sort(late)
			b.ReportMetric(milliseconds(late[len(late)/2]), "p50-ms-late")
			b.ReportMetric(milliseconds(late[len(late)-1]), "max-ms-late")
			b.ReportMetric(0, "ns/op")
		})
	}
}
