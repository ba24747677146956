package wasmhost

import (
	"math"
	"sync/atomic"
	"time"
)

// stats counts the calls of a module, and keeps how long they took in buckets. It is safe for concurrent use.
type stats struct {
	calls, failed atomic.Uint64
	took          [maxBucket + 1]atomic.Uint64
}

// A bucket is a quarter longer than the one before: the first ends at 10 µs, the last has everything beyond a minute.
const (
	firstBucket = 10 * time.Microsecond
	growth      = 1.25
	maxBucket   = 72
)

// add counts a call with an outcome of function outcome. An unsupported operation is not a call.
func (s *stats) add(outcome string, d time.Duration) {
	if outcome == "unsupported" {
		return
	}
	s.calls.Add(1)
	if outcome != "ok" {
		s.failed.Add(1)
	}
	s.took[bucketOf(d)].Add(1)
}

func bucketOf(d time.Duration) int {
	if d <= firstBucket {
		return 0
	}
	n := math.Ceil(math.Log(float64(d)/float64(firstBucket)) / math.Log(growth))
	return min(int(n), maxBucket)
}

// p95 returns a time in which 95 of 100 calls ended, at most a quarter too long; 0 without calls.
func (s *stats) p95() time.Duration {
	var all, sum uint64
	var counts [maxBucket + 1]uint64
	for i := range s.took {
		counts[i] = s.took[i].Load()
		all += counts[i]
	}
	for i, n := range counts {
		if sum += n; n > 0 && sum*100 >= all*95 {
			return time.Duration(float64(firstBucket) * math.Pow(growth, float64(i)))
		}
	}
	return 0
}
