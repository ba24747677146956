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

func input() string {
	// Most inputs fit the first buffer. The host returns the length of those that do not.
	b := make([]byte, 1<<10)
	n := hostInput(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)))
	if int(n) > len(b) {
		b = make([]byte, n)
		hostInput(unsafe.Pointer(unsafe.SliceData(b)), n)
	}
	return text(b[:n])
}

func output(b []byte) { hostOutput(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))) }

func fetch(request []byte) string {
	return taken(hostFetch(unsafe.Pointer(unsafe.SliceData(request)), uint32(len(request))))
}

func config(name string) (string, bool) {
	return found(hostConfig(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name))))
}

func derive(request []byte) (string, bool) {
	return found(hostDerive(unsafe.Pointer(unsafe.SliceData(request)), uint32(len(request))))
}

// found returns the pending answer of n bytes, or false if there is none.
func found(n int32) (string, bool) {
	if n < 0 {
		return "", false
	}
	return taken(uint32(n)), true
}

// taken returns the pending answer, of n bytes.
func taken(n uint32) string {
	b := make([]byte, n)
	hostTake(unsafe.Pointer(unsafe.SliceData(b)), n)
	return text(b)
}

// text returns bytes that do not change any more as a string, without a copy.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func log(level Level, line string) {
	hostLog(uint32(level), unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

func now() int64 { return hostNow() }

func random(b []byte) { hostRandom(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))) }
