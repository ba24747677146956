package guest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// worldly is a guest whose operation look answers with eight random bytes of each source, and what three reads of the clock gave. fall
// does so too, and traps in a function that it calls. sleep waits for a minute, and forever does not end.
func worldly() []byte {
	now := func(at int64) []byte {
		return wasmtest.Seq(wasmtest.Num(at), wasmtest.Invoke(wasmtest.Now), []byte{0x37, 3, 0}) // i64.store
	}
	look := wasmtest.Seq(wasmtest.Invoke(wasmtest.Random, 0, 8), wasmtest.Invoke(wasmtest.RandomGet, 8, 8), wasmtest.Drop(),
		now(16), now(24), now(32), wasmtest.Invoke(wasmtest.Output, 0, 40))
	sleep := wasmtest.Seq(wasmtest.Num(1024+24), []byte{0x42}, wasmtest.Signed(60_000_000_000), []byte{0x37, 3, 0}, // a relative time of clock 0
		wasmtest.Invoke(wasmtest.PollOneoff, 1024, 2048, 1, 4096), wasmtest.Drop())
	trap := uint64(wasmtest.AfterWASI + 4)
	return wasmtest.Module{Imports: append(wasmtest.ABI(), wasmtest.WASI()...), Funcs: []wasmtest.Func{
		wasmtest.Export("look", look, wasmtest.Num(0)), wasmtest.Export("fall", look, wasmtest.Op(0x10, trap)),
		wasmtest.Export("sleep", sleep, look, wasmtest.Num(0)), wasmtest.Export("forever", wasmtest.Forever()),
		{Body: wasmtest.Op(0x00)},
	}}.Bytes()
}

func mustStart(t *testing.T, module []byte) *Module {
	t.Helper()
	path := filepath.Join(t.TempDir(), "guest.wasm")
	if err := os.WriteFile(path, module, 0o600); err != nil {
		t.Fatal(err)
	}
	return started(t, path)
}

func seed(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// A replay sees the clock and the random bytes that were recorded. Another seed gives other bytes, and so does no world.
func TestReplayedWorld(t *testing.T) {
	t.Parallel()
	m := mustStart(t, worldly())
	look := func(w *World) []byte {
		ctx := t.Context()
		if w != nil {
			ctx = WithWorld(ctx, w)
		}
		r, err := m.Run(ctx, Call{Operation: "look", Host: silent{}})
		if err != nil || len(r.Output) != 40 {
			t.Fatal(r, err)
		}
		return r.Output
	}
	recorded := &World{Seed: seed(1)}
	first := look(recorded)
	time.Sleep(2 * time.Millisecond)
	for range 2 {
		if again := look(&World{Seed: seed(1), Replay: true, Seen: recorded.Seen}); !bytes.Equal(again, first) {
			t.Errorf("the replay got %x, recorded was %x", again, first)
		}
	}
	if len(recorded.Wall) != 3 || !recorded.Valid() {
		t.Errorf("recorded %+v", recorded)
	}
	if bytes.Equal(first[:8], first[8:16]) {
		t.Error("random bytes repeat in a call")
	}
	for name, w := range map[string]*World{"another seed": {Seed: seed(2)}, "no world": nil} {
		if other := look(w); bytes.Equal(other[:8], first[:8]) || bytes.Equal(other[16:24], first[16:24]) {
			t.Errorf("%s: got %x, the same as %x", name, other, first)
		}
	}
}

// A replay that reads the clock more often than the recording gets times that go on.
func TestReplayGoesOn(t *testing.T) {
	t.Parallel()
	v := &view{World: &World{Began: 1000, Replay: true, Seen: Seen{Wall: []uint64{5000}}}}
	var got []uint64
	for _, id := range []uint32{wallClock, wallClock, wallClock, monotonicClock, monotonicClock} {
		got = append(got, v.clock(id, 77))
	}
	if want := []uint64{5000, 1_005_000, 2_005_000, 1_000_001, 2_000_001}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	v = &view{World: &World{}}
	for range MaxClocks + 1 {
		v.clock(wallClock, 1)
	}
	if len(v.Wall) != MaxClocks {
		t.Errorf("recorded %d values", len(v.Wall))
	}
}

// A replay does not wait if the recording says that time has passed, and waits if it says nothing.
func TestReplayedSleep(t *testing.T) {
	t.Parallel()
	m := mustStart(t, worldly())
	for _, tt := range []struct {
		seen Seen
		want error
	}{{Seen{Wall: []uint64{1, 2, 3, 4}}, nil}, {Seen{}, context.DeadlineExceeded}} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if tt.want != nil {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		}
		_, err := m.Run(WithWorld(ctx, &World{Seed: seed(1), Replay: true, Seen: tt.seen}), Call{Operation: "sleep", Host: silent{}})
		cancel()
		if !errors.Is(err, tt.want) {
			t.Errorf("%+v: got %v, want %v", tt.seen, err, tt.want)
		}
	}
}

// A world knows where the guest was stopped.
func TestStackOfStoppedGuests(t *testing.T) {
	t.Parallel()
	m := mustStart(t, worldly())
	for operation, want := range map[string]string{"look": "", "fall": ".$16() i32\n.$13() i32", "forever": ".$15() i32"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		w := &World{Seed: seed(1)}
		_, _ = m.Run(WithWorld(ctx, w), Call{Operation: operation, Host: silent{}})
		cancel()
		if !strings.HasSuffix(w.Stack, want) || want == "" && w.Stack != "" {
			t.Errorf("%s: the stack is %q, want %q", operation, w.Stack, want)
		}
	}
}
