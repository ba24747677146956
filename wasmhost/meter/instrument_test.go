package meter_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"pgregory.net/rapid"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

var errPauseLimit = errors.New("pause limit reached")

// pauseRecorder is the host side of an instrumented module. It checks the charges at each pause.
type pauseRecorder struct {
	t      testing.TB
	pauses int
	limit  int // the number of pauses after which the call ends

	spent, charged uint64
	maxStep        uint64 // the highest amount spent between two pauses
}

type recorderKey struct{}

// in returns a context in which pauses are passed to w.
func (w *pauseRecorder) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, recorderKey{}, w)
}

// pause checks that the code since the last pause was charged.
func (w *pauseRecorder) pause(guest api.Module) {
	w.pauses++
	left := int64(int32(guest.ExportedGlobal("left").Get()))
	w.charged += uint64(meter.FuelSlice - left)
	spent := guest.ExportedGlobal("spent").Get()
	w.maxStep, w.spent = max(w.maxStep, spent-w.spent), spent
	if left >= 0 {
		w.t.Errorf("the guest paused with %d units of fuel left", left)
	}
	w.check(spent, w.charged)
	if w.pauses >= w.limit {
		panic(errPauseLimit)
	}
}

// check compares the spent fuel with the charged fuel. The host's own call of f is not charged for its entry.
func (w *pauseRecorder) check(spent, charged uint64) {
	if spent > charged+meter.MaxUnchecked && !w.t.Failed() {
		w.t.Errorf("the guest spent %d and was charged %d", spent, charged)
	}
}

// call calls an export of an instrumented module until it returns or reaches the pause limit.
func (w *pauseRecorder) call(guest api.Module, name string, args ...uint64) ([]uint64, error) {
	results, err := guest.ExportedFunction(name).Call(w.in(w.t.Context()), args...)
	if err == nil {
		left := int64(int32(guest.ExportedGlobal("left").Get()))
		w.check(guest.ExportedGlobal("spent").Get(), w.charged+uint64(meter.FuelSlice-left))
	}
	return results, err
}

func decode(t testing.TB, b []byte) *meter.Module {
	t.Helper()
	m, err := meter.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// dispatch is a Go dispatch loop: a table of blocks, and branches through a constant.
func dispatch(parts int, code ...string) string {
	var b strings.Builder
	b.WriteString("03 40 " + strings.Repeat("02 40 ", parts) + "20 00 0e " + hexByte(parts-1))
	for i := range parts {
		b.WriteString(hexByte(i))
	}
	for _, c := range code { // one target each
		b.WriteString("0b " + c)
	}
	return b.String() + "0b "
}

func hexByte(n int) string {
	return string("0123456789abcdef"[n>>4]) + string("0123456789abcdef"[n&15]) + " "
}

// Every endless guest pauses repeatedly, and is charged for what it does.
func TestEndlessGuests(t *testing.T) {
	t.Parallel()
	const again = "0c 00 0b "
	straight, divisions, calls := 3_000, 3_000, 2_000
	if wasmtest.Soak() { // compiling takes time by the square of the code's length
		straight, divisions, calls = 15_000, 10_000, 50_000
	}
	long := strings.Repeat("20 00 20 01 6a 21 01 ", 50)
	bulk := func(op string) string { return "03 40 41 00 41 00 41 80 80 20 " + op + again } // 512 KiB
	for name, c := range map[string]struct {
		body string
		more []string // functions after it
	}{
		"loop":                  {"03 40 " + again, nil},
		"loop of br_if":         {"03 40 41 01 0d 00 0b", nil},
		"loop of br_table":      {"03 40 41 00 0e 01 00 00 0b", nil},
		"loop of values":        {"41 00 03 0a 41 01 6a " + again + "1a", nil}, // type 10 is i32 -> i32, below
		"loop of if":            {"03 40 41 01 04 40 0c 01 05 01 0b 0b", nil},
		"loop of else":          {"03 40 41 00 04 40 01 05 0c 01 0b 0b", nil},
		"straight code":         {"03 40 " + strings.Repeat("20 00 20 01 6a 21 00 ", straight) + again, nil},
		"divisions":             {"03 40 " + strings.Repeat("20 00 41 03 6d 21 00 ", divisions) + again, nil},
		"loop in a loop":        {"03 40 41 03 21 00 03 40 20 00 41 01 6b 22 00 0d 00 0b " + again, nil},
		"recursion":             {"03 40 10 01 " + again, []string{"20 00 41 01 6a 21 00 20 00 41 7f 46 04 40 10 01 0b"}},
		"exponential":           {"03 40 10 01 " + again, []string{"23 00 41 0a 48 04 40 23 00 41 01 6a 24 00 10 01 10 01 10 02 23 00 41 01 6b 24 00 0b", ""}},
		"mutual recursion":      {"10 01", []string{"23 00 41 14 48 04 40 23 00 41 01 6a 24 00 10 02 10 02 23 00 41 01 6b 24 00 0b", "10 01"}},
		"indirect call":         {"03 40 41 01 11 05 00 " + again, []string{"01"}},
		"indirect cycle":        {"03 40 41 01 11 05 00 " + again, []string{"23 00 41 05 48 04 40 23 00 41 01 6a 24 00 41 01 11 05 00 41 01 11 05 00 23 00 41 01 6b 24 00 0b"}},
		"indirect, much":        {"03 40 41 01 11 05 00 " + again, []string{strings.Repeat("20 00 20 01 6a 21 00 ", 2000)}},
		"many calls":            {"03 40 " + strings.Repeat("10 01 ", calls) + again, []string{strings.Repeat("20 00 20 01 6a 21 00 ", 200)}},
		"chain of calls":        {"03 40 10 01 " + again, []string{strings.Repeat("10 02 ", 200), strings.Repeat("10 03 ", 200), strings.Repeat("10 04 ", 200), strings.Repeat("20 00 1a ", 300)}},
		"fill":                  {bulk("fc 0b 00"), nil},
		"copy":                  {bulk("fc 0a 00 00"), nil},
		"small fills":           {"03 40 41 00 41 00 41 10 fc 0b 00 " + again, nil},
		"init":                  {"03 40 41 00 41 00 41 80 20 fc 08 00 00 " + again, nil},
		"table.fill":            {"03 40 41 00 d0 70 41 02 fc 11 00 " + again, nil},
		"table.copy":            {"03 40 41 00 41 00 41 02 fc 0e 00 00 " + again, nil},
		"table.grow":            {"03 40 d0 70 41 00 fc 0f 00 1a " + again, nil},
		"memory.grow":           {"03 40 41 00 40 00 1a " + again, nil},
		"memory.size":           {"03 40 3f 00 1a " + again, nil},
		"after if":              {"03 40 41 01 04 40 01 05 01 0b " + long + again, nil},
		"after else":            {"03 40 41 00 04 40 01 05 01 0b " + long + again, nil},
		"after if alone":        {"03 40 41 00 04 40 01 0b " + long + again, nil},
		"after then":            {"03 40 41 01 04 40 01 05 0c 01 0b " + long + again, nil},
		"table to its own loop": {"41 07 21 00 03 40 02 40 20 00 0e 01 00 01 0b 0b", nil},
		"after br":              {"03 40 02 40 0c 00 0b " + long + again, nil},
		"after br_if":           {"03 40 02 40 41 01 0d 00 0b " + long + again, nil},
		"after br_table":        {"03 40 02 40 41 00 0e 00 00 0b " + long + again, nil},
		"after a target":        {dispatch(2, "41 01 21 00 0c 01 ", long+"41 00 21 00 0c 00 "), nil},
		"back":                  {dispatch(2, "41 00 21 00 0c 01 ", ""), nil},
		"forward, back":         {dispatch(3, "41 02 21 00 0c 02 ", "41 00 21 00 0c 01 ", "41 01 21 00 0c 00 "), nil},
		"past the table":        {dispatch(2, "41 7f 21 00 0c 01 ", "41 00 21 00 0c 00 "), nil},
		"itself":                {dispatch(3, "41 01 21 00 0c 02 ", "41 01 21 00 0c 01 ", ""), nil},
		"not a constant":        {dispatch(2, "41 00 41 00 6a 21 00 0c 01 ", ""), nil},
		"of another local":      {dispatch(2, "41 05 21 01 0c 01 ", ""), nil},
		"br_if back":            {dispatch(2, "41 00 21 00 41 01 0d 01 ", ""), nil},
		"mixed branches":        {dispatch(3, "41 01 21 00 0c 02 ", "41 00 21 00 0c 01 ", "41 01 0d 00 "), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := module(unhex(t, c.body))
			for _, f := range c.more {
				m.Funcs = append(m.Funcs, wasmtest.Func{Type: wasmtest.ToNothing, Locals: 4, Body: unhex(t, f)})
			}
			m.Types = make([]wasmtest.Type, 4)
			m.Types[3] = wasmtest.Type{Params: []byte{wasmtest.I32}, Results: []byte{wasmtest.I32}} // 10
			m.Globals = []int64{0}
			m.Pages = 32
			m.Table = []byte{1, 0x70, 0, 2}
			if len(m.Funcs) > 1 {
				m.Elements = []uint64{0, 1}
			}
			m.Data = nil
			b := m.Bytes()
			if name == "init" {
				b = withPassiveData(b, 4096)
			}
			counted, err := decode(t, b).InstrumentCounted()
			if err != nil {
				t.Fatal(err)
			}
			w := &pauseRecorder{t: t, limit: 50}
			if _, err := w.call(open(t, counted, wazero.NewRuntimeConfig(), w), "f"); !errors.Is(err, errPauseLimit) {
				t.Errorf("got %v after %d pauses", err, w.pauses)
			}
			if w.maxStep > 2*meter.FuelSlice+meter.MaxUnchecked {
				t.Errorf("the guest spent %d between two pauses, want at most two slices of %d", w.maxStep, meter.FuelSlice)
			}
		})
	}
}

// A long path that a loop does not take costs little: so it is in an interpreter, where each instruction takes one of many paths.
func TestPathsThatAreNotTakenCostLittle(t *testing.T) {
	t.Parallel()
	notTaken := "41 00 04 40 " + strings.Repeat("41 01 1a ", 700) + "0b "
	b, err := decode(t, module(unhex(t, "03 40 "+notTaken+"20 00 41 01 6a 22 00 41 90 ce 00 48 0d 00 0b")).Bytes()).InstrumentCounted() // 10,000 times
	if err != nil {
		t.Fatal(err)
	}
	w := &pauseRecorder{t: t, limit: 1 << 30}
	if _, err := w.call(open(t, b, wazero.NewRuntimeConfig(), w), "f"); err != nil || w.pauses > 20 {
		t.Errorf("%d pauses, %v: want 20 at most", w.pauses, err)
	}
}

// A loop continues after a pause, even if the path to its end costs more than fuelSlice.
func TestLoopsContinueAfterPauses(t *testing.T) {
	t.Parallel()
	m := module(unhex(t, "03 40 "+strings.Repeat("41 01 11 05 00 ", 600)+"0b"))
	m.Funcs = append(m.Funcs, wasmtest.Func{Type: wasmtest.ToNothing})
	m.Table, m.Elements = []byte{1, 0x70, 0, 2}, []uint64{0, 1}
	b, err := decode(t, m.Bytes()).InstrumentCounted()
	if err != nil {
		t.Fatal(err)
	}
	w := &pauseRecorder{t: t, limit: 50}
	if _, err := w.call(open(t, b, wazero.NewRuntimeConfig(), w), "f"); err != nil {
		t.Errorf("got %v after %d pauses", err, w.pauses)
	}
}

// Bulk instructions are charged by length: a few of them cause a pause.
func TestBulkInstructionsAreCharged(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{ // 70 times 64 KiB cost more than fuelSlice
		"fill": "41 00 41 00 41 80 80 04 fc 0b 00", "copy": "41 00 41 00 41 80 80 04 fc 0a 00 00", "init": "41 00 41 00 41 80 80 04 fc 08 00 00",
		"memory": "41 01 40 00 1a", "table": "d0 70 41 80 80 04 fc 0f 00 1a", // more than the maximum
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := module([]byte{0x03, 0x40}, unhex(t, code), []byte{0x20, 0, 0x41, 1, 0x6a, 0x22, 0, 0x41, 0xc6, 0, 0x48, 0x0d, 0, 0x0b})
			m.Pages, m.Table = 4, []byte{1, 0x70, 0, 1}
			b, err := decode(t, withPassiveData(m.Bytes(), 1<<16)).InstrumentCounted()
			if err != nil {
				t.Fatal(err)
			}
			w := &pauseRecorder{t: t, limit: 1 << 30}
			if _, err := w.call(open(t, b, wazero.NewRuntimeConfig(), w), "f"); err != nil {
				t.Fatal(err)
			}
			if w.pauses == 0 {
				t.Error("the guest did not pause")
			}
		})
	}
}

// withPassiveData adds a passive data segment of n bytes to a module without data segments.
func withPassiveData(b []byte, n int) []byte {
	code := 8
	for b[code] != 0x0a { // skip to the code section
		size, n := binary.Uvarint(b[code+1:])
		code += 1 + n + int(size)
	}
	count := []byte{0x0c, 1, 1}
	data := append([]byte{1, 1}, append(leb(n), make([]byte, n)...)...)
	return wasmtest.Seq(b[:code], count, b[code:], []byte{0x0b}, leb(len(data)), data)
}

func leb(n int) []byte { return wasmtest.Unsigned(uint64(n)) }

// memory.copy and memory.fill have the same effect in chunks as in one instruction.
func TestChunks(t *testing.T) {
	t.Parallel()
	const pages = 32
	// f(to, from, size) copies, g(to, what, size) fills.
	three := []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}
	m := wasmtest.Module{Imports: []wasmtest.Import{}, Pages: pages, Types: []wasmtest.Type{{Params: three}}, Funcs: []wasmtest.Func{
		{Name: "copy", Type: wasmtest.MoreTypes, Body: unhex(t, "20 00 20 01 20 02 fc 0a 00 00")},
		{Name: "fill", Type: wasmtest.MoreTypes, Body: unhex(t, "20 00 20 01 20 02 fc 0b 00")},
	}}
	instrumented, err := decode(t, m.Bytes()).Instrument()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	rt := runtime(t, wazero.NewRuntimeConfig())
	open := func(b []byte) api.Module {
		guest, err := rt.InstantiateWithConfig(ctx, b, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		return guest
	}
	const size = pages << 16
	contents := make([]byte, size)
	for i := range contents {
		contents[i] = byte(i * 2654435761 >> 13)
	}
	near := rapid.Custom(func(t *rapid.T) uint64 { // boundary values and their neighbours
		n := rapid.SampledFrom([]int64{0, 1, 1024, 1 << 16, 1 << 18, 1 << 19, 3 << 18, size / 2, size, 1<<32 - 1<<18, 1 << 32}).Draw(t, "about")
		return uint64(uint32(n + rapid.Int64Range(-3, 3).Draw(t, "off")))
	})
	rapid.Check(t, func(t *rapid.T) {
		one, two := open(m.Bytes()), open(instrumented)
		defer one.Close(ctx)
		defer two.Close(ctx)
		one.Memory().Write(0, contents)
		two.Memory().Write(0, contents)
		name := rapid.SampledFrom([]string{"copy", "fill"}).Draw(t, "what")
		args := []uint64{near.Draw(t, "to"), near.Draw(t, "from"), near.Draw(t, "size")}
		_, atOnce := one.ExportedFunction(name).Call(ctx, args...)
		_, inChunks := two.ExportedFunction(name).Call(ctx, args...)
		if (atOnce == nil) != (inChunks == nil) {
			t.Fatalf("at once: %v; in chunks: %v", atOnce, inChunks)
		}
		got, _ := two.Memory().Read(0, size)
		want, _ := one.Memory().Read(0, size)
		if atOnce == nil && !bytes.Equal(got, want) {
			t.Fatal("the memory differs")
		}
	})
}

// The start function does not run until the host calls it.
func TestStartFunctionIsDeferred(t *testing.T) {
	t.Parallel()
	m := module()
	m.Start = []byte{0} // it traps
	b, err := decode(t, m.Bytes()).Instrument()
	if err != nil {
		t.Fatal(err)
	}
	guest, err := runtime(t, wazero.NewRuntimeConfig()).InstantiateWithConfig(t.Context(), b, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guest.ExportedFunction(meter.StartExport).Call(t.Context()); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("the start function is exported and returns %v: expected a trap", err)
	}
}

// The memory is initialized when the host calls the start export, before the module's start function runs.
func TestDataIsDeferred(t *testing.T) {
	t.Parallel()
	m := wasmtest.Module{Imports: []wasmtest.Import{}, Funcs: []wasmtest.Func{{Name: "f", Body: []byte{0x41, 0}}}, Data: []wasmtest.Data{
		{At: 40_000, Bytes: strings.Repeat("x", 30_000)}, {At: 8, Bytes: "AB"}, {At: 131_070, Bytes: "CD"},
	}, Start: []byte{0x41, 0, 0x41, 9, 0x2d, 0, 0, 0x41, 1, 0x6a, 0x3a, 0, 0}} // the byte at 0 is one more than that at 9
	b, err := decode(t, m.Bytes()).Instrument()
	if err != nil {
		t.Fatal(err)
	}
	memory := func(code []byte, start ...string) []byte {
		guest, err := runtime(t, wazero.NewRuntimeConfig()).InstantiateWithConfig(t.Context(), code, wazero.NewModuleConfig().WithStartFunctions(start...))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := guest.Memory().Read(0, guest.Memory().Size())
		return b
	}
	if got := memory(b); !bytes.Equal(got, make([]byte, len(got))) {
		t.Error("the memory is initialized before the start export is called")
	}
	got, want := memory(b, meter.StartExport), memory(m.Bytes())
	if !bytes.Equal(got, want) || got[0] != 'C' {
		t.Error("the start export does not initialize the memory as the engine does")
	}
}

// A module with many data segments compiles as fast as its code promises: 345 KB with 40,000 segments took 12 s in an initializer.
func TestManyDataSegments(t *testing.T) {
	t.Parallel()
	m := wasmtest.Module{Imports: []wasmtest.Import{}, Pages: 100}
	for i := range int64(40_000) {
		m.Data = append(m.Data, wasmtest.Data{At: 100 * i, Bytes: "x"})
	}
	b, err := decode(t, m.Bytes()).Instrument()
	if err != nil {
		t.Fatal(err)
	}
	if took := decode(t, b).CompileTime(); took > 100*time.Millisecond {
		t.Errorf("compiling it takes an estimated %v", took)
	}
	guest, err := runtime(t, wazero.NewRuntimeConfig()).InstantiateWithConfig(t.Context(), b, wazero.NewModuleConfig().WithStartFunctions(meter.StartExport))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := guest.Memory().Read(0, 4_000_000); bytes.Count(got, []byte("x")) != 40_000 || got[3_999_900] != 'x' {
		t.Error("the memory is not initialized")
	}
}

// The engine's stack grows by a bounded amount between two pauses, even if a function recurses at once.
func TestStackBetweenPauses(t *testing.T) {
	t.Parallel()
	const locals = 200
	var set, use []byte
	for i := range locals {
		set = append(append(set, 0x10, 1, 0x21), leb(i)...)
		use = append(append(append(use, 0x20), leb(i)...), 0x10, 2)
	}
	// f recurses at once. The loop after the call does not run, but makes the frame large.
	body := wasmtest.Seq([]byte{0x02, 0x40, 0x10, 0, 0x41, 1, 0x0d, 0, 0x03, 0x40}, bytes.Repeat([]byte{0x10, 1, 0x0d, 0}, 100), use, set,
		[]byte{0x10, 1, 0x0d, 0, 0x0b, 0x0b})
	m := wasmtest.Module{Imports: []wasmtest.Import{}, Types: []wasmtest.Type{{Params: []byte{i32}}}, Funcs: []wasmtest.Func{
		{Name: "f", Type: wasmtest.ToNothing, Locals: locals, Body: body},
		{Type: wasmtest.ToI32, Body: []byte{0x41, 0}}, {Type: wasmtest.MoreTypes},
	}}
	b, err := decode(t, m.Bytes()).InstrumentCounted()
	if err != nil {
		t.Fatal(err)
	}
	w := &pauseRecorder{t: t, limit: 1}
	guest := open(t, b, wazero.NewRuntimeConfigCompiler(), w)
	f := guest.ExportedFunction("f")
	if _, err := f.Call(w.in(t.Context())); !errors.Is(err, errPauseLimit) {
		t.Errorf("the guest did not pause: %v", err)
	}
	// The engine doubles a stack that is too small.
	if stack := reflect.ValueOf(f).Elem().FieldByName("stack").Len(); stack > 2*meter.FrameGrowth {
		t.Errorf("the stack has %d bytes at the first pause, want at most twice %d", stack, meter.FrameGrowth)
	}
}
