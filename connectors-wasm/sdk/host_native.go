//go:build !wasip1

package sdk

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Host plays the server for a connector that runs natively, in a test. The zero value has no configuration and refuses every
// request.
type Host struct {
	// Config holds the configuration values, by name.
	Config map[string]string
	// Fetch answers the connector's requests. An error that is not a *FetchError becomes one of kind "connect".
	Fetch func(Request) (Response, error)
	// Derive, if set, is called with what the connector derives from handles. The connector gets {{derived:1:NONCE}}, and so on.
	Derive func(Derivation)
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Log gets the connector's log lines. nil drops them.
	Log func(Level, string)

	in, out []byte
	derived int
}

// Result is the result and the output of an export.
type Result struct {
	Code   int32  // 0 answer, 1 error, 2 unsupported
	Output []byte // the last output; nil if there was none
}

// current is the host of the running export, and Run holds turn meanwhile. It is global because exports take no
// arguments.
var (
	turn    sync.Mutex
	current *Host
)

// Run calls an export with an input, and host answers its imports. A json.RawMessage is passed as it is, any other input is
// encoded. Parallel tests may call Run, which runs one export at a time. An export must not call it.
func Run(host Host, input any, export func() int32) (Result, error) {
	in, err := json.Marshal(input)
	if err != nil {
		return Result{}, fmt.Errorf("encode the input: %w", err)
	}
	turn.Lock()
	defer turn.Unlock()
	host.in = in
	current = &host
	defer func() { current = nil }()
	code := export()
	return Result{Code: code, Output: host.out}, nil
}

func running() *Host {
	if current == nil {
		panic("sdk: called outside an export: in a test, call the export by sdk.Run")
	}
	return current
}

func input() []byte { return running().in }

func output(b []byte) { running().out = append([]byte{}, b...) }

// fetch encodes and decodes the documents, as between a guest and the server.
func fetch(request []byte) []byte {
	var r Request
	if err := json.Unmarshal(request, &r); err != nil {
		return encode(failure{&FetchError{Kind: "request", Message: err.Error()}})
	}
	h := running()
	if h.Fetch == nil {
		return encode(failure{&FetchError{Kind: "refused", Message: "this host has no Fetch"}})
	}
	a, err := h.Fetch(r)
	if err != nil {
		var fe *FetchError
		if !errors.As(err, &fe) {
			fe = &FetchError{Kind: "connect", Message: err.Error()}
		}
		return encode(failure{fe})
	}
	return encode(a)
}

func config(name string) (string, bool) {
	v, ok := running().Config[name]
	return v, ok
}

// derive returns the next handle with the nonce of vectors, if the request has a handle.
func derive(request []byte) (string, bool) {
	var d Derivation
	h := running()
	if json.Unmarshal(request, &d) != nil || !strings.Contains(string(request), ":"+VectorNonce+"}}") {
		return "", false
	}
	if h.Derive != nil {
		h.Derive(d)
	}
	h.derived++
	return fmt.Sprintf("{{derived:%d:%s}}", h.derived, VectorNonce), true
}

// VectorNonce is the nonce of handles in vectors.
const VectorNonce = "NONCE"

func log(level Level, text string) {
	if h := running(); h.Log != nil {
		h.Log(level, text)
	}
}

func now() int64 {
	if h := running(); h.Now != nil {
		return h.Now().UnixMilli()
	}
	return time.Now().UnixMilli()
}

func random(b []byte) { _, _ = rand.Read(b) } // never fails
