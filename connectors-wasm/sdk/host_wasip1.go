//go:build wasip1

package sdk

import "unsafe"

// The imports of ABI.md. The host copies the bytes and keeps no pointer.

//go:wasmimport crmgate_v1 input
func hostInput(ptr unsafe.Pointer, capacity uint32) uint32

//go:wasmimport crmgate_v1 output
func hostOutput(ptr unsafe.Pointer, length uint32)

//go:wasmimport crmgate_v1 fetch
func hostFetch(ptr unsafe.Pointer, length uint32) uint32

//go:wasmimport crmgate_v1 config
func hostConfig(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport crmgate_v1 derive
func hostDerive(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport crmgate_v1 take
func hostTake(ptr unsafe.Pointer, capacity uint32) uint32

//go:wasmimport crmgate_v1 log
func hostLog(level uint32, ptr unsafe.Pointer, length uint32)

//go:wasmimport crmgate_v1 now
func hostNow() int64

//go:wasmimport crmgate_v1 random
func hostRandom(ptr unsafe.Pointer, length uint32)

func input() []byte {
	// Most inputs fit the first buffer. The host returns the length of those that do not.
	b := make([]byte, 4<<10)
	n := hostInput(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)))
	if int(n) > len(b) {
		b = make([]byte, n)
		hostInput(unsafe.Pointer(unsafe.SliceData(b)), n)
	}
	return b[:n]
}

func output(b []byte) { hostOutput(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))) }

func fetch(request []byte) []byte {
	return taken(hostFetch(unsafe.Pointer(unsafe.SliceData(request)), uint32(len(request))))
}

func config(name string) (string, bool) {
	n := hostConfig(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)))
	if n < 0 {
		return "", false
	}
	return string(taken(uint32(n))), true
}

func derive(request []byte) (string, bool) {
	n := hostDerive(unsafe.Pointer(unsafe.SliceData(request)), uint32(len(request)))
	if n < 0 {
		return "", false
	}
	return string(taken(uint32(n))), true
}

// taken returns the pending answer, of n bytes.
func taken(n uint32) []byte {
	b := make([]byte, n)
	hostTake(unsafe.Pointer(unsafe.SliceData(b)), n)
	return b
}

func log(level Level, text string) {
	hostLog(uint32(level), unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

func now() int64 { return hostNow() }

func random(b []byte) { hostRandom(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))) }
