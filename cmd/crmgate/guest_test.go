package main

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// guest is a connector that does what a test wants of it, and is compiled in no time: the answer of each operation that
// it exports. One that begins with "!" is an error's, an empty one says that the operation is unsupported. Every
// operation logs its input, so that a test can see what a connector gets.
type guest map[string]string

// wasm assembles the module.
func (g guest) wasm() string {
	const in, most = 128 << 10, 64 << 10 // where inputs are put
	const input, output, log, first = 0, 1, 2, 3
	types := vector("\x60\x00\x01\x7f", "\x60\x02\x7f\x7f\x01\x7f", "\x60\x02\x7f\x7f\x00", "\x60\x03\x7f\x7f\x7f\x00")
	imports := vector(sized("crmgate_v1")+sized("input")+"\x00\x01", sized("crmgate_v1")+sized("output")+"\x00\x02", sized("crmgate_v1")+sized("log")+"\x00\x03")
	var functions, codes, data []string
	exports := []string{sized("memory") + "\x02\x00"}
	at := 1024
	for i, name := range slices.Sorted(maps.Keys(g)) {
		answer, failed := strings.CutPrefix(g[name], "!")
		body := constant(1) + constant(in) + constant(in) + constant(most) + call(input) + call(log)
		switch {
		case answer == "":
			body += constant(2)
		case failed:
			body += constant(at) + constant(len(answer)) + call(output) + constant(1)
		default:
			body += constant(at) + constant(len(answer)) + call(output) + constant(0)
		}
		functions = append(functions, "\x00")
		codes = append(codes, sized("\x00"+body+"\x0b"))
		exports = append(exports, sized(name)+"\x00"+unsigned(first+i))
		data = append(data, "\x00"+constant(at)+"\x0b"+sized(answer))
		at += len(answer)
	}
	return "\x00asm\x01\x00\x00\x00" + section(1, types) + section(2, imports) + section(3, vector(functions...)) +
		section(5, vector("\x00\x04")) + section(7, vector(exports...)) + section(10, vector(codes...)) + section(11, vector(data...))
}

func unsigned(n int) string            { return string(binary.AppendUvarint(nil, uint64(n))) }
func sized(s string) string            { return unsigned(len(s)) + s }
func vector(items ...string) string    { return unsigned(len(items)) + strings.Join(items, "") }
func section(id byte, s string) string { return string([]byte{id}) + sized(s) }
func call(f int) string                { return "\x10" + unsigned(f) }

// constant is i32.const n of a number that is not negative.
func constant(n int) string {
	b := []byte{0x41}
	for n >= 0x40 {
		b = append(b, byte(n&0x7f|0x80))
		n >>= 7
	}
	return string(append(b, byte(n)))
}
