// Echo is a guest for benchmarks, without an SDK. getLicenseStatus answers with its input, which it does not decode.
package main

import "unsafe"

//go:wasmimport crmgate_v1 input
//go:noescape
func hostInput(p unsafe.Pointer, n uint32) uint32

//go:wasmimport crmgate_v1 output
//go:noescape
func hostOutput(p unsafe.Pointer, n uint32)

var buffer [64 << 10]byte

func main() {}

//go:wasmexport getAuthType
func getAuthType() int32 {
	b := []byte(`{"type":"oauth"}`)
	hostOutput(unsafe.Pointer(&b[0]), uint32(len(b)))
	return 0
}

//go:wasmexport getOauthInfo
func getOauthInfo() int32 { return 2 }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return 2 }

//go:wasmexport getLicenseStatus
func getLicenseStatus() int32 {
	n := hostInput(unsafe.Pointer(&buffer), uint32(len(buffer)))
	hostOutput(unsafe.Pointer(&buffer), n)
	return 0
}
