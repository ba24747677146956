package edge

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
)

// traced adds to every line that is logged for a request the request's id, and the person whom it is about: a hash, as in the
// audit log.
type traced struct {
	slog.Handler
	hash func(crmgate.UserKey) string
}

func (t traced) Handle(ctx context.Context, r slog.Record) error {
	tr := crmgate.TraceOf(ctx)
	if tr != nil && tr.ID != "" {
		r.AddAttrs(slog.String("request_id", tr.ID))
	}
	if key := tr.Person(); key.ID != "" {
		r.AddAttrs(slog.String("person", t.hash(key)))
	}
	return t.Handler.Handle(ctx, r)
}

func (t traced) WithAttrs(a []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(a), t.hash} }
func (t traced) WithGroup(g string) slog.Handler      { return traced{t.Handler.WithGroup(g), t.hash} }

// Of each message, lineBurst lines are written at once, and then lineRate in a second. A server with 100 sign-ins in each
// second loses none.
const (
	lineBurst = 1000
	lineRate  = 100
)

// sampled leaves out lines of a message that is logged too often. Anyone can send requests that are refused, and each would
// add a line to the log. The next line of the message that is written says how many were left out (left_out). Messages are
// constants, so there are few.
//
// Lines of level ERROR are never left out: each is a fault that the operator must look at.
type sampled struct {
	slog.Handler
	lines *lines
}

func (s sampled) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelError {
		ok, left := s.lines.admit(r.Message)
		if !ok {
			return nil
		}
		if left > 0 {
			r.AddAttrs(slog.Uint64("left_out", left))
		}
	}
	return s.Handler.Handle(ctx, r)
}

func (s sampled) WithAttrs(a []slog.Attr) slog.Handler {
	return sampled{s.Handler.WithAttrs(a), s.lines}
}

func (s sampled) WithGroup(g string) slog.Handler {
	return sampled{s.Handler.WithGroup(g), s.lines}
}

// lines limits the lines of each message. All handlers of a node's logger share it. Safe for concurrent use.
type lines struct {
	rates *limit.Rates[string]

	mu   sync.Mutex
	left map[string]uint64 // lines of each message that were left out since one was written; guarded by mu
}

func newLines(now func() time.Time) *lines {
	return &lines{rates: limit.NewRates[string](now, lineBurst, time.Second/lineRate), left: map[string]uint64{}}
}

// admit reports whether a line is written, and how many were left out before it.
func (l *lines) admit(message string) (ok bool, left uint64) {
	ok = l.rates.Allow(message)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ok {
		l.left[message]++
		return false, 0
	}
	left = l.left[message]
	delete(l.left, message)
	return true, left
}

// flush writes, for each message, how many lines were left out since one was written.
func (l *lines) flush(log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for message, left := range l.left {
		log.Info("lines were left out", "message", message, "left_out", left)
	}
	clear(l.left)
}
