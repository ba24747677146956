package process

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func init() {
	spin := func(s *server, h hello) {
		missing, err := confine(h)
		_ = s.sendJSON(kindReady, missing)
		_, _ = s.receive(s.next)
		if filepath.Base(h.Dir) == "slow-compiler" {
			s.watchTime("it takes too long on this machine")
		}
		if err := errors.Join(err, allow(0), drop(threadsToCompile)); err != nil {
			_ = s.sendJSON(kindLoaded, loaded{Error: err.Error()})
			return
		}
		for began := time.Now(); time.Since(began) < time.Minute; {
		}
	}
	instead["slow-compiler"], instead["stuck-compiler"] = spin, spin
}

// A process that compiles for longer than the module's shape promises says so, and ends. If it does not, the system kills it.
func TestCompileTimeIsLimited(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("the race detector has no limit")
	}
	for name, c := range map[string]struct {
		want string
		died bool
	}{"slow-compiler": {"takes too long", false}, "stuck-compiler": {"signal: killed", true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Compile(t.Context(), Config{Dir: "/tmp/" + name, Limits: limits}, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, new(*Died)) != c.died {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
