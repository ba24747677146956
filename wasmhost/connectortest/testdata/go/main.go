// A connector in Go, without an SDK. Its getUserInfo answers with what it finds out about the machine.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"
)

//go:wasmimport crmgate_v1 output
//go:noescape
func hostOutput(p unsafe.Pointer, n uint32)

func main() {}

func answer(v any) int32 {
	b, _ := json.Marshal(v)
	hostOutput(unsafe.Pointer(&b[0]), uint32(len(b)))
	return 0
}

type object = map[string]any

//go:wasmexport getAuthType
func getAuthType() int32 { return answer(object{"type": "oauth"}) }

//go:wasmexport getOauthInfo
func getOauthInfo() int32 { return answer(object{}) }

//go:wasmexport getUserInfo
func getUserInfo() int32 {
	fmt.Println("printed")
	slog.Error("warned")

	before := time.Now()
	time.Sleep(10 * time.Millisecond)
	slept := time.Since(before).Milliseconds()

	heard := make(chan int)
	go func() {
		runtime.Gosched()
		time.Sleep(10 * time.Millisecond)
		heard <- 1
	}()
	ready := 0
	select {
	case ready = <-heard:
	case <-time.After(time.Hour):
	}
	if b, err := io.ReadAll(os.Stdin); len(b) > 0 || err != nil {
		ready = 0
	}

	random := make([]byte, 1<<20) // more than the host fills in one call
	_, err := rand.Read(random)
	number := func(b []byte) string { return strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b)), 10) }

	wrote := 0
	if n, e := os.Stdout.Write(append(bytes.Repeat([]byte("x"), 1<<20), '\n')); err == nil && e == nil && n == 1<<20+1 {
		wrote = 1
	}
	home, file := 0, 0
	if _, ok := os.LookupEnv("HOME"); ok {
		home = 1
	}
	if _, err := os.ReadFile("/etc/hosts"); err == nil {
		file = 1
	}
	return answer(object{"successful": true, "platformUserInfo": object{"id": "1", "platformAdditionalInfo": object{
		"seconds": time.Now().Unix(), "slept": []int64{slept}, "random": []string{number(random), number(random[len(random)-4:])},
		"variables": len(os.Environ()), "home": home, "file": file, "ready": ready, "wrote": wrote,
	}}})
}

//go:wasmexport authValidation
func authValidation() int32 {
	println("on purpose")
	os.Exit(3)
	return 0
}
