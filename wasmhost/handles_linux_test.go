package wasmhost_test

import (
	"os"
	"testing"

	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// BenchmarkHandles measures a getUserInfo of the practice connector with handles beside one without, in processor time. "extra-µs" is
// what handles add to a call. The two take turns, and the least of many rounds counts.
func BenchmarkHandles(b *testing.B) {
	const calls, rounds = 20, 200
	ok := func() int { return 200 }
	round := func(c connector.Connector) func() {
		return func() {
			for range calls {
				if u, err := c.UserInfo(b.Context(), bearer("")); err != nil || !u.Successful {
					b.Fatal(u, err)
				}
			}
		}
	}
	least := wasmtest.Cheapest(b, rounds, []int{os.Getpid()}, round(practiceWith(b, practiceHandles, ok)), round(practiceWith(b, "", ok)))
	with, without := float64(least[0].Microseconds())/calls, float64(least[1].Microseconds())/calls
	b.ReportMetric(with, "with-µs")
	b.ReportMetric(with-without, "extra-µs")
	b.ReportMetric(0, "ns/op")
}
