package wasmhost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/crmgate/crmgate"
)

// call is the state of one call of a guest. The goroutine that runs the guest owns it.
type call struct {
	module    *module
	operation string
	hostname  string // the user's host, for {hostname} in the manifest's hosts
	input     []byte
	secrets   []string             // secrets of the input, which logs and messages must not contain
	rejected  func()               // called when the CRM answers 401 to the first secret; may be nil
	answered  func(crmgate.Secret) // called with the answer before it is decoded; may be nil

	function      api.Function // what runs
	output        []byte
	hasOutput     bool
	answeredError bool   // the guest returned a valid error
	pending       []byte // the answer of the last fetch or config
	fetches       int
	lastStatus    int // of the answer to the last fetch; 0 if it failed
	logLines      int
	lineBuffer    []byte // the printed part of the current line
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// limitError stops a guest at a limit. Its text completes the sentence "The connector of X …".
type limitError string

func (e limitError) Error() string { return string(e) }

// Results of an operation.
const (
	resultAnswer      = 0
	resultError       = 1
	resultUnsupported = 2
)

// invoke runs an operation on an instance that no other call uses, and returns the guest's answer.
func (m *module) invoke(ctx context.Context, c *call) (out []byte, err error) {
	if m.path == "" {
		return nil, notFound(m.manifest.Platform)
	}
	began := time.Now()
	defer func() {
		m.host.Observe(m.manifest.Platform, c.operation, outcome(err), time.Since(began))
	}()
	if !m.facts.exports(c.operation) {
		return nil, fmt.Errorf("%s: %w", c.operation, errors.ErrUnsupported)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.closing, cancel)()
	inst, slot, err := m.acquire(ctx, c)
	if err != nil {
		return nil, c.stopError("could not be started", err)
	}
	ctx, ended := context.WithTimeout(ctx, m.host.Deadline)
	defer ended()
	out, err = m.run(ctx, inst, c)
	var ce *crmgate.ConnectorError
	m.release(inst, !errors.As(err, &ce) || ce.Err == nil)
	slot.Release()
	return out, err
}

// run calls an export. After an error with a cause, the instance must not be used again.
func (m *module) run(ctx context.Context, inst *instance, c *call) ([]byte, error) {
	stack := [1]uint64{}
	f, err := inst.export(c.operation)
	if err == nil {
		err = inst.call(ctx, c, f, stack[:])
	}
	if err != nil {
		return nil, c.stopReason(ctx, err)
	}
	switch result := int32(stack[0]); {
	case result == resultUnsupported:
		return nil, fmt.Errorf("%s: %w", c.operation, errors.ErrUnsupported)
	case result != resultAnswer && result != resultError:
		return nil, c.abiError(fmt.Sprintf("returned %d: expected 0, 1 or 2", result))
	case !c.hasOutput:
		return nil, c.abiError(fmt.Sprintf("returned %d without an output", result))
	case result == resultError:
		return nil, c.guestError()
	}
	return c.output, nil
}

// guestError returns the error in the guest's answer.
func (c *call) guestError() error {
	var e struct {
		Message string  `json:"message"`
		Status  float64 `json:"status"`
		Code    string  `json:"code"`
	}
	if json.Unmarshal(c.output, &e) != nil || e.Message == "" {
		return c.abiError(`answered an error without a "message"`)
	}
	c.answeredError = true
	status := int(min(max(e.Status, 0), 999))
	if status == 0 && c.lastStatus >= 400 {
		status = c.lastStatus
	}
	return &crmgate.ConnectorError{
		Platform: c.module.manifest.Platform, Operation: c.operation,
		Message: truncate(c.redact(e.Message), 1000), Status: status, Code: truncate(c.redact(e.Code), 100),
	}
}

// abiError is the error of a guest that broke the ABI. Its instance can be reused.
func (c *call) abiError(how string) error {
	return &crmgate.ConnectorError{Platform: c.module.manifest.Platform, Operation: c.operation, Message: c.message(how)}
}

// stopError is the error of a call that did not finish, with its cause. Its instance must not be reused.
func (c *call) stopError(how string, err error) error {
	return &crmgate.ConnectorError{Platform: c.module.manifest.Platform, Operation: c.operation, Message: c.message(how), Err: err}
}

// message returns a sentence about the connector and the operation.
func (c *call) message(how string) string {
	return fmt.Sprintf("The connector of %s %s in %s.", c.module.manifest.Platform, how, c.operation)
}

// stopReason returns the error of a guest that did not return.
func (c *call) stopReason(ctx context.Context, err error) error {
	var limit limitError
	var exit *sys.ExitError
	switch {
	case errors.As(err, &limit):
		return c.stopError(string(limit), err)
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return c.stopError("was cancelled", ctx.Err())
	case ctx.Err() != nil:
		return c.stopError(fmt.Sprintf("ran past its deadline of %v", c.module.host.Deadline), ctx.Err())
	case errors.As(err, &exit):
		return c.stopError(fmt.Sprintf("exited with status %d", exit.ExitCode()), err)
	}
	// The first line names the trap. The rest is the guest's stack trace.
	first, _, _ := strings.Cut(err.Error(), "\n")
	return c.stopError("trapped", errors.New(truncate(c.redact(first), 200)))
}

// outcome returns the outcome of a call, for Config.Observe.
func outcome(err error) string {
	var ce *crmgate.ConnectorError
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errors.ErrUnsupported):
		return "unsupported"
	case errors.As(err, &ce) && ce.Err != nil:
		return "stopped"
	}
	return "error"
}

// redact replaces the secrets of the call in a guest's text.
//
// It begins with the longest one: a secret can begin with another, such as an API key with the user's name, and its rest would
// remain.
func (c *call) redact(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD") // secrets are valid UTF-8 too: they crossed the boundary as JSON
	for _, secret := range slices.SortedFunc(slices.Values(c.secrets), func(a, b string) int { return len(b) - len(a) }) {
		if len(secret) >= 6 { // shorter ones occur in ordinary text
			s = strings.ReplaceAll(s, secret, "[secret]")
		}
	}
	return s
}

// maxLine is the maximum length of a line in a guest's log, in bytes.
const maxLine = 8 << 10

// log writes a guest's line to the log, up to the limit of lines. The message is a constant: the server limits the lines of
// each message, and a guest must not write what looks like a line of the server.
func (c *call) log(ctx context.Context, level slog.Level, text string) {
	if c.logLimitReached() {
		return
	}
	if c.logLines++; c.logLimitReached() {
		text = "the connector logs too much: the rest of this call is not logged"
	}
	c.module.host.Logger.Log(ctx, level, "connector", "platform", c.module.manifest.Platform, "operation", c.operation,
		"text", truncate(c.redact(text), maxLine))
}

// logLimitReached reports whether further lines are dropped, and need not be copied.
func (c *call) logLimitReached() bool { return c.logLines >= c.module.host.MaxLogLines }

// truncate returns at most n bytes of s, as valid UTF-8.
func truncate(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// writeOutput takes what a language's runtime prints, and logs each line at its end. It buffers up to twice the length that is
// logged: a secret must be complete to be redacted, and the line is truncated afterwards.
func (c *call) writeOutput(ctx context.Context, b []byte) {
	for len(b) > 0 && !c.logLimitReached() {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		c.lineBuffer = append(c.lineBuffer, line[:min(len(line), 2*maxLine-len(c.lineBuffer))]...)
		if ended {
			c.flushLine(ctx)
		}
		b = rest
	}
}

// flushLine logs the current line.
func (c *call) flushLine(ctx context.Context) {
	if len(c.lineBuffer) > 0 {
		c.log(ctx, slog.LevelInfo, string(c.lineBuffer))
	}
	c.lineBuffer = c.lineBuffer[:0]
}
