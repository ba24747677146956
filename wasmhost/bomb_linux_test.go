package wasmhost_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// bombs are modules that were made to compile slowly, and the error of each; none for one that compiles within the limit.
var bombs = []struct {
	name, want string
	module     func() string
}{
	{"loops and locals", "compiling it would take too long", func() string { return withCopies(1, nestOfLoops(63, 63, 500)) }},
	{"loops", "compiling it would take too long", func() string { return withCopies(1, nestOfLoops(100, 63, 1)) }},
	{"indirect calls", "compiling it would take too long", func() string {
		return withCopies(20, wasmtest.Func{Locals: 1, Body: bytes.Repeat(wasmtest.Seq(wasmtest.LocalGet(0), wasmtest.Op(0x11, wasmtest.ToNothing, 0)), 20_000)})
	}},
	{"memory", "384 MB of memory", costly},
	{"loops within the limit", "", func() string { return withCopies(1, nestOfLoops(50, 63, 1)) }},
	{"accesses within the limit", "", func() string {
		return withCopies(31, wasmtest.Func{Locals: 1, Body: bytes.Repeat(wasmtest.Seq(wasmtest.LocalGet(0), []byte{0x28, 2, 0}, wasmtest.LocalSet(0)), 16_000)})
	}},
	{"11 MB", "", func() string { return withCopies(90, wasmtest.Func{Body: bytes.Repeat([]byte{1}, 128_000)}) }}, // nop
}

func withCopies(copies int, f wasmtest.Func) string {
	f.Type = wasmtest.ToNothing
	m := oauth(num(2))
	m.Table = []byte{1, 0x70, 0, 1}
	for range copies {
		m.Funcs = append(m.Funcs, f)
	}
	return m.String()
}

// nestOfLoops has loops one in another, several times over.
func nestOfLoops(times, depth, locals int) wasmtest.Func {
	var body []byte
	for i := range times {
		body = append(body, bytes.Repeat([]byte{0x03, 0x40}, depth)...)
		for j := range depth {
			at := uint64((i + j) % locals)
			body = append(body, wasmtest.Seq(wasmtest.Num(1), wasmtest.LocalSet(at), wasmtest.LocalGet(at), wasmtest.Op(0x0d, 0), wasmtest.End())...)
		}
	}
	return wasmtest.Func{Locals: uint64(locals), Body: body}
}

// explosion is what a bomb has cost.
type explosion struct {
	err       error
	wall, cpu time.Duration // cpu is that of the process that compiled
	memory    int           // by how many bytes the server's memory grew
}

// explode loads a bomb, and then a good module.
func explode(t testing.TB, module string) explosion {
	h := newHost(t, wasmhost.Config{CacheDir: filepath.Join(t.TempDir(), "cache"), Processes: 2})
	dir := folder(t, map[string]string{"bomb.wasm": module, "bomb.json": manifestOf("bomb", "")})
	debug.FreeOSMemory()
	before, peak, stop, stopped := resident(t), 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, resident(t))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	began, cpu := time.Now(), ofChildren(t)
	f, err := h.Load(t.Context(), dir, "")
	x := explosion{wall: time.Since(began), cpu: ofChildren(t) - cpu, err: err}
	close(stop)
	<-stopped
	x.memory = max(0, peak-before)
	if err != nil {
		t.Fatal(err)
	}
	x.err = f.LeftOut()["bomb"]
	f.Close()
	if _, err := loadAll(t, h, folder(t, map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")}), ""); err != nil {
		t.Errorf("the next module: %v", err)
	}
	return x
}

// resident returns how much memory this process has, in bytes.
func resident(t testing.TB) int {
	b, err := os.ReadFile("/proc/self/statm")
	var all, pages int
	if err == nil {
		_, err = fmt.Sscan(string(b), &all, &pages)
	}
	if err != nil {
		t.Error(err)
	}
	return pages * os.Getpagesize()
}

// ofChildren returns the processor time of the processes that this one has started and that have ended.
func ofChildren(t testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// A module that was made to compile slowly is rejected or ended, or it takes no longer than the limit. The server's memory does not
// grow, and the next module loads. No test runs beside this one: it measures processes.
func TestBombs(t *testing.T) {
	if underRace {
		t.Skip("the race detector has no limits")
	}
	for _, bomb := range bombs {
		t.Run(bomb.name, func(t *testing.T) {
			module := bomb.module()
			x := explode(t, module)
			if bomb.want == "" && x.err != nil || bomb.want != "" && (x.err == nil || !strings.Contains(x.err.Error(), bomb.want)) {
				t.Errorf("got %v, want %q", x.err, bomb.want)
			}
			if most := 14 * time.Second; x.cpu > most { // what a process may use at the limit
				t.Errorf("it took %v of processor time, want at most %v", x.cpu, most)
			}
			if most := 16<<20 + 2*len(module); x.memory > most { // the server reads the file, and what is made of it
				t.Errorf("the server's memory grew by %d MB, want at most %d", x.memory>>20, most>>20)
			}
			t.Logf("%.1f s, %.1f s of processor time, %d MB", x.wall.Seconds(), x.cpu.Seconds(), x.memory>>20)
		})
	}
}

// BenchmarkBomb measures how long a module takes that was made to compile slowly, until it is rejected, ended or compiled, and by how
// much the server's memory grows.
func BenchmarkBomb(b *testing.B) {
	for _, bomb := range bombs {
		b.Run(bomb.name, func(b *testing.B) {
			var worst explosion
			for range b.N {
				x := explode(b, bomb.module())
				worst.wall, worst.cpu, worst.memory = max(worst.wall, x.wall), max(worst.cpu, x.cpu), max(worst.memory, x.memory)
			}
			b.ReportMetric(worst.wall.Seconds(), "s")
			b.ReportMetric(worst.cpu.Seconds(), "cpu-s")
			b.ReportMetric(float64(worst.memory)/(1<<20), "server-MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}
