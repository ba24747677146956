package wasmtest

import (
	"encoding/binary"
	"slices"
)

// Seq joins instructions.
func Seq(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Op returns an instruction with unsigned immediates.
func Op(code byte, operands ...uint64) []byte {
	b := []byte{code}
	for _, n := range operands {
		b = append(b, Unsigned(n)...)
	}
	return b
}

// Num is i32.const.
func Num(n int64) []byte { return append([]byte{0x41}, Signed(n)...) }

// Unsigned encodes a number as unsigned LEB128.
func Unsigned(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// Signed encodes a number as signed LEB128.
func Signed(n int64) []byte {
	var b []byte
	for {
		c := byte(n & 0x7f)
		n >>= 7
		if n == 0 && c&0x40 == 0 || n == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// LocalGet is local.get.
func LocalGet(i uint64) []byte { return Op(0x20, i) }

// LocalSet is local.set.
func LocalSet(i uint64) []byte { return Op(0x21, i) }

// Drop is drop.
func Drop() []byte { return Op(0x1a) }

// End is the end of a block or loop.
func End() []byte { return Op(0x0b) }

// Invoke calls function i with constant arguments.
func Invoke(i uint64, args ...int64) []byte {
	var b []byte
	for _, a := range args {
		b = append(b, Num(a)...)
	}
	return append(b, Op(0x10, i)...)
}

// Forever is an endless loop around code that leaves nothing on the stack.
func Forever(code ...[]byte) []byte {
	return Seq([]byte{0x03, 0x40}, Seq(code...), []byte{0x0c, 0, 0x0b, 0x00}) // loop; br 0; end; unreachable
}

// Text writes a text to memory, byte by byte.
func Text(at int64, s string) []byte {
	var b []byte
	for i := range len(s) {
		b = append(b, Num(at+int64(i))...)
		b = append(b, Num(int64(s[i]))...)
		b = append(b, 0x3a, 0, 0) // i32.store8
	}
	return b
}

// Answer outputs a text and returns a result.
func Answer(s string, result int64) []byte {
	return Seq(Text(1024, s), Invoke(Output, 1024, int64(len(s))), Num(result))
}
