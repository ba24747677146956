package e2e_test

import (
	"slices"

	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// attack is a set of hostile connectors that are called together.
type attack struct {
	name   string
	guests []wasmtest.Module
	calls  int // at once, of the guests in turn; default 2, one for each processor of the program
}

// attacks returns attacks by modules that the server loads.
func attacks() []attack {
	return []attack{
		{"straight", []wasmtest.Module{straight(), manyCalls()}, 0},
		{"fill", []wasmtest.Module{filling(), copying()}, 0},
		{"random", []wasmtest.Module{random(), config()}, 0},
		{"vectors", []wasmtest.Module{vectors(), polling()}, 0},
		{"recursion", []wasmtest.Module{recursion(0)}, 16},
		{"recursion500", []wasmtest.Module{recursion(500)}, 16},
		{"calls", []wasmtest.Module{indirect(), fanOut()}, 0},
		{"grow", []wasmtest.Module{growingMemory(), growingTable()}, 0},
	}
}

// atOnce merges the attacks into two: each guest is called once.
func atOnce(all []attack) []attack {
	halves := []attack{{name: "first half"}, {name: "second half"}}
	for i, a := range all {
		h := &halves[i%2]
		h.guests = append(h.guests, a.guests...)
		h.calls = len(h.guests)
	}
	return halves
}

// loadAttacks are modules that the server must refuse to load.
func loadAttacks() map[string]wasmtest.Module {
	return map[string]wasmtest.Module{
		"hiddenvector": hiddenVector(), "hiddenblock": hiddenBlock(), "hiddenlocal": hiddenLocal(),
		"select":    hiddenStore(),
		"bombloops": bomb(1, nestedLoops()), "bombtables": bomb(1, nestedTables()), "bombmany": bomb(100, nestedLoops()),
	}
}

const (
	getUserInfo = wasmtest.AfterWASI + 2 // the index of the function
	helper      = wasmtest.AfterWASI + 3 // the index of the first helper
)

// hostile is a connector of type apiKey with a hostile getUserInfo.
func hostile(userInfo []byte, helpers ...wasmtest.Func) wasmtest.Module {
	return wasmtest.Module{
		Imports: append(wasmtest.ABI(), wasmtest.WASI()...),
		Funcs: append([]wasmtest.Func{
			wasmtest.Export("getAuthType", wasmtest.Answer(`{"type":"apiKey"}`, 0)),
			wasmtest.Export("getBasicAuth", wasmtest.Answer(`{"basic":"eDp5"}`, 0)),
			wasmtest.Export("getUserInfo", userInfo),
		}, helpers...),
	}
}

// roomy is a hostile connector that first grows its memory to the limit, 64 MB.
func roomy(userInfo ...[]byte) wasmtest.Module {
	return hostile(wasmtest.Seq(wasmtest.Num(1022), wasmtest.Op(0x40, 0), wasmtest.Drop(), wasmtest.Seq(userInfo...)))
}

// loaded is a number from memory. The compiler does not know it.
func loaded() []byte { return wasmtest.Seq(wasmtest.Num(0), wasmtest.Op(0x28, 2, 0)) }

// squareRoots is code of n slow instructions: each byte takes the square root of a double.
func squareRoots(n int) []byte {
	return wasmtest.Seq(wasmtest.Num(0), wasmtest.Num(0), wasmtest.Op(0x2b, 3, 0), slices.Repeat([]byte{0x9f}, n), wasmtest.Op(0x39, 3, 0))
}

// straight has a loop of 100 KB without a branch or a call.
func straight() wasmtest.Module { return hostile(wasmtest.Forever(squareRoots(100_000))) }

func filling() wasmtest.Module {
	return roomy(wasmtest.Forever(wasmtest.Num(0), wasmtest.Num(7), wasmtest.Num(64<<20), []byte{0xfc, 0x0b, 0}))
}

func copying() wasmtest.Module {
	return roomy(wasmtest.Forever(wasmtest.Num(0), wasmtest.Num(1), wasmtest.Num(64<<20-1), []byte{0xfc, 0x0a, 0, 0}))
}

func random() wasmtest.Module {
	return roomy(wasmtest.Forever(wasmtest.Invoke(wasmtest.RandomGet, 0, 64<<20), wasmtest.Drop()))
}

// vectors writes the same 60 MB a hundred thousand times, in one call of fd_write.
func vectors() wasmtest.Module {
	const count, length = 100_000, 60 << 20
	put := wasmtest.Seq(wasmtest.LocalGet(0), wasmtest.Num(1<<20), wasmtest.Op(0x36, 2, 0),
		wasmtest.LocalGet(0), wasmtest.Num(length), wasmtest.Op(0x36, 2, 4))
	next := wasmtest.Seq(wasmtest.LocalGet(0), wasmtest.Num(8), wasmtest.Op(0x6a), wasmtest.Op(0x22, 0),
		wasmtest.Num(8*count), wasmtest.Op(0x49), wasmtest.Op(0x0d, 0)) // i += 8; if i < 8*count, again
	m := roomy([]byte{0x03, 0x40}, put, next, wasmtest.End(),
		wasmtest.Forever(wasmtest.Invoke(wasmtest.FDWrite, 1, 0, count, 8*count), wasmtest.Drop()))
	m.Funcs[2].Locals = 1
	return m
}

// polling polls 800,000 clocks, the most that fit into memory.
func polling() wasmtest.Module {
	return roomy(wasmtest.Forever(wasmtest.Invoke(wasmtest.PollOneoff, 0, 38_400_000, 800_000, 67_000_000), wasmtest.Drop()))
}

// config reads a configuration value with a name of 60 MB.
func config() wasmtest.Module {
	return roomy(wasmtest.Forever(wasmtest.Invoke(wasmtest.Config, 0, 60<<20), wasmtest.Drop()))
}

// recursion calls itself endlessly, and needs its variables after the call.
func recursion(variables uint64) wasmtest.Module {
	var before, after []byte
	for i := range variables {
		before = wasmtest.Seq(before, loaded(), wasmtest.Num(int64(i)), wasmtest.Op(0x6a), wasmtest.LocalSet(i))
		after = wasmtest.Seq(after, wasmtest.LocalGet(i), wasmtest.Op(0x6a))
	}
	return hostile(wasmtest.Invoke(helper), wasmtest.Func{Locals: variables, Body: wasmtest.Seq(before, wasmtest.Invoke(helper), after)})
}

// indirect calls an empty function through a table.
func indirect() wasmtest.Module {
	m := hostile(wasmtest.Forever(wasmtest.Num(0), wasmtest.Op(0x11, wasmtest.ToNothing, 0)), wasmtest.Func{Type: wasmtest.ToNothing})
	m.Table, m.Elements = []byte{1, 0x70, 0, 1}, []uint64{helper}
	return m
}

// fanOut has two functions that call each other twice each, 60 deep: 2^60 calls.
func fanOut() wasmtest.Module {
	depth := wasmtest.Op(0x23, 0)
	change := func(by int64) []byte {
		return wasmtest.Seq(depth, wasmtest.Num(by), wasmtest.Op(0x6a), wasmtest.Op(0x24, 0))
	}
	calling := func(other uint64) wasmtest.Func {
		return wasmtest.Func{Type: wasmtest.ToNothing, Body: wasmtest.Seq(
			depth, wasmtest.Num(60), wasmtest.Op(0x4e), []byte{0x04, 0x40}, wasmtest.Op(0x0f), wasmtest.End(), // if depth >= 60, return
			change(1), wasmtest.Invoke(other), wasmtest.Invoke(other), change(-1))}
	}
	m := hostile(wasmtest.Seq(wasmtest.Invoke(helper), wasmtest.Num(2)), calling(helper+1), calling(helper))
	m.Globals = []int64{0}
	return m
}

// manyCalls has a loop of 60,000 calls to a function of a hundred slow instructions.
func manyCalls() wasmtest.Module {
	return hostile(wasmtest.Invoke(helper),
		wasmtest.Func{Body: wasmtest.Forever(slices.Repeat(wasmtest.Invoke(helper+1), 60_000))},
		wasmtest.Func{Type: wasmtest.ToNothing, Body: squareRoots(100)})
}

func growingMemory() wasmtest.Module {
	return hostile(wasmtest.Forever(wasmtest.Num(1), wasmtest.Op(0x40, 0), wasmtest.Drop()))
}

func growingTable() wasmtest.Module {
	m := hostile(wasmtest.Forever([]byte{0xd0, 0x70}, wasmtest.Num(1), []byte{0xfc, 0x0f, 0}, wasmtest.Drop())) // ref.null func; 1; table.grow
	m.Table = []byte{1, 0x70, 0, 1}
	return m
}

// endless is a loop. It has no checkpoint if a module hides it from metering.
var endless = []byte{0x03, 0x40, 0x0c, 0, 0x0b}

// hiddenVector writes the number of v128.const, 12, in two bytes. wazero takes the first byte for the whole number, 140,
// and reads the constant as code.
func hiddenVector() wasmtest.Module {
	constant := wasmtest.Seq(wasmtest.End(), endless, wasmtest.Op(0x00), slices.Repeat([]byte{0x01}, 9))
	return hostile(wasmtest.Seq([]byte{0x02, 0x40, 0x0c, 0}, []byte{0xfd, 0x8c, 0x00}, constant))
}

// hiddenBlock has a block of type (ref null 40). A reader that takes the type for one byte reads the next, 40, as i32.load,
// and the head of the loop as its operands.
func hiddenBlock() wasmtest.Module {
	return manyTypes(hostile(wasmtest.Seq([]byte{0x02, 0x63, 40}, endless, wasmtest.Op(0x00), wasmtest.End(), wasmtest.Drop(), wasmtest.Num(2))))
}

// hiddenLocal has a variable of type (ref null 40), and hides a loop as hiddenBlock does.
func hiddenLocal() wasmtest.Module {
	return manyTypes(hostile(wasmtest.Invoke(helper),
		wasmtest.Func{Locals: 1, LocalType: []byte{0x63, 40}, Body: wasmtest.Seq(endless, wasmtest.Op(0x00))}))
}

// hiddenStore selects a value of type (ref null 55) and drops two values: wazero's validator reads it so. The compiler
// takes the type for one byte, and reads the next, 55, as i64.store with the two drops as its operands. So it writes a
// function reference, which is a host pointer, to the guest's memory. The connector succeeds if a pointer is there.
func hiddenStore() wasmtest.Module {
	reference := wasmtest.Op(0xd2, getUserInfo)
	return manyTypes(hostile(wasmtest.Seq(
		wasmtest.Num(0), reference, reference, wasmtest.Num(1), []byte{0x1c, 1, 0x63, 55}, wasmtest.Drop(), wasmtest.Drop(),
		wasmtest.Num(0), wasmtest.Op(0x29, 3, 0x1a), wasmtest.Op(0x50), []byte{0x04, 0x40}, wasmtest.Op(0x00), wasmtest.End(), // if it is 0, trap
		wasmtest.Answer(`{"successful":true,"platformUserInfo":{"id":"1","name":"pointer"}}`, 0))))
}

// manyTypes adds types, so that the type indices above exist.
func manyTypes(m wasmtest.Module) wasmtest.Module {
	m.Types = slices.Repeat([]wasmtest.Type{{}}, 60)
	return m
}

// bomb has functions that are never called: the attack is their compilation.
func bomb(copies int, f wasmtest.Func) wasmtest.Module {
	return hostile(wasmtest.Num(2), slices.Repeat([]wasmtest.Func{f}, copies)...)
}

// nestedLoops has 4,000 loops one in another, and 500 variables, in 53 KB.
func nestedLoops() wasmtest.Func {
	const loops, variables = 4000, 500
	var heads, tails []byte
	for i := range uint64(loops) {
		heads = wasmtest.Seq(heads, []byte{0x03, 0x40}, wasmtest.LocalGet(i%variables), wasmtest.LocalSet(i*7%variables))
		tails = wasmtest.Seq(tails, wasmtest.LocalGet(i%variables), wasmtest.Op(0x0d, 0), wasmtest.End())
	}
	return wasmtest.Func{Locals: variables, Body: wasmtest.Seq(heads, tails, wasmtest.Num(0))}
}

// nestedTables has 4,000 blocks one in another, 500 variables, and 12 jumps to any of the blocks, in 128 KB.
func nestedTables() wasmtest.Func {
	const blocks, jumps, variables = 4000, 12, 500
	body := slices.Repeat([]byte{0x02, 0x40}, blocks)
	for i := range uint64(blocks) {
		if i < jumps {
			body = wasmtest.Seq(body, loaded(), wasmtest.Op(0x0e, blocks-i-1))
			for label := range blocks - i {
				body = append(body, wasmtest.Op(0, label)[1:]...)
			}
		}
		body = wasmtest.Seq(body, wasmtest.End(), wasmtest.LocalGet(i%variables), wasmtest.LocalSet(i*7%variables))
	}
	return wasmtest.Func{Locals: variables, Body: wasmtest.Seq(body, wasmtest.Num(0))}
}
