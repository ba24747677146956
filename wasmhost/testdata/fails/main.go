// Fails is what fails.c is, in Go. The panic of authValidation is a trap.
package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport crmgate_v1 input
//go:noescape
func hostInput(p unsafe.Pointer, n uint32) uint32

//go:wasmimport crmgate_v1 output
//go:noescape
func hostOutput(p unsafe.Pointer, n uint32)

//go:wasmimport crmgate_v1 fetch
//go:noescape
func hostFetch(p unsafe.Pointer, n uint32) uint32

//go:wasmimport crmgate_v1 config
//go:noescape
func hostConfig(p unsafe.Pointer, n uint32) int32

//go:wasmimport crmgate_v1 take
//go:noescape
func hostTake(p unsafe.Pointer, n uint32) uint32

var buffer [64 << 10]byte

func main() {}

func reply(s string, result int32) int32 {
	b := []byte(s)
	hostOutput(unsafe.Pointer(&b[0]), uint32(len(b)))
	return result
}

func taken() string { return string(buffer[:hostTake(unsafe.Pointer(&buffer), uint32(len(buffer)))]) }

func see() string {
	var dice [8]byte
	_, _ = rand.Read(dice[:])
	before := time.Now()
	time.Sleep(3 * time.Millisecond)
	order := ""
	for k := range map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true} { // random
		order += fmt.Sprint(k)
	}
	first := make(chan string)
	for _, name := range []string{"a", "b"} {
		go func() { first <- name }()
	}
	return fmt.Sprint("at ", before.UnixNano(), " after ", time.Since(before), " ", dice, " ", order, " ", <-first)
}

//go:noinline
func parseName(answer string) int32 {
	if !strings.Contains(answer, `\"name\":`) {
		panic("no name")
	}
	return 0
}

//go:wasmexport getAuthType
func getAuthType() int32 { return reply(`{"type":"oauth"}`, 0) }

//go:wasmexport getOauthInfo
func getOauthInfo() int32 { return 2 }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return 2 }

//go:wasmexport authValidation
func authValidation() int32 {
	name := []byte("FAILS_SECRET")
	if hostConfig(unsafe.Pointer(&name[0]), uint32(len(name))) > 0 {
		println(taken())
	}
	n := hostInput(unsafe.Pointer(&buffer), uint32(len(buffer)))
	var in struct{ AuthHeader string }
	if err := json.Unmarshal(buffer[:n], &in); err != nil {
		panic(err)
	}
	request, _ := json.Marshal(map[string]any{"url": "https://fails.example/me", "headers": map[string]string{"Authorization": in.AuthHeader}})
	hostFetch(unsafe.Pointer(&request[0]), uint32(len(request)))
	answer := taken()
	println(see())
	return parseName(answer)
}

//go:wasmexport getLicenseStatus
func getLicenseStatus() int32 {
	b, _ := json.Marshal(map[string]string{"message": see()})
	return reply(string(b), 1)
}

//go:wasmexport refreshUserInfo
func refreshUserInfo() int32 {
	for n := 0; ; n++ {
		if n < 0 {
			return 0
		}
	}
}
