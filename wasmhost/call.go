package wasmhost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/handles"
	"github.com/crmgate/crmgate/wasmhost/process"
)

// call is the state of one call of a guest, and serves its imports. The goroutine that runs the guest owns it.
type call struct {
	module     *module
	operation  string
	hostname   string // the user's host, for {hostname} in the manifest's hosts
	input      []byte
	secrets    *handles.Secrets     // those of the input and of the configuration
	credential string               // the user's, as it is sent
	rejected   func()               // called when the CRM answers 401 to the credential; may be nil
	answered   func(crmgate.Secret) // called with the answer before it is decoded; may be nil
	derived    func(request []byte) // called with each request for derive that gets a handle; may be nil
	resolves   map[string]string    // members of the answer that may have handles, and the secret that each of them is
	kept       connector.Fetches    // keeps what is fetched; may be nil
	place      *place               // nil for code that runs when the module is loaded

	output        []byte
	resolved      []string // the secrets whose handles were in those members
	answeredError bool     // the guest returned a valid error
	lastStatus    int      // of the answer to the last fetch; 0 if it failed
	fetches       int
	spent         bool // it has sent a request that must not be sent again, and whose answer is not kept
	logLines      int
}

var _ guest.Host = (*call)(nil)

// newCall returns a call whose input has no secrets.
func (m *module) newCall(operation string, input []byte) *call {
	return &call{module: m, operation: operation, input: input, secrets: m.newSecrets(m.newNonce(), "")}
}

// newNonce returns the nonce of a call's handles; empty if the guest sees the secrets.
func (m *module) newNonce() string {
	switch {
	case !m.manifest.Handles:
		return ""
	case m.host.Witness != nil:
		return VectorNonce
	}
	return rand.Text()
}

// newSecrets returns the secrets of a call for a user's host, of which there are none yet.
func (m *module) newSecrets(nonce, hostname string) *handles.Secrets {
	return handles.New(handles.Config{Nonce: nonce, Sends: m.manifest.Sends, Hostname: hostname})
}

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
		took := time.Since(began)
		m.stats.add(outcome(err), took)
		m.host.Observe(m.manifest.Platform, c.operation, outcome(err), took)
	}()
	if !m.facts.exports(c.operation) {
		return nil, fmt.Errorf("%s: %w", c.operation, errors.ErrUnsupported)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.runs().closing, cancel)()
	if c.place, err = m.acquire(ctx, c); err != nil {
		return nil, c.stopError("could not be started", err)
	}
	defer c.place.release()
	if err := m.runs().relieve(ctx); err != nil {
		return nil, c.stopError("could not be started", err)
	}
	out, err = m.attempt(ctx, c)
	var died *process.Died
	if errors.As(err, &died) && (!died.Fetched || c.kept != nil && !c.spent) && ctx.Err() == nil {
		again := *c // nothing was sent, or the answers were kept: the call can be run again in another process
		again.fetches = 0
		again.secrets = c.secrets.Clone()
		out, err = m.attempt(ctx, &again)
		c.output, c.answeredError, c.lastStatus, c.secrets = again.output, again.answeredError, again.lastStatus, again.secrets
	}
	return out, err
}

// attempt runs a call once.
func (m *module) attempt(ctx context.Context, c *call) ([]byte, error) {
	m.renew(ctx)
	code := m.runs()
	l, err := code.ensureLoaded(ctx)
	if err != nil && innocent(err) {
		err = fmt.Errorf("%w: %w", connector.ErrInterrupted, err)
	}
	if err != nil {
		return nil, c.stopError("could not be started", err)
	}
	lost := true // if it panics
	defer func() { code.endUse(l, lost) }()
	if err := m.enter(ctx, c.place); err != nil {
		lost = false
		return nil, c.stopError("could not be started", err)
	}
	defer c.place.leave()
	c.secrets.Show(l.seen...)
	ctx, ended := context.WithTimeout(ctx, m.host.Deadline)
	defer ended()
	out, err := m.run(ctx, l, c)
	lost = errors.As(err, new(*process.Died))
	return out, err
}

// run calls an export.
func (m *module) run(ctx context.Context, r runner, c *call) ([]byte, error) {
	ctx, rec := m.record(ctx, r, c)
	host := rec.host(c)
	result, err := r.Run(ctx, guest.Call{Operation: c.operation, Input: c.input, Env: m.env(ctx, host, c), Host: host})
	rec.end(ctx, result, err)
	if err != nil {
		return nil, c.stopReason(err)
	}
	c.output = result.Output
	switch {
	case result.Code == resultUnsupported:
		return nil, fmt.Errorf("%s: %w", c.operation, errors.ErrUnsupported)
	case problemOf(result) != "":
		return nil, c.abiError(problemOf(result))
	case result.Code == resultError:
		return nil, c.guestError()
	}
	return c.output, nil
}

// problemOf says how a result breaks the ABI, apart from the content of its output; empty if it does not.
func problemOf(result guest.Result) string {
	switch {
	case result.Code == resultUnsupported:
		return ""
	case result.Code != resultAnswer && result.Code != resultError:
		return fmt.Sprintf("returned %d: expected 0, 1 or 2", result.Code)
	case !result.HasOutput:
		return fmt.Sprintf("returned %d without an output", result.Code)
	}
	return ""
}

// guestError returns the error in the guest's answer.
func (c *call) guestError() error {
	var e struct {
		Message  string  `json:"message"`
		Status   float64 `json:"status"`
		Code     string  `json:"code"`
		Internal bool    `json:"internal"`
	}
	if json.Unmarshal(c.output, &e) != nil || e.Message == "" {
		return c.abiError(`answered an error without a "message"`)
	}
	c.answeredError = true
	status := int(min(max(e.Status, 0), 999))
	if status == 0 && c.lastStatus >= 400 {
		status = c.lastStatus
	}
	failed := &crmgate.ConnectorError{
		Platform: c.module.manifest.Platform, Operation: c.operation,
		Message: truncate(c.secrets.Redact(e.Message, false), 1000), Status: status, Code: truncate(c.secrets.Redact(e.Code, false), 100),
	}
	if e.Internal {
		failed.Message, failed.Detail = c.message("failed"), failed.Message
	}
	return failed
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
	if c.operation == loading && c.module.isScript() {
		return fmt.Sprintf("The connector of %s %s while it was loaded.", c.module.manifest.Platform, how)
	}
	return fmt.Sprintf("The connector of %s %s in %s.", c.module.manifest.Platform, how, c.operation)
}

// stopReason returns the error of a guest that did not return. What a guest process says is cut, and secrets in it are replaced.
func (c *call) stopReason(err error) error {
	var stop *guest.Stop
	var died *process.Died
	switch {
	case errors.As(err, &stop) && stop.Trap != "":
		return c.stopError(c.clean(stop.How), errors.New(c.clean(stop.Trap)))
	case stop != nil:
		return c.stopError(c.clean(stop.How), errors.New(c.clean(stop.How)))
	case errors.Is(err, context.DeadlineExceeded):
		return c.stopError(fmt.Sprintf("ran past its deadline of %v", c.module.host.Deadline), err)
	case errors.Is(err, context.Canceled):
		return c.stopError("was cancelled", err)
	case errors.As(err, &died):
		return c.stopError("was interrupted", fmt.Errorf("%w: %w", connector.ErrInterrupted, died))
	}
	return c.stopError("could not be started", err)
}

func (c *call) clean(s string) string {
	return truncate(c.secrets.Redact(s, len(s) >= guest.MaxTrap), 500)
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

// maxLine is the maximum length of a guest's line in the log, in bytes.
const maxLine = guest.MaxLine / 2

// Log writes a guest's line to the log, up to the limit of lines.
func (c *call) Log(ctx context.Context, level slog.Level, line []byte) {
	c.log(ctx, level, string(line))
}

// log writes a line to the log, up to the limit of lines. The message is a constant: the server limits the lines of each message,
// and a guest must not write what looks like a line of the server.
func (c *call) log(ctx context.Context, level slog.Level, text string) {
	if c.logLines >= c.module.host.MaxLogLines {
		return
	}
	if c.logLines++; c.logLines >= c.module.host.MaxLogLines {
		text = "the connector logs too much: the rest of this call is not logged"
	}
	c.module.host.Logger.Log(ctx, level, "connector", "platform", c.module.manifest.Platform, "operation", c.operation,
		"text", truncate(c.secrets.Redact(text, len(text) >= guest.MaxLine), maxLine))
}

// maxName is how long the name of a configuration value may be to be logged, in bytes.
const maxName = 64

// Config returns a configuration value that the manifest declares. name is a slice of the guest's memory, of any length.
func (c *call) Config(ctx context.Context, name []byte) (string, bool) {
	declared := c.module.manifest.Config
	i := slices.IndexFunc(declared, func(d string) bool { return d == string(name) })
	if i < 0 {
		what := "the configuration value " + c.secrets.Redact(string(name[:min(len(name), maxName)]), false)
		if len(name) > maxName {
			what = fmt.Sprintf("a configuration value with a name of %d bytes", len(name))
		}
		c.log(ctx, slog.LevelWarn, "the connector requests "+what+", which its manifest does not declare")
		return "", false
	}
	secret, ok := c.module.host.Setting(declared[i])
	return c.secrets.AddConfig(declared[i], secret.Reveal()), ok
}

// Derive computes a value from handles, and returns its handle.
func (c *call) Derive(ctx context.Context, request []byte) (string, bool) {
	if len(request) > guest.MaxDerive {
		c.log(ctx, slog.LevelWarn, fmt.Sprintf("the connector derives a value from more than %d bytes", guest.MaxDerive))
		return "", false
	}
	handle, err := c.secrets.Derive(request)
	if err != nil {
		c.log(ctx, slog.LevelWarn, "the connector could not derive a value: "+err.Error())
		return "", false
	}
	if c.derived != nil {
		c.derived(bytes.Clone(request))
	}
	return handle, true
}

// truncate returns at most n bytes of s, as valid UTF-8.
func truncate(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
