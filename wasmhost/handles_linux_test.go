package wasmhost_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// BenchmarkHandles measures a getUserInfo of a connector in C with handles beside one without, in processor time. "extra-µs" is what
// handles add to a call, whose answer from the CRM has 1 KB with escapes. The two take turns, and the least of many rounds counts. A connector in Go would hide the difference: its
// calls vary by more.
func BenchmarkHandles(b *testing.B) {
	const calls, rounds = 2000, 40 // the clock of a process can be late by the time that another processor has run since its last tick
	ok := func() int { return 200 }
	path := filepath.Join(b.TempDir(), "good.wasm")
	wasmtest.C(b, path, "wasm32", filepath.Join("connectortest", "testdata", "c", "good.c"), "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin",
		"-Wno-unused-function", "-Wl,--no-entry", "-Wl,--allow-undefined")
	wasm, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	round := func(c connector.Connector) func() {
		return func() {
			for range calls {
				if u, err := c.UserInfo(b.Context(), bearer("")); err != nil || !u.Successful {
					b.Fatal(u, err)
				}
			}
		}
	}
	least := wasmtest.Cheapest(b, rounds, []int{os.Getpid()}, round(practiceWith(b, wasm, practiceHandles, ok)), round(practiceWith(b, wasm, "", ok)))
	with, without := float64(least[0].Nanoseconds())/1e3/calls, float64(least[1].Nanoseconds())/1e3/calls
	b.ReportMetric(with, "with-µs")
	b.ReportMetric(with-without, "extra-µs")
	b.ReportMetric(0, "ns/op")
}
