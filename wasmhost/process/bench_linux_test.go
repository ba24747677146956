package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// BenchmarkCall measures getUserInfo, with one fetch that is answered at once, of connectors in Go and C, with 1, 8 and 32 calls at a
// time. "cpu-µs" is the processor time of a call in both processes, and "extra-µs" what of it the process adds.
func BenchmarkCall(b *testing.B) {
	h := &crm{}
	for language, c := range map[string]Config{"Go": practice(b), "C": inC(b)} {
		here, err := guest.Load(b.Context(), c.Code, b.TempDir(), limits)
		if err != nil {
			b.Fatal(err)
		}
		defer here.Close()
		there := mustStart(b, c)
		if _, err := here.Start(b.Context(), h); err != nil {
			b.Fatal(err)
		}
		if _, err := there.Start(b.Context(), h); err != nil {
			b.Fatal(err)
		}
		for _, callers := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/%d", language, callers), func(b *testing.B) {
				alone := cpu(b, callers, -1, func() error { _, err := here.Run(b.Context(), userInfo(h)); return err })
				both := cpu(b, callers, there.Pid(), func() error { _, err := there.Run(b.Context(), userInfo(h)); return err })
				b.ReportMetric(both, "cpu-µs")
				b.ReportMetric(both-alone, "extra-µs")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// inC returns the configuration of a process with a connector in C.
func inC(b *testing.B) Config {
	b.Helper()
	path := filepath.Join(b.TempDir(), "good.wasm")
	wasmtest.C(b, path, "wasm32", filepath.Join("..", "connectortest", "testdata", "c", "good.c"), "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin",
		"-Wno-unused-function", "-Wl,--no-entry", "-Wl,--allow-undefined")
	c := Config{Code: instrumented(b, path), Dir: b.TempDir(), Limits: limits}
	compile(b, c)
	return c
}

// BenchmarkStart measures the time from nothing to the first answer of a connector in Go whose machine code is in the cache.
func BenchmarkStart(b *testing.B) {
	c, h := practice(b), &crm{}
	for b.Loop() {
		p, err := Start(b.Context(), c)
		if err == nil {
			_, err = p.Start(b.Context(), h)
		}
		if err == nil {
			_, err = p.Run(b.Context(), userInfo(h))
		}
		if err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}

// cpu returns the processor time of a call in µs: that of this process, and of another one.
func cpu(b *testing.B, callers, pid int, run func() error) float64 {
	b.Helper()
	calls := max(20_000, b.N)
	before := used(b, 0) + used(b, pid)
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
	return float64((used(b, 0) + used(b, pid) - before).Microseconds()) / float64(calls/callers*callers)
}

// used returns the processor time that a process has used; pid is 0 for this one.
func used(b *testing.B, pid int) time.Duration {
	b.Helper()
	if pid == 0 {
		var r unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	if pid < 0 {
		return 0
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // in ticks of 10 ms
}
