package guest

import (
	"bytes"
	"context"
	"log/slog"
	"time"
)

// Host serves the imports of one call that reach beyond the guest. Its methods are called one at a time, and the arguments are
// the guest's memory: they are valid until the method returns, and hostile.
type Host interface {
	// Fetch performs a request, which is a document of the ABI, and returns the answer's document. It ends with the context. A
	// request that is longer than Limits.MaxOutput is cut behind the limit.
	Fetch(ctx context.Context, request []byte) []byte
	// Config returns a configuration value; ok is false if there is none.
	Config(ctx context.Context, name []byte) (value string, ok bool)
	// Derive computes a value from handles, and returns its handle; ok is false if it cannot. A request that is longer than MaxDerive
	// is cut behind the limit.
	Derive(ctx context.Context, request []byte) (handle string, ok bool)
	// Log writes a line to the log. It is called for Limits.MaxLogLines lines of a call at most, of MaxLine bytes at most.
	Log(ctx context.Context, level slog.Level, line []byte)
}

// MaxLine is the maximum length of a line for the log, in bytes.
const MaxLine = 16 << 10

// The limits of derivations: the size of a request, in bytes, and their number in a call.
const (
	MaxDerive  = 64 << 10
	MaxDerives = 100
)

// call is the state of one call of a guest. The goroutine that runs the guest owns it.
type call struct {
	module    *Module
	operation string
	input     []byte
	env       []byte
	host      Host
	view      *view // what it sees of the world; nil for the clock and the random numbers of the system

	function   *function // what runs
	output     []byte
	hasOutput  bool
	pending    []byte // the answer of the last fetch, config or derive
	fetches    int
	derives    int
	logLines   int
	lineBuffer []byte    // the printed part of the current line
	monitored  time.Time // when the runtime's monitor was woken last, or when the guest paused first
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// log hands a line to the host, up to the limit of lines.
func (c *call) log(ctx context.Context, level slog.Level, line []byte) {
	if c.logLimitReached() {
		return
	}
	c.logLines++
	switch {
	case len(line) >= MaxLine: // the host sees by its length that it was cut
		line = line[:MaxLine]
	case c.module.places != nil:
		line = []byte(c.module.inTypeScript(string(line)))
		line = line[:min(len(line), MaxLine)]
	}
	c.host.Log(ctx, level, line)
}

// logLimitReached reports whether further lines are dropped, and need not be copied.
func (c *call) logLimitReached() bool { return c.logLines >= c.module.limits.MaxLogLines }

// fetch has the host perform a request, up to the limit of requests.
func (c *call) fetch(ctx context.Context, request []byte) ([]byte, error) {
	if c.fetches++; c.fetches > c.module.limits.MaxFetches {
		return nil, limitError("made more fetches than the limit")
	}
	return c.host.Fetch(ctx, request[:min(len(request), c.module.limits.MaxOutput+1)]), nil
}

// derive has the host compute a value from handles, up to the limit of derivations.
func (c *call) derive(ctx context.Context, request []byte) (handle string, ok bool, err error) {
	if c.derives++; c.derives > MaxDerives {
		return "", false, limitError("derived more values than the limit")
	}
	handle, ok = c.host.Derive(ctx, request[:min(len(request), MaxDerive+1)])
	return handle, ok, nil
}

// writeOutput takes what a language's runtime prints, and logs each line at its end.
func (c *call) writeOutput(ctx context.Context, b []byte) {
	for len(b) > 0 && !c.logLimitReached() {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		c.lineBuffer = append(c.lineBuffer, line[:min(len(line), MaxLine-len(c.lineBuffer))]...)
		if ended {
			c.flushLine(ctx)
		}
		b = rest
	}
}

// flushLine logs the current line.
func (c *call) flushLine(ctx context.Context) {
	if len(c.lineBuffer) > 0 {
		c.log(ctx, slog.LevelInfo, c.lineBuffer)
	}
	c.lineBuffer = c.lineBuffer[:0]
}
