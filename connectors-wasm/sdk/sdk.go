// Package sdk is for connectors written in Go. A connector is a main package that exports one function for each operation,
// under the operation's name. The function calls Answer with a typed function:
//
//	//go:wasmexport getUserInfo
//	func getUserInfo() int32 { return sdk.Answer(userInfo) }
//
//	func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) { … }
//
//	func main() {}
//
// The server takes each export as an implemented operation, so leave out those that the CRM does not need. Build the connector
// as a reactor:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o clio.wasm ./clio
//
// Every call starts with the memory as it is after the init functions: package-level variables keep nothing between calls.
// Package math/rand gives the same numbers in every call, so use Random or crypto/rand.
//
// The types are the documents of ABI.md, field by field. A connector can use Fetch, Config, Log, Now and Random. It has no
// files, sockets or environment. The README has a complete connector, and says what keeps a module small.
//
// In tests, connectors run natively: Run calls an export against a Host that the test describes.
package sdk

import (
	"errors"

	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
)

// The results of an export.
const (
	answered    = 0
	erred       = 1
	unsupported = 2
)

// Error is an error with the CRM's HTTP status and OAuth error code, as far as they are known. The server may show the
// message, so it must not contain a secret.
type Error struct {
	Message string `json:"message"`
	Status  int    `json:"status,omitempty"`
	Code    string `json:"code,omitempty"` // such as invalid_grant
}

func (e Error) Error() string { return e.Message }

func (e Error) write(w *writer) {
	w.text("message", e.Message)
	w.optionalInt("status", int64(e.Status))
	w.optional("code", e.Code)
}

// Answer runs an operation: it decodes the input, calls fn and passes the answer to the server. It returns the result of
// the export:
//
//   - 0: fn succeeded
//   - 1: fn failed. The server gets the error's text, and the status and code of an Error
//   - 2: the error matches errors.ErrUnsupported. The server does the standard thing
func Answer[In any, Out Output, P Input[In]](fn func(In) (Out, error)) int32 {
	var in In
	v := json.Parse(input()).Named("the input")
	read(v, P(&in))
	if err := v.Err(); err != nil {
		return fail(err)
	}
	out, err := fn(in)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return unsupported
	case err != nil:
		return fail(err)
	}
	b, err := encode(out)
	if err != nil {
		return fail(err)
	}
	output(b)
	return answered
}

func fail(err error) int32 {
	told := Error{Message: err.Error()}
	if e, ok := errors.AsType[Error](err); ok {
		told.Status, told.Code = e.Status, e.Code
	}
	if told.Message == "" {
		told.Message = "the connector gave no reason"
	}
	b, _ := encode(told) // an Error has nothing that cannot be written
	output(b)
	return erred
}

// Config returns a configuration value. It returns false if the manifest does not declare it, or the operator has not set
// it.
func Config(name string) (string, bool) { return config(name) }

// ConfigOr returns a configuration value, or otherwise if it is missing or empty.
func ConfigOr(name, otherwise string) string {
	if v, _ := config(name); v != "" {
		return v
	}
	return otherwise
}

// Level is the severity of a log line.
type Level int32

// The levels.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// Log writes a line to the server's log, cut at 8 KB. The line must not contain a secret.
func Log(level Level, text string) { log(level, text) }

// Now returns the server's time in Unix milliseconds: time.UnixMilli(sdk.Now()) is a time.Time.
func Now() int64 { return now() }

// Random fills b with random bytes that are fit for keys.
func Random(b []byte) {
	const most = 64 << 10 // the ABI's limit for one call
	for len(b) > 0 {
		n := min(len(b), most)
		random(b[:n])
		b = b[n:]
	}
}
