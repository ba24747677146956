package wasmhost_test

import "github.com/crmgate/crmgate/wasmhost/wasmtest"

// The assembler's words, short: the tables of guests are made of them.
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
	fFirst  = wasmtest.First
)

var (
	seq, num, invoke, text, answer, export = wasmtest.Seq, wasmtest.Num, wasmtest.Invoke, wasmtest.Text, wasmtest.Answer, wasmtest.Export

	unreachable, drop, add = wasmtest.Op(0x00), wasmtest.Op(0x1a), wasmtest.Op(0x6a)
	forever                = wasmtest.Forever()
)

// load32 reads the number at an address; put32 writes one there.
func load32(at int64) []byte   { return seq(num(at), []byte{0x28, 2, 0}) }
func put32(at, n int64) []byte { return seq(num(at), num(n), []byte{0x36, 2, 0}) }

// endless runs instructions again and again; times does n times, and counts at address 0.
func endless(body ...[]byte) []byte { return wasmtest.Forever(body...) }

func times(n int64, body ...[]byte) []byte {
	return seq(put32(0, 0), []byte{0x03, 0x40}, seq(body...), counted(1), load32(0), num(n), []byte{0x48, 0x0d, 0, 0x0b})
}

// large makes memory 64 MiB, every byte of it b.
func large(b int64) []byte {
	return seq(num(1022), []byte{0x40, 0, 0x1a}, num(0), num(b), num(64<<20), []byte{0xfc, 0x0b, 0})
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
	return mod{Funcs: append([]fn{
		export("getAuthType", answer(`{"type":"oauth"}`, 0)),
		export("getOauthInfo", answer(`{"clientId":"fine"}`, 0)),
		export("getUserInfo", userInfo),
	}, more...)}
}
