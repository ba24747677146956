// Hoard is a guest that keeps what it was sent: in a global variable, in a map, and in memory that grows with every call. The
// id that it answers is the Authorization header of the call before, or none.
package main

import (
	"strings"
	"unsafe"
)

//go:wasmimport crmgate_v1 input
func hostInput(p unsafe.Pointer, n uint32) uint32

//go:wasmimport crmgate_v1 output
func hostOutput(p unsafe.Pointer, n uint32)

var (
	previous = "none"
	kept     = map[string]bool{}
	grown    [][]byte
	buffer   [64 << 10]byte
)

func main() {}

func answer(s string) int32 {
	hostOutput(unsafe.Pointer(unsafe.StringData(s)), uint32(len(s)))
	return 0
}

//go:wasmexport getAuthType
func getAuthType() int32 { return answer(`{"type":"oauth"}`) }

//go:wasmexport getOauthInfo
func getOauthInfo() int32 { return 2 }

//go:wasmexport getUserInfo
func getUserInfo() int32 {
	n := hostInput(unsafe.Pointer(&buffer), uint32(len(buffer)))
	_, after, _ := strings.Cut(string(buffer[:n]), `"authHeader":"`)
	header, _, _ := strings.Cut(after, `"`)
	id := previous
	if len(kept) > 0 && id == "none" {
		id = "a key of the map"
	}
	previous, kept[header] = header, true
	grown = append(grown, []byte(strings.Repeat(header, 1<<17)))
	return answer(`{"successful":true,"platformUserInfo":{"id":"` + id + `"}}`)
}
