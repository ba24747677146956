package edge_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/edge/edgetest"
)

// sampling is a sampling logger, with what it wrote.
type sampling struct {
	*slog.Logger
	flush   func()
	clock   *edgetest.Clock
	written edgetest.Log
}

func newSampling() *sampling {
	s := &sampling{clock: edgetest.FrozenAt(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))}
	s.Logger, s.flush = edge.Sampled(s.written.Logger().Handler(), s.clock.Now)
	return s
}

// line is a line of the log.
type line struct {
	Level   string
	Msg     string
	Message string
	Who     string
	LeftOut int `json:"left_out"`
}

func (s *sampling) lines(t *testing.T) (all []line) {
	t.Helper()
	for text := range strings.Lines(s.written.String()) {
		var l line
		edgetest.Must(t, json.Unmarshal([]byte(text), &l))
		all = append(all, l)
	}
	return all
}

// sum counts the lines of a message: those that were written, and those that were left out.
func sum(all []line, message string) (written, left int) {
	for _, l := range all {
		if l.Msg == message {
			written++
		}
		if l.Msg == message || l.Message == message {
			left += l.LeftOut
		}
	}
	return written, left
}

func TestAFloodOfLinesIsSampled(t *testing.T) {
	t.Parallel()
	s := newSampling()
	for range 3 * edge.LineBurst {
		s.Info("refused")
	}
	s.Warn("another message")
	if n, left := sum(s.lines(t), "refused"); n != edge.LineBurst || left != 0 {
		t.Errorf("%d lines, %d left out; want %d and 0", n, left, edge.LineBurst)
	}
	if n, _ := sum(s.lines(t), "another message"); n != 1 {
		t.Error("a flood of one message leaves out another")
	}
	s.clock.Pass(time.Second)
	for range 3 * edge.LineRate {
		s.Info("refused")
	}
	all := s.lines(t)
	if n, left := sum(all, "refused"); n != edge.LineBurst+edge.LineRate || left != 2*edge.LineBurst {
		t.Errorf("after a second, %d lines, %d left out; want %d and %d", n, left, edge.LineBurst+edge.LineRate, 2*edge.LineBurst)
	}
	if first := all[edge.LineBurst+1]; first.LeftOut != 2*edge.LineBurst {
		t.Errorf("the next line that is written says that %d were left out, want %d", first.LeftOut, 2*edge.LineBurst)
	}
	s.flush()
	s.flush()
	all = s.lines(t)
	if n, left := sum(all, "refused"); n+left != 3*edge.LineBurst+3*edge.LineRate {
		t.Errorf("%d lines and %d left out, want %d in total", n, left, 3*edge.LineBurst+3*edge.LineRate)
	}
	if n, _ := sum(all, "lines were left out"); n != 1 {
		t.Errorf("%d lines at the end, want 1", n)
	}
}

// 100 sign-ins in each second lose no line.
func TestOrdinaryLinesAreAllWritten(t *testing.T) {
	t.Parallel()
	s := newSampling()
	const seconds = 60
	for range seconds {
		for range 100 {
			s.Info("sign-in")
		}
		s.clock.Pass(time.Second)
	}
	if n, _ := sum(s.lines(t), "sign-in"); n != 100*seconds {
		t.Errorf("%d lines, want %d", n, 100*seconds)
	}
}

func TestErrorsAreNeverLeftOut(t *testing.T) {
	t.Parallel()
	s := newSampling()
	for range 2 * edge.LineBurst {
		s.Error("internal error")
	}
	if n, left := sum(s.lines(t), "internal error"); n != 2*edge.LineBurst || left != 0 {
		t.Errorf("%d lines, %d left out", n, left)
	}
}

// Loggers with attributes and groups share the limit, and keep their attributes.
func TestDerivedLoggersShareTheLimit(t *testing.T) {
	t.Parallel()
	s := newSampling()
	for range edge.LineBurst {
		s.With("who", "a").Info("refused")
		s.WithGroup("g").Info("refused")
	}
	all := s.lines(t)
	if n, _ := sum(all, "refused"); n != edge.LineBurst || all[0].Who != "a" {
		t.Errorf("%d lines, the first one by %v; want %d by a", n, all[0].Who, edge.LineBurst)
	}
}

// A clock that jumps back does not stop the log.
func TestLinesWhileTheClockJumpsBack(t *testing.T) {
	t.Parallel()
	s := newSampling()
	for range edge.LineBurst + 1 {
		s.Info("refused")
	}
	s.clock.Pass(-time.Hour)
	s.Info("refused")
	s.clock.Pass(time.Second)
	s.Info("refused")
	if n, left := sum(s.lines(t), "refused"); n != edge.LineBurst+1 || left != 2 {
		t.Errorf("%d lines, %d left out; want %d and 2", n, left, edge.LineBurst+1)
	}
}

func TestLinesAtOnceAddUp(t *testing.T) {
	t.Parallel()
	s := newSampling()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range edge.LineBurst {
				s.Info("refused")
				if i%100 == 0 {
					s.clock.Pass(time.Second / edge.LineRate)
					s.flush()
				}
			}
		})
	}
	group.Wait()
	s.flush()
	if n, left := sum(s.lines(t), "refused"); n+left != 8*edge.LineBurst || n < edge.LineBurst {
		t.Errorf("%d lines and %d left out, want %d in total", n, left, 8*edge.LineBurst)
	}
}
