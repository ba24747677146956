package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost/guest"
)

// version is the version of the format. A release reads its own version only: recordings live for a week.
const version = 1

// MaxSize is the maximum size of a recording, in bytes.
const MaxSize = 1 << 20

// Recording is one call that failed. Its texts are valid UTF-8.
type Recording struct {
	Version   int              `json:"version"`
	Time      time.Time        `json:"time"` // when the call began
	Platform  crmgate.Platform `json:"platform"`
	Operation string           `json:"operation"`
	Module    string           `json:"module"` // the SHA-256 of the module's file, in hex
	Deadline  time.Duration    `json:"deadline"`
	Start     guest.World      `json:"start"` // of the initialization of the module
	Call      guest.World      `json:"call"`
	Input     string           `json:"input"`
	Fetches   []Fetch          `json:"fetches,omitempty"` // in the order of the call
	Config    []Value          `json:"config,omitempty"`  // in the order of the call
	Derived   []Derivation     `json:"derived,omitempty"` // in the order of the call
	Log       []Line           `json:"log,omitempty"`
	End       End              `json:"end"`
}

// Fetch is a request of the guest with its answer, both as documents of the ABI.
type Fetch struct {
	Request string `json:"request"`
	Answer  string `json:"answer"`
	Late    bool   `json:"late,omitempty"` // the call ended while it waited for the answer
}

// Value is a configuration value that the guest asked for.
type Value struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	Set   bool   `json:"set"`
	Later bool   `json:"later,omitempty"` // it was not known while the connector was loaded
}

// Derivation is a value that the guest had computed from handles, as a document of the ABI.
type Derivation struct {
	Request string `json:"request"`
	Handle  string `json:"handle,omitempty"`
	OK      bool   `json:"ok"`
}

// Line is a line of the guest's log.
type Line struct {
	Level slog.Level `json:"level"`
	Text  string     `json:"text"`
}

// How a call can end.
const (
	Returned = "returned" // the guest returned a result
	Stopped  = "stopped"  // it trapped, exited, or reached a limit
	Late     = "late"     // it passed its deadline
	Died     = "died"     // its process ended
)

// End says how a call ended.
type End struct {
	How    string `json:"how"`
	Result int32  `json:"result,omitempty"`
	Output string `json:"output,omitempty"`
	// Problem says what is wrong with what the guest returned. It is empty for a valid answer, for a valid error, and if the guest did
	// not return.
	Problem string `json:"problem,omitempty"`
	// Reason completes the sentence "The connector …" for a guest that did not return.
	Reason string `json:"reason,omitempty"`
}

// Failed reports whether the call failed.
func (e End) Failed() bool { return e.How != Returned || e.Problem != "" || e.Result == 1 }

// Same reports whether two calls ended in the same way. The outputs are compared as JSON.
func (e End) Same(other End) bool {
	x, y := e, other
	x.Output, y.Output = "", ""
	return x == y && sameJSON(e.Output, other.Output)
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}

// String completes the sentence "The connector …".
func (e End) String() string {
	switch {
	case e.How != Returned:
		return e.Reason
	case e.Problem != "":
		return e.Problem
	case e.Result == 1:
		return "answered an error: " + e.Output
	case e.Result == 2:
		return "answered that the operation is not supported"
	}
	return "answered " + e.Output
}

// encode returns the recording as bytes.
func (r *Recording) encode() ([]byte, error) {
	r.Version = version
	b, err := json.Marshal(r)
	if err == nil && len(b) > MaxSize {
		err = errTooLarge
	}
	return b, err
}

var errTooLarge = fmt.Errorf("it has more than %d MB", MaxSize>>20)

// Decode reads a recording. The error says what is wrong with it.
func Decode(b []byte) (*Recording, error) {
	if len(b) > MaxSize {
		return nil, errTooLarge
	}
	r := &Recording{}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(r); err != nil {
		return nil, fmt.Errorf("it is not a recording: %w", err)
	}
	return r, r.check()
}

// check checks what a replay relies on.
func (r *Recording) check() error {
	switch {
	case r.Version != version:
		return fmt.Errorf("it has the format %d, and this release reads %d: replay it with the release that recorded it", r.Version, version)
	case !r.Platform.Valid():
		return errors.New("it names no platform")
	case r.Operation == "" || strings.Trim(r.Operation, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || len(r.Operation) > 64:
		return errors.New("it names no operation")
	case r.Deadline <= 0 || r.Deadline > time.Hour:
		return fmt.Errorf("it has the deadline %v", r.Deadline)
	case len(r.Start.Seed) != 32 || len(r.Call.Seed) != 32 || !r.Start.Valid() || !r.Call.Valid():
		return errors.New("its clock or its seed is missing or too long")
	case r.End.How != Returned && r.End.How != Stopped && r.End.How != Late && r.End.How != Died:
		return fmt.Errorf("it does not say how the call ended")
	}
	return nil
}
