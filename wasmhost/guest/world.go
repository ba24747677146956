package guest

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"
)

// World is what a guest sees of the clock and of chance. [WithWorld] gives it to a guest, to record that, or to show it the same again.
//
// A recording is small: random bytes are a ChaCha8 stream of the seed. That is fit for keys, as random bytes of the system are. ChaCha8
// is the generator of Go's own runtime, each block replaces the key of the one before, and the seed has 32 bytes of the system's. It is
// new for each call. A person who can open a recording can compute the random bytes of that one call.
type World struct {
	Seed  []byte // 32 bytes
	Began uint64 // Unix time in nanoseconds
	// Replay says that the guest gets what Seen has. Otherwise Seen is what it got.
	Replay bool
	Seen
}

// Seen is what a guest has read, and where it was stopped.
type Seen struct {
	Wall      []uint64 `json:",omitempty"` // Unix times in nanoseconds; the first MaxClocks
	Monotonic []uint64 `json:",omitempty"` // of the monotonic clock; the first MaxClocks
	// Stack has a line for each function that ran when the guest was stopped, the innermost first, with its index in the instrumented
	// module: ".$12(i32) i32". It is empty if the guest returned.
	Stack string `json:",omitempty"`
}

// MaxClocks is how many values of each clock are recorded. A replay that reads more gets a clock that goes on by a millisecond.
const MaxClocks = 4096

// maxTrace is the maximum length of a Stack, in bytes.
const maxTrace = 8 << 10

// Valid reports whether the lists are within their limits.
func (s *Seen) Valid() bool {
	return len(s.Wall) <= MaxClocks && len(s.Monotonic) <= MaxClocks && len(s.Stack) <= maxTrace
}

type worldKey struct{}

// WithWorld returns the context of a Start or a Run whose guest sees a world. It sets w.Seen unless w.Replay is set. Use it once: the
// world is what was seen when the call has returned.
func WithWorld(ctx context.Context, w *World) context.Context {
	return context.WithValue(ctx, worldKey{}, &view{World: w})
}

// WorldOf returns the world of a context; nil if there is none.
func WorldOf(ctx context.Context) *World {
	if v := viewOf(ctx); v != nil {
		return v.World
	}
	return nil
}

// view is a World as one call sees it. The goroutine that runs the guest owns it.
type view struct {
	*World
	random *rand.ChaCha8
	read   [2]int // how many values of each clock were read
}

func viewOf(ctx context.Context) *view {
	v, _ := ctx.Value(worldKey{}).(*view)
	return v
}

// The clocks of WASI.
const (
	wallClock = iota
	monotonicClock
)

// clock returns the time of a clock, given what the time is.
func (v *view) clock(id uint32, now uint64) uint64 {
	values := [2]*[]uint64{&v.Wall, &v.Monotonic}[id]
	n := v.read[id]
	v.read[id]++
	switch {
	case !v.Replay:
		if n < MaxClocks {
			*values = append(*values, now)
		}
		return now
	case n < len(*values):
		return (*values)[n]
	}
	last := map[uint32]uint64{wallClock: v.Began, monotonicClock: 1}[id]
	if len(*values) > 0 {
		last = (*values)[len(*values)-1]
	}
	return last + uint64(n-len(*values)+1)*uint64(time.Millisecond)
}

// waits reports whether a guest that sleeps has to wait. In a replay it does not if it reads a clock later, which then says that time
// has passed. If it reads none, it may have slept until it was stopped.
func (v *view) waits() bool {
	return !v.Replay || v.read[wallClock] >= len(v.Wall) && v.read[monotonicClock] >= len(v.Monotonic)
}

// fill fills b with random bytes.
func (v *view) fill(b []byte) {
	if v.random == nil {
		var seed [32]byte
		copy(seed[:], v.Seed)
		v.random = rand.NewChaCha8(seed)
	}
	_, _ = v.random.Read(b) // never fails
}

// stopped notes where a guest was stopped. The engine's error has a line for each function.
func (v *view) stopped(err error) {
	const title = "\nwasm stack trace:\n"
	if err == nil {
		return
	}
	_, trace, _ := strings.Cut(err.Error(), title)
	trace, _, _ = strings.Cut(trace, "\n\n") // what follows is of this program
	v.Stack = strings.ReplaceAll(trace[:min(len(trace), maxTrace)], "\t", "")
}
