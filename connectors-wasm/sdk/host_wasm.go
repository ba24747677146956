//go:build wasip1

package sdk

import (
	"time"
	"unsafe"
)

// host is the server.
var host Host = doors{}

// doors are the imports of the module crmgate_v1. input and take copy nothing where the space is too small, and return
// the true length, so that asking twice is all there is to it.
type doors struct{}

//go:wasmimport crmgate_v1 input
func hostInput(p unsafe.Pointer, space uint32) uint32

//go:wasmimport crmgate_v1 output
func hostOutput(p unsafe.Pointer, n uint32)

//go:wasmimport crmgate_v1 fetch
func hostFetch(p unsafe.Pointer, n uint32) uint32

//go:wasmimport crmgate_v1 config
func hostConfig(p unsafe.Pointer, n uint32) int32

//go:wasmimport crmgate_v1 take
func hostTake(p unsafe.Pointer, space uint32) uint32

//go:wasmimport crmgate_v1 log
func hostLog(level int32, p unsafe.Pointer, n uint32)

//go:wasmimport crmgate_v1 now
func hostNow() int64

//go:wasmimport crmgate_v1 random
func hostRandom(p unsafe.Pointer, n uint32)

func at(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func (doors) Input() []byte {
	b := make([]byte, 4096)
	n := hostInput(at(b), uint32(len(b)))
	if int(n) > len(b) {
		b = make([]byte, n)
		hostInput(at(b), n)
	}
	return b[:n]
}

func (doors) Output(b []byte) { hostOutput(at(b), uint32(len(b))) }

func pending(n uint32) []byte {
	b := make([]byte, n)
	hostTake(at(b), n)
	return b
}

func (doors) Fetch(request []byte) []byte {
	return pending(hostFetch(at(request), uint32(len(request))))
}

func (doors) Config(name string) (string, bool) {
	n := hostConfig(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)))
	if n < 0 {
		return "", false
	}
	return string(pending(uint32(n))), true
}

func (doors) Log(level Level, text string) {
	hostLog(int32(level), unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

func (doors) Now() time.Time { return time.UnixMilli(hostNow()) }

func (doors) Random(b []byte) { hostRandom(at(b), uint32(len(b))) }
