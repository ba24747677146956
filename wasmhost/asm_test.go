package wasmhost_test

import (
	"strings"

	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// Short names for package wasmtest, for tables of guests.
type (
	mod      = wasmtest.Module
	fn       = wasmtest.Func
	imported = wasmtest.Import
)

const (
	tI32     = wasmtest.ToI32
	tNothing = wasmtest.ToNothing

	fInput  = wasmtest.Input
	fOutput = wasmtest.Output
	fFetch  = wasmtest.Fetch
	fConfig = wasmtest.Config
	fTake   = wasmtest.Take
	fLog    = wasmtest.Log
	fRandom = wasmtest.Random

	tIlI_I = wasmtest.MoreTypes // (i32, i64, i32) -> i32
)

// Indexes of the WASI functions in abiImports, after those of the ABI.
const (
	fRandomGet = wasmtest.First + iota
	fFdWrite
	fPollOneoff
	fSchedYield
	fClockTimeGet
	fFdRead
	fFdFdstatGet
	fFdPrestatGet
	fEnvironGet
	fEnvironSizesGet
	fFirst // the module's own first function
)

// abiImports are the imports of the module that oauth returns.
var abiImports = append(wasmtest.ABI(),
	wasi("random_get", wasmtest.TwoToI32), wasi("fd_write", wasmtest.FourToI32), wasi("poll_oneoff", wasmtest.FourToI32),
	wasi("sched_yield", tI32), wasi("clock_time_get", tIlI_I), wasi("fd_read", wasmtest.FourToI32),
	wasi("fd_fdstat_get", wasmtest.TwoToI32), wasi("fd_prestat_get", wasmtest.TwoToI32),
	wasi("environ_get", wasmtest.TwoToI32), wasi("environ_sizes_get", wasmtest.TwoToI32))

// wasi returns an import from WASI.
func wasi(name string, kind uint64) imported {
	return imported{Module: "wasi_snapshot_preview1", Name: name, Type: kind}
}

var (
	seq, num, invoke, text, answer, export, endless = wasmtest.Seq, wasmtest.Num, wasmtest.Invoke, wasmtest.Text, wasmtest.Answer, wasmtest.Export, wasmtest.Forever

	unreachable, drop, add = wasmtest.Op(0x00), wasmtest.Op(0x1a), wasmtest.Op(0x6a)
	forever                = wasmtest.Forever()
)

// long is i64.const.
func long(n int64) []byte { return append([]byte{0x42}, num(n)[1:]...) }

// load32 reads the number at an address. put32 and put64 write one.
func load32(at int64) []byte   { return seq(num(at), []byte{0x28, 2, 0}) }
func put32(at, n int64) []byte { return seq(num(at), num(n), []byte{0x36, 2, 0}) }
func put64(at, n int64) []byte { return seq(num(at), long(n), []byte{0x37, 3, 0}) }

// times repeats code n times, with a counter at address 0.
func times(n int64, body ...[]byte) []byte {
	return seq(put32(0, 0), []byte{0x03, 0x40}, seq(body...), counted(1), load32(0), num(n), []byte{0x48, 0x0d, 0, 0x0b})
}

// announce calls config, so that Config.Setting tells a test that the guest runs. announced is for the manifest.
var announce = seq(text(4096, "X_A"), invoke(fConfig, 4096, 3), drop)

const announced = `"config": ["X_A"]`

// large grows the memory to 64 MiB, and fills it with b.
func large(b int64) []byte {
	return seq(num(1022), []byte{0x40, 0, 0x1a}, num(0), num(b), num(64<<20), []byte{0xfc, 0x0b, 0})
}

// answerNumber answers with a user. The id is the result of code, a number of up to six digits.
func answerNumber(code ...[]byte) []byte {
	const shape = `{"successful":true,"platformUserInfo":{"id":"______"}}`
	at := int64(1024 + strings.Index(shape, "_"))
	b := seq(num(0), seq(code...), []byte{0x36, 2, 0}, text(1024, shape))
	for i, div := range []int64{100_000, 10_000, 1000, 100, 10, 1} {
		b = seq(b, num(at+int64(i)), load32(0), num(div), []byte{0x6d}, num(10), []byte{0x6f}, num('0'), add, []byte{0x3a, 0, 0})
	}
	return seq(b, invoke(fOutput, 1024, int64(len(shape))), num(0))
}

// fetching performs a request and logs the whole answer document.
func fetching(request string) []byte {
	return seq(text(1024, request), invoke(fFetch, 1024, int64(len(request))), drop,
		invoke(fLog, 1, 8192, 0), // an empty first line
		num(1), num(8192), invoke(fTake, 8192, 57000), invoke(fLog), num(2))
}

// oauth returns a valid connector of type oauth with this getUserInfo.
func oauth(userInfo []byte, more ...fn) mod {
	types := []wasmtest.Type{{Params: []byte{wasmtest.I32, wasmtest.I64, wasmtest.I32}, Results: []byte{wasmtest.I32}}}
	return mod{Imports: abiImports, Types: types, Funcs: append([]fn{
		export("getAuthType", answer(`{"type":"oauth"}`, 0)),
		export("getOauthInfo", answer(`{"clientId":"fine"}`, 0)),
		export("getUserInfo", userInfo),
	}, more...)}
}
