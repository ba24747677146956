// Package sdk is what a connector written in Go is made with. A connector is a main package that exports one function
// for each operation that it implements, under the operation's name, and answers it by a typed function:
//
//	//go:wasmexport getUserInfo
//	func getUserInfo() int32 { return sdk.Answer(userInfo) }
//
//	func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) { … }
//
//	func main() {}
//
// The export itself says that the operation is implemented, so one that the CRM has no use for is left out. It is built
// as a reactor:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o clio.wasm ./clio
//
// The types are the documents of ABI.md, field by field. What a connector reaches of the world is Fetch, Config, Log,
// Now and Random; it has no files, sockets or environment.
//
// Outside of wasm the same package runs connectors natively: Run calls an export against a Host that the test
// describes.
package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The results of an export.
const (
	answered    = 0
	erred       = 1
	unsupported = 2
)

// Error is an error that the server passes on: the message, which must hold no secret, and the CRM's HTTP status
// and OAuth error code if there were such.
type Error struct {
	Message string `json:"message"`
	Status  int    `json:"status,omitempty"`
	Code    string `json:"code,omitempty"` // invalid_grant
}

func (e Error) Error() string { return e.Message }

// Answer runs an operation: it decodes the input, calls fn and leaves its answer with the server. It returns what the
// export returns: 0; 1 for an error, with its text and, if it is or wraps an Error, what that says; 2 for one that matches
// errors.ErrUnsupported, upon which the server does the standard thing.
func Answer[In, Out any](fn func(In) (Out, error)) int32 {
	var in In
	if err := json.Unmarshal(input(), &in); err != nil {
		return fail(fmt.Errorf("the input is not the document expected: %w", err))
	}
	out, err := fn(in)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return unsupported
	case err != nil:
		return fail(err)
	}
	var b bytes.Buffer
	if err := encoder(&b).Encode(out); err != nil {
		return fail(fmt.Errorf("encode the answer: %w", err))
	}
	output(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return answered
}

func fail(err error) int32 {
	told := Error{Message: err.Error()}
	var e Error
	if errors.As(err, &e) {
		told.Status, told.Code = e.Status, e.Code
	}
	if told.Message == "" {
		told.Message = "the connector gave no reason"
	}
	output(encode(told))
	return erred
}

// Config returns a configuration value: false if the manifest does not declare it or the operator has not set it.
func Config(name string) (string, bool) { return config(name) }

// ConfigOr is Config, with a value for one that is missing or empty.
func ConfigOr(name, otherwise string) string {
	if v, _ := config(name); v != "" {
		return v
	}
	return otherwise
}

// Level is how much a line of the log matters.
type Level int32

// The levels.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// Log writes a line to the server's log, cut at 8 KB. It must hold no secret.
func Log(level Level, format string, args ...any) { log(level, fmt.Sprintf(format, args...)) }

// Now is the server's time, to the millisecond.
func Now() time.Time { return time.UnixMilli(now()) }

// Random fills b with random bytes fit for keys.
func Random(b []byte) {
	const most = 64 << 10 // at once, by the ABI
	for len(b) > 0 {
		n := min(len(b), most)
		random(b[:n])
		b = b[n:]
	}
}

func encoder(b *bytes.Buffer) *json.Encoder {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	return e
}

// encode writes one of our own documents.
func encode(v any) []byte {
	var b bytes.Buffer
	_ = encoder(&b).Encode(v) // strings and numbers: never fails
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
