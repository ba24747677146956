package wasmhost_test

import (
	"encoding/binary"
	"slices"
)

// mod assembles a core module by hand: small enough to be hostile in exactly one way. Its first functions are the ABI's
// imports, in the order of abiImports.
type mod struct {
	imports []imported // instead of abiImports
	exports []fn
	pages   uint32 // of memory; 0 means 2
	table   []byte // the body of a table section
	start   []byte // the body of a start function
	noMem   bool   // do not export the memory
}

type imported struct {
	from, name string
	kind       byte
}

// fn is an exported function.
type fn struct {
	name string
	kind byte // of () -> i32 unless told otherwise
	body []byte
}

// The types that there are.
const (
	tI32     = iota // () -> i32
	tII_I           // (i32, i32) -> i32
	tII             // (i32, i32) -> ()
	tIII            // (i32, i32, i32) -> ()
	tI64            // () -> i64
	tNothing        // () -> ()
)

var abiImports = []imported{
	{"crmgate_v1", "input", tII_I}, {"crmgate_v1", "output", tII}, {"crmgate_v1", "fetch", tII_I}, {"crmgate_v1", "config", tII_I},
	{"crmgate_v1", "take", tII_I}, {"crmgate_v1", "log", tIII}, {"crmgate_v1", "now", tI64}, {"crmgate_v1", "random", tII},
}

// Indices of the imports.
const (
	fInput = iota
	fOutput
	fFetch
	fConfig
	fTake
	fLog
	fNow
	fRandom
	fFirst // the module's own first function
)

// Instructions.
var (
	unreachable = []byte{0x00}
	drop        = []byte{0x1a}
	forever     = []byte{0x03, 0x40, 0x0c, 0x00, 0x0b, 0x00} // loop; br 0; end; unreachable
	add         = []byte{0x6a}
)

// seq joins instructions.
func seq(parts ...[]byte) []byte { return slices.Concat(parts...) }

// num is i32.const.
func num(n int64) []byte {
	b := []byte{0x41}
	for {
		c := byte(n & 0x7f)
		n >>= 7
		if n == 0 && c&0x40 == 0 || n == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// invoke calls function i with constants.
func invoke(i uint64, args ...int64) []byte {
	var b []byte
	for _, a := range args {
		b = append(b, num(a)...)
	}
	return binary.AppendUvarint(append(b, 0x10), i)
}

// text puts a text into memory at an address, byte by byte.
func text(at int64, s string) []byte {
	var b []byte
	for i := range len(s) {
		b = append(b, num(at+int64(i))...)
		b = append(b, num(int64(s[i]))...)
		b = append(b, 0x3a, 0, 0) // i32.store8
	}
	return b
}

// answer outputs a text and returns a result.
func answer(s string, result int64) []byte {
	return seq(text(1024, s), invoke(fOutput, 1024, int64(len(s))), num(result))
}

// fetching performs a request and answers with the message of what came back: {"message": …} needs no parser here, so
// the whole answer is logged instead.
func fetching(request string) []byte {
	return seq(text(1024, request), invoke(fFetch, 1024, int64(len(request))), drop,
		invoke(fLog, 1, 8192, 0), // a line to begin with
		num(1), num(8192), invoke(fTake, 8192, 57000), invoke(fLog), num(2))
}

// oauth is a connector of type oauth in order, whose getUserInfo is given.
func oauth(userInfo []byte, more ...fn) mod {
	return mod{exports: append([]fn{
		{"getAuthType", tI32, answer(`{"type":"oauth"}`, 0)},
		{"getOauthInfo", tI32, answer(`{"clientId":"fine"}`, 0)},
		{"getUserInfo", tI32, userInfo},
	}, more...)}
}

func vector(items ...[]byte) []byte {
	b := binary.AppendUvarint(nil, uint64(len(items)))
	return append(b, slices.Concat(items...)...)
}

func sized(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }

func section(id byte, body []byte) []byte { return append([]byte{id}, sized(body)...) }

func (m mod) bytes() []byte {
	if m.imports == nil {
		m.imports = abiImports
	}
	if m.pages == 0 {
		m.pages = 2
	}
	const i32, i64 = 0x7f, 0x7e
	types := vector(
		[]byte{0x60, 0, 1, i32}, []byte{0x60, 2, i32, i32, 1, i32}, []byte{0x60, 2, i32, i32, 0},
		[]byte{0x60, 3, i32, i32, i32, 0}, []byte{0x60, 0, 1, i64}, []byte{0x60, 0, 0},
	)
	var imports, functions, exports, codes [][]byte
	for _, i := range m.imports {
		imports = append(imports, seq(sized([]byte(i.from)), sized([]byte(i.name)), []byte{0, i.kind}))
	}
	all := m.exports
	if m.start != nil {
		all = append(slices.Clone(all), fn{"", tNothing, m.start})
	}
	if !m.noMem {
		exports = append(exports, seq(sized([]byte("memory")), []byte{2, 0}))
	}
	for i, f := range all {
		functions = append(functions, []byte{f.kind})
		codes = append(codes, sized(seq([]byte{0}, f.body, []byte{0x0b})))
		if f.name != "" {
			exports = append(exports, binary.AppendUvarint(seq(sized([]byte(f.name)), []byte{0}), uint64(len(m.imports)+i)))
		}
	}
	out := seq([]byte("\x00asm\x01\x00\x00\x00"), section(1, types), section(2, vector(imports...)), section(3, vector(functions...)))
	if m.table != nil {
		out = append(out, section(4, m.table)...)
	}
	out = append(out, section(5, vector(binary.AppendUvarint([]byte{0}, uint64(m.pages))))...)
	out = append(out, section(7, vector(exports...))...)
	if m.start != nil {
		out = append(out, section(8, binary.AppendUvarint(nil, uint64(len(m.imports)+len(all)-1)))...)
	}
	return append(out, section(10, vector(codes...))...)
}

func (m mod) String() string { return string(m.bytes()) }
