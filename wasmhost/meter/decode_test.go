package meter_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// module returns a module with one function of type () -> () and a memory.
func module(body ...[]byte) wasmtest.Module {
	return wasmtest.Module{Imports: []wasmtest.Import{}, Funcs: []wasmtest.Func{{Name: "f", Type: wasmtest.ToNothing, Locals: 4, Body: wasmtest.Seq(body...)}}}
}

// unhex decodes hexadecimal bytes, with spaces.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const header = "00 61 73 6d 01 00 00 00 "

// Code that is invalid, or not WebAssembly 2.0 without vectors, is rejected with a reason.
func TestInvalidCode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		// Readers disagree about the first ones: code could escape the sandbox, or run without fuel checks.
		"select of a heap type":       {"00 00 41 00 1c 01 63 00 1a", "it uses the type 0x63"},
		"select of a long heap type":  {"41 00 41 00 41 00 1c 01 64 f0 00 1a", "it uses the type 0x64"},
		"select of no type":           {"41 00 41 00 41 00 1c 00 1a", "select names 0 types"},
		"select of two types":         {"41 00 41 00 41 00 1c 02 7f 7f 1a", "select names 2 types"},
		"vector":                      {"fd 0c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 1a", "the instruction 0xfd: vector instructions are not supported"},
		"vector, padded":              {"fd 8c 80 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 1a", "0xfd"},
		"unknown bulk instruction":    {"fc 12", "the instruction 0xfc 18"},
		"unknown bulk, padded":        {"fc ff ff 03", "the instruction 0xfc"},
		"block of v128":               {"02 7b 00 0b 1a", "the block has the type 0x7b"},
		"block of a heap type":        {"02 63 70 00 0b 1a", "the block has the type 0x63"},
		"block of a long type":        {"02 ff 7e 41 00 0b 1a", "a type of 2 bytes"},
		"empty block, padded":         {"02 c0 7f 0b", "a type of 2 bytes"},
		"block of an unknown type":    {"02 20 0b", "type 32 does not exist"},
		"null of v128":                {"d0 7b 1a", "v128"},
		"null of a number":            {"d0 7f 1a", "ref.null names i32"},
		"atomic":                      {"fe 00 02 00", "build without threads"},
		"tail call":                   {"12 00", "tail calls"},
		"exception":                   {"06 40 0b", "exceptions are not supported"},
		"garbage collection":          {"fb 00 00", "garbage collection is not supported"},
		"unknown":                     {"ff", "0xff"},
		"a number of 33 bits":         {"20 ff ff ff ff 1f 1a", "more than 32 bits"},
		"a number of six bytes":       {"20 80 80 80 80 80 00 1a", "more than 32 bits"},
		"a constant of 33 bits":       {"41 ff ff ff ff 0f 1a", "more than 32 bits"},
		"a constant of 65 bits":       {"42 ff ff ff ff ff ff ff ff ff 01 1a", "more than 64 bits"},
		"memory 1":                    {"3f 01 1a", "memory 1 is used"},
		"memory 0, padded":            {"3f 80 00 1a", "memory 128 is used"},
		"fill of memory 1":            {"41 00 41 00 41 00 fc 0b 01", "memory 1 is used"},
		"alignment":                   {"41 00 28 03 00 1a", "i32.load is aligned to 2^3 bytes"},
		"alignment beyond 32 bits":    {"41 00 28 60 00 1a", "aligned to 2^96"},
		"ends early":                  {"41", "unexpected end"},
		"after the end":               {"0b 01", "instructions follow the end"},
		"else without if":             {"02 40 05 0b", "there is no if before it"},
		"two elses":                   {"41 00 04 40 05 05 0b", "there is no if before it"},
		"operand missing":             {"6a 1a", "i32.add: an operand is missing"},
		"operand of another type":     {"42 00 41 00 6a 1a", "i32.add: an operand is i64"},
		"operand left over":           {"41 00", "end: 1 operands are left over"},
		"operand of the outer block":  {"41 00 02 40 1a 0b", "an operand is missing"},
		"local":                       {"20 04 1a", "local 4 does not exist"},
		"global":                      {"23 00 1a", "global 0 does not exist"},
		"function":                    {"10 07", "function 7 does not exist"},
		"table":                       {"41 00 25 00 1a", "table 0 does not exist"},
		"indirect call without table": {"41 00 11 05 00", "table 0 does not exist"},
		"label":                       {"0c 01", "label 1 does not exist"},
		"label of br_table":           {"41 00 0e 01 00 01", "label 1 does not exist"},
		"br_table of mixed labels":    {"02 7f 41 00 41 00 0e 01 00 01 0b 1a", "different numbers of operands"},
		"br_table of too many":        {"41 00 0e ff ff ff ff 0f", "labels"},
		"if without else with result": {"41 00 04 7f 41 00 0b 1a", "leaves other types than it takes"},
		"select of references":        {"d0 70 d0 70 41 00 1b 1a", "expected two numbers of one type"},
		"select of two kinds":         {"41 00 42 00 41 00 1b 1a", "expected two numbers of one type"},
		"null test of a number":       {"41 00 d1 1a", "expected a reference"},
		"reference that is not named": {"d2 07 1a", "function 7 does not exist"},
		"branches by operands":        {strings.Repeat("41 00 ", 5000) + strings.Repeat("41 00 04 40 0b ", 1000) + strings.Repeat("1a ", 5000), "compiling it would take too long"},
		"operands by calls":           {strings.Repeat("41 00 ", 3000) + strings.Repeat("10 00 ", 100) + strings.Repeat("1a ", 3000), "of the engine's stack: expected at most 1024"},
		"reference not declared":      {"d2 01 1a", "function 1 is not declared"},
		"constant global":             {"41 00 24 01", "global 1 cannot be changed"},
		"call through an externref":   {"41 00 11 05 01", "table 1 does not hold functions"},
		"copy to another kind":        {"41 00 41 00 41 00 fc 0e 00 01", "it copies externref to a table of funcref"},
		"init of another kind":        {"41 00 41 00 41 00 fc 0c 00 01", "it copies funcref to a table of externref"},
		"br_table without operand":    {"02 7f 41 00 0e 00 00 0b 1a", "br_table: an operand is missing"},
		"br_table, operand outside":   {"41 00 02 7f 41 00 0e 00 00 0b 1a 1a", "br_table: an operand is missing"},
		"br_table of another type":    {"02 7f 42 00 41 00 0e 00 00 0b 1a", "br_table: an operand is i64"},
		"data segment":                {"41 00 41 00 41 00 fc 08 00 00", "data segment 0 does not exist"},
		"data segment, dropped":       {"fc 09 00", "data segment 0 does not exist"},
		"element segment":             {"fc 0d 00", "element segment 0 does not exist"},
		"result missing":              {"02 7f 0b 1a", "an operand is missing: expected i32"},
		"result of another type":      {"02 7f 42 00 0b 1a", "an operand is i64: expected i32"},
		"result of a branch":          {"02 7f 0c 00 0b 1a", "br: an operand is missing"},
		"too deep":                    {strings.Repeat("02 40 ", 3000) + strings.Repeat("0b ", 3000), "nested more than 2048 deep"},
		"loops too deep":              {strings.Repeat("03 40 ", 65) + strings.Repeat("0b ", 65), "loop: loops are nested more than 64 deep"},
		"too long":                    {strings.Repeat("01 ", 140_000), "expected at most 131072"},
		"branches by locals":          {"02 40 " + strings.Repeat("20 00 0d 00 ", 20_000) + "0b", "compiling it would take too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := module(unhex(t, c.body))
			if strings.Contains(c.want, "does not exist") {
				_, err := meter.Decode(m.Bytes())
				wantError(t, err, 0, c.want)
				return
			}
			// Add what the code refers to: an undeclared function, two tables, a segment, and a constant global.
			m.Funcs = append(m.Funcs, wasmtest.Func{Type: wasmtest.ToNothing})
			m.Table, m.Elements = []byte{2, 0x70, 0, 1, 0x6f, 0, 1}, []uint64{0}
			m.Globals = []int64{0, 0}
			b := m.Bytes()
			at := bytes.Index(b, []byte{6, 11, 2, 0x7f, 1, 0x41, 0, 0x0b, 0x7f, 1}) // the globals
			b[at+9] = 0
			_, err := meter.Decode(b)
			wantError(t, err, 0, c.want)
		})
	}
}

// wantError checks that err is an *Error of a function (-1 for none) that contains a text.
func wantError(t *testing.T, err error, function int, want string) {
	t.Helper()
	var e *meter.Error
	switch {
	case !errors.As(err, &e) || !strings.Contains(err.Error(), want):
		t.Errorf("got %v, want an *Error with %q", err, want)
	case e.Function != function || e.Offset == 0:
		t.Errorf("got function %d at %#x, want function %d: %v", e.Function, e.Offset, function, err)
	}
}

// Invalid or unsupported content outside functions is rejected.
func TestInvalidModules(t *testing.T) {
	t.Parallel()
	const types = "01 04 01 60 00 00 "
	const function = "03 02 01 00 "
	const code = "0a 04 01 02 00 0b "
	for name, c := range map[string]struct{ module, want string }{
		"section 13":               {"0d 01 00", "section 13 is not known"},
		"section twice":            {types + types, "out of order or repeated"},
		"section out of order":     {"03 01 00 " + types, "out of order"},
		"section too long":         {"01 05 01 60 00 00 00", "longer than what it holds"},
		"section cut off":          {"01 7f 01", "the length 127 exceeds"},
		"type of a struct":         {"01 03 01 5f 00", "garbage collection is not supported"},
		"recursive types":          {"01 05 01 4e 01 60 00", "garbage collection"},
		"parameter of a heap type": {"01 06 01 60 01 63 00 00", "the type 0x63"},
		"many results":             {"01 15 01 60 00 11 " + strings.Repeat("7f ", 17), "17 results: expected at most 16"},
		"import of a memory":       {"02 08 01 01 65 01 6d 02 00 01", `"e"."m", which is not a function`},
		"import of a type":         {"02 07 01 01 65 01 6d 00 05", "of type 5, which does not exist"},
		"long name":                {"02 86 08 01 81 08 " + strings.Repeat("61 ", 1025) + "01 6d 00 00", "a name has 1025 bytes"},
		"name of other bytes":      {"02 07 01 01 ff 01 6d 00 00", "not UTF-8"},
		"function of no type":      {function + code, "of type 0, which does not exist"},
		"function without code":    {types + function, "declares 1 functions and has code for 0"},
		"table of numbers":         {"04 04 01 7f 00 01", "expected funcref or externref"},
		"table with a first value": {"04 09 01 40 00 70 00 01 d0 70 0b", "the type 0x40"},
		"table too large":          {"04 07 01 70 00 80 80 80 01", "expected at most 65536"},
		"table max below min":      {"04 05 01 70 01 02 01", "less than the minimum"},
		"shared memory":            {"05 04 01 03 01 02", "flags 0x3"},
		"64-bit memory":            {"05 03 01 04 01", "flags 0x4"},
		"two memories":             {"05 05 02 00 01 00 01", "2 memories"},
		"memory too large":         {"05 05 01 00 81 80 02", "expected at most 32768"},
		"global of v128":           {"06 04 01 7b 00 0b", "v128"},
		"global of mutability 2":   {"06 06 01 7f 02 41 00 0b", "mutability 0x2"},
		"global of another type":   {"06 06 01 7f 00 42 00 0b", "i64.const is of type i64"},
		"global of a sum":          {"06 09 01 7f 00 41 00 41 00 6a 0b", "more than one instruction"},
		"global of a call":         {"06 06 01 7f 00 10 00 0b", "cannot be in an initial value"},
		"global of a global":       {"06 06 01 7f 00 23 00 0b", "cannot be in an initial value"},
		"global of no function":    {"06 06 01 70 00 d2 00 0b", "function 0 does not exist"},
		"export of a tag":          {"07 05 01 01 61 04 00", "of kind 4"},
		"export of nothing":        {"07 05 01 01 61 02 00", `the export "a" refers to something that does not exist`},
		"export twice":             {types + function + "07 09 02 01 61 00 00 01 61 00 00 " + code, `two exports "a"`},
		"start of nothing":         {"08 01 00", "start function 0 does not exist"},
		"start with a parameter":   {"01 05 01 60 01 7f 00 03 02 01 00 08 01 00 0a 04 01 02 00 0b", "takes parameters"},
		"elements of kind 8":       {"09 02 01 08", "flags 0x8"},
		"elements of no table":     {types + function + "09 07 01 00 41 00 0b 01 00 " + code, "table 0 does not exist"},
		"elements of no function":  {"04 04 01 70 00 01 09 07 01 00 41 00 0b 01 00", "function 0 does not exist"},
		"element of no index":      {"04 04 01 70 00 01 09 0b 01 00 41 00 0b 01 ff ff ff ff 0f", "function 4294967295 does not exist"},
		"elements of two types":    {"04 04 01 70 00 01 09 0b 01 06 00 41 00 0b 6f 01 d0 6f 0b", "of type externref, and table 0"},
		"element of another type":  {"09 07 01 05 6f 01 d0 70 0b", "not an element of type externref"},
		"data without memory":      {"0b 07 01 00 41 00 0b 01 61", "a memory, which does not exist"},
		"data of memory 1":         {"05 03 01 00 01 0b 08 01 02 01 41 00 0b 01 61", "for memory 1"},
		"data of kind 3":           {"0b 02 01 03", "flags 0x3"},
		"data at a wide address":   {"05 03 01 00 01 0b 07 01 00 42 00 0b 01 61", "expected i32"},
		"data counted wrongly":     {"0c 01 01", "announces 1 data segments and has 0"},
		"too many locals":          {types + function + "0a 0a 01 08 01 ff ff ff ff 0f 7f 0b", "more than 512 locals"},
		"locals of a heap type":    {types + function + "0a 07 01 05 01 01 64 70 0b", "the type 0x64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := meter.Decode(unhex(t, header+c.module))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// sections returns a module of sections. Each is a string of an id and a body, in hexadecimal.
func sections(t *testing.T, all ...string) []byte {
	t.Helper()
	b := unhex(t, header)
	for _, s := range all {
		id, body, _ := strings.Cut(s, " ")
		content := unhex(t, body)
		b = binary.AppendUvarint(append(b, unhex(t, id)...), uint64(len(content)))
		b = append(b, content...)
	}
	return b
}

// Encode writes padded numbers in their shortest form, and drops custom sections.
func TestEncodeIsCanonical(t *testing.T) {
	t.Parallel()
	long := sections(t, "00 04 6e 61 6d 65", "01 81 80 80 80 00 60 00 80 00", "03 81 00 80 00", "05 81 00 00 81 00", "00 04 6d 6f 72 65",
		"0a 81 00 a9 80 00 81 00 82 00 7f 41 80 80 80 80 00 41 80 00 41 ff ff 7f fc 8b 80 80 80 00 00 02 40 0c 80 80 00 0b 41 00 28 82 00 80 00 1a 0b")
	short := sections(t, "01 01 60 00 00", "03 01 00", "05 01 00 01",
		"0a 01 18 01 02 7f 41 00 41 00 41 7f fc 0b 00 02 40 0c 00 0b 41 00 28 02 00 1a 0b")
	for _, b := range [][]byte{long, short} {
		m, err := meter.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Encode(); !bytes.Equal(got, short) {
			t.Errorf("got  % x\nwant % x", got, short)
		}
	}
}

// Decoding and encoding keeps every part of a module.
func TestEncodeKeepsEverything(t *testing.T) {
	t.Parallel()
	b := sections(t,
		"01 02 60 00 00 60 02 7f 6f 01 7c",
		"02 01 01 61 01 62 00 00",
		"03 02 00 01",
		"04 02 70 00 01 6f 01 01 02",
		"05 01 01 01 02",
		"06 05 7f 01 41 7f 0b 7e 00 42 80 01 0b 7d 00 43 01 02 03 04 0b 70 00 d2 00 0b 6f 01 d0 6f 0b",
		"07 02 01 6d 02 00 01 66 00 01",
		"08 01",
		"09 07 00 41 00 0b 01 00 01 00 01 01 03 00 01 02 04 41 00 0b 01 d0 70 0b 05 70 02 d2 00 0b d0 70 0b 06 01 41 00 0b 6f 00 07 6f 01 d0 6f 0b",
		"0c 02",
		"0a 02 02 00 0b 13 00 44 01 02 03 04 05 06 07 08 d0 6f 1a 41 00 0e 00 00 0b",
		"0b 02 00 41 00 0b 01 61 01 01 62")
	m, err := meter.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Encode(); !bytes.Equal(got, b) {
		t.Errorf("got  % x\nwant % x", got, b)
	}
}

// Files that are not WebAssembly modules get their own errors.
func TestHeaders(t *testing.T) {
	t.Parallel()
	for b, want := range map[string]string{
		"": "not a WebAssembly module", "hello, world": "not a WebAssembly module", "\x00asm": "not a WebAssembly module",
		"\x00asm\x0d\x00\x01\x00": "recompile as a core wasip1 module", "\x00asm\x02\x00\x00\x00": "expected 1",
	} {
		if _, err := meter.Decode([]byte(b)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", b, err, want)
		}
	}
}

// The number of elements in all segments is limited: the engine evaluates each of them for every instance.
func TestManyElements(t *testing.T) {
	t.Parallel()
	segment := "01 00 80 80 02 " + strings.Repeat("00 ", 1<<15) // passive, with 32,768 functions
	b := sections(t, "01 01 60 00 00", "03 01 00", "09 09 "+strings.Repeat(segment, 9), "0a 01 02 00 0b")
	_, err := meter.Decode(b)
	wantError(t, err, -1, "32768 elements more: expected at most 0")
}

// The size of instrumented code is limited.
func TestInstrumentedSize(t *testing.T) {
	t.Parallel()
	m := module()
	for range 200 {
		m.Funcs = append(m.Funcs, wasmtest.Func{Type: wasmtest.ToNothing, Body: bytes.Repeat([]byte{0x01}, 128<<10-2)}) // nop
	}
	if _, err := decode(t, m.Bytes()).Instrument(); err == nil || !strings.Contains(err.Error(), "more than 24 MB with fuel checks") {
		t.Errorf("got %v", err)
	}
}

// A br_table with many labels above many operands is rejected because of its compile time. BenchmarkManyBranches measures
// the time of the check itself.
func TestManyBranches(t *testing.T) {
	t.Parallel()
	_, err := meter.Decode(module(manyBranches()).Bytes())
	wantError(t, err, 0, "compiling it would take too long")
}

func manyBranches() []byte {
	table := append(leb(40_000), make([]byte, 40_001)...)
	return wasmtest.Seq([]byte{0x02, 0x7f}, bytes.Repeat([]byte{0x41, 0}, 20_000), []byte{0x0e}, table, []byte{0x0b, 0x1a})
}

// A guest cannot use the names that Instrument adds.
func TestReservedNames(t *testing.T) {
	t.Parallel()
	m := module()
	m.Imports = []wasmtest.Import{{Module: meter.PauseModule, Name: meter.PauseFunction, Type: wasmtest.ToNothing}}
	n := module()
	n.Funcs[0].Name = meter.StartExport
	for _, m := range []wasmtest.Module{m, n} {
		d, err := meter.Decode(m.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Instrument(); err == nil || !strings.Contains(err.Error(), "is reserved") {
			t.Errorf("got %v", err)
		}
	}
}
