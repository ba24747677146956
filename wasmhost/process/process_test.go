package process

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost/guest"
)

func TestManyCalls(t *testing.T) {
	t.Parallel()
	p := mustStart(t, practice(t))
	h := &crm{}
	if s, err := p.Start(t.Context(), h, nil); err != nil || !s.Restorable {
		t.Fatalf("it is %+v, %v", s, err)
	}
	if s := p.Shape(); !s.Memory || len(s.Exports) < 5 || len(s.Imports) < 5 {
		t.Errorf("the shape is %+v", s)
	}
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 20 {
				r, err := p.Run(t.Context(), userInfo(h))
				if err != nil || r.Code != 0 || !strings.Contains(string(r.Output), `"42-practice"`) {
					t.Errorf("got %d, %q, %v", r.Code, r.Output, err)
				}
			}
		})
	}
	all.Wait()
}

// A call that was cancelled ends, whatever it does, and the others go on.
func TestCancelledCall(t *testing.T) {
	t.Parallel()
	p := mustStart(t, practice(t))
	asked := make(chan struct{})
	waits := &crm{fetch: func(ctx context.Context) []byte {
		close(asked)
		<-ctx.Done()
		time.Sleep(200 * time.Millisecond) // the process gets the cancellation before the answer
		return []byte(`{"error":{"kind":"timeout","message":"cancelled"}}`)
	}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := p.Run(ctx, userInfo(waits)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a cancelled call", err)
	}
	if _, err := p.Run(t.Context(), userInfo(&crm{})); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// A call in an endless loop is cancelled, also if its instance exists already: then the runtime is idle until the loop begins, and makes
// no system call in it.
func TestEndlessLoopInUsedInstance(t *testing.T) {
	t.Parallel()
	p := mustStart(t, spinning(t))
	if _, err := p.Start(t.Context(), &crm{}, nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := p.Run(t.Context(), guest.Call{Operation: "rest", Host: &crm{}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // the runtime falls asleep
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := p.Run(ctx, guest.Call{Operation: "spin", Host: &crm{}})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*Died)) {
			t.Fatalf("got %v, want a call that was stopped and a process that lives", err)
		}
	}
}

// A call whose process is killed says whether it had sent a request.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	p := mustStart(t, practice(t))
	_, err := p.Run(t.Context(), userInfo(&crm{fetch: func(context.Context) []byte {
		_ = p.child.cmd.Process.Kill()
		<-p.child.dead
		return nil
	}}))
	var died *Died
	if !errors.As(err, &died) || !died.Fetched || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("got %v", err)
	}
	if _, err = p.Run(t.Context(), userInfo(&crm{})); !errors.As(err, &died) || died.Fetched {
		t.Errorf("the next call: %v", err)
	}
}

// A process that is not ready in time is killed.
func TestStartInTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	c := practice(t)
	c.Dir = "/tmp/sleep"
	_, err := Start(ctx, c)
	if !errors.As(err, new(*Died)) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func init() {
	instead["sleep"] = func(*server, hello) { time.Sleep(time.Minute) }
	instead["lie"] = func(s *server, h hello) {
		_, name, _ := strings.Cut(h.Dir, " ")
		lies[name].tell(s)
		time.Sleep(time.Minute)
	}
}

// ready says what the server waits for before its first call, and returns that call.
func (s *server) ready() frame {
	_ = s.sendJSON(kindReady, []string{})
	_, _ = s.receive(s.next)
	_ = s.sendJSON(kindLoaded, loaded{})
	f, _ := s.receive(s.next)
	return f
}

// lies are what a guest process says that is no longer under its program's control.
var lies = map[string]struct {
	want string // of the error
	tell func(*server)
}{
	"nothing to say":     {"kind 9", func(s *server) { _ = s.send(kindReady, 0, 0, []byte("{")) }},
	"an unknown kind":    {"kind 99", func(s *server) { _ = s.send(99, 0, 0) }},
	"a kind of ours":     {"kind 4", func(s *server) { _ = s.send(kindCall, 0, 0) }},
	"a long line":        {"kind 16 with 16385 bytes", func(s *server) { f := s.ready(); _ = s.send(kindLog, 0, f.call, make([]byte, guest.MaxLine+1)) }},
	"a long answer":      {"kind 12", func(s *server) { f := s.ready(); _ = s.send(kindDone, 1, f.call, make([]byte, limits.MaxOutput+5)) }},
	"a short answer":     {"kind 12", func(s *server) { f := s.ready(); _ = s.send(kindDone, 1, f.call, []byte("ab")) }},
	"another call":       {"kind 12 out of turn", func(s *server) { f := s.ready(); _ = s.send(kindDone, 1, f.call+1, make([]byte, 4)) }},
	"the process's call": {"kind 14 out of turn", func(s *server) { s.ready(); _ = s.send(kindFetch, 0, 0, []byte("{}")) }},
	"many requests at once": {"a frame that is not allowed: kind 14", func(s *server) {
		f := s.ready()
		for range 50 {
			_ = s.send(kindFetch, 0, f.call, []byte("{}"))
		}
	}},
	"words out of turn": {"kind 16 out of turn", func(s *server) {
		f := s.ready()
		_ = s.send(kindFetch, 0, f.call, []byte("{}"))
		_ = s.send(kindLog, 0, f.call, []byte("line"))
	}},
	"a start for an answer": {"kind 11 out of turn", func(s *server) { f := s.ready(); _ = s.send(kindStarted, 1, f.call) }},
	"many lines": {"kind 16, number 101", func(s *server) {
		f := s.ready()
		for range limits.MaxLogLines + 1 {
			_ = s.send(kindLog, 0, f.call, []byte("line"))
		}
	}},
	"a long derivation": {"kind 19 with 65538 bytes", func(s *server) {
		f := s.ready()
		_ = s.send(kindDerive, 0, f.call, make([]byte, guest.MaxDerive+2))
	}},
	"a derivation of the process": {"kind 19 out of turn", func(s *server) { s.ready(); _ = s.send(kindDerive, 0, 0, []byte("{}")) }},
	"many derivations at once": {"a frame that is not allowed: kind 19", func(s *server) {
		f := s.ready()
		for range guest.MaxDerives + 1 {
			_ = s.send(kindDerive, 0, f.call, []byte("{}"))
		}
	}},
	"a part of a file":  {"kind 18, number 1", func(s *server) { _ = s.sendJSON(kindReady, []string{}); _ = s.send(kindMachine, 1, 0, []byte("{}")) }},
	"not JSON":          {"kind 13", func(s *server) { f := s.ready(); _ = s.send(kindStopped, 0, f.call, []byte("{")) }},
	"an end":            {"exit status 3", func(s *server) { s.ready(); exitWith(3) }},
	"many last words":   {"signal: broken pipe: it printed", func(s *server) { _ = s.sendJSON(kindReady, []string{}); printMuch() }},
	"secret last words": {"exit status 5", func(s *server) { f := s.ready(); println(string(f.body)); exitWith(5) }},
}

// A process that lies is ended, and the lie is the error of its calls.
func TestLies(t *testing.T) {
	t.Parallel()
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Start(t.Context(), Config{Code: []byte("x"), Dir: "/tmp/lie " + name, Limits: limits})
			if err == nil {
				defer p.Close()
				_, err = p.Run(t.Context(), userInfo(&crm{fetch: func(context.Context) []byte {
					if name == "words out of turn" { // the process has nothing to say until this returns
						_, _ = p.Run(t.Context(), userInfo(&crm{})) // a call that waits reads for all
					}
					return []byte("{}")
				}}))
			}
			if !errors.As(err, new(*Died)) || !strings.Contains(err.Error(), lie.want) {
				t.Errorf("got %v, want %q", err, lie.want)
			}
			if strings.Contains(err.Error(), "Bearer") {
				t.Errorf("the error has what a call gave the process: %v", err)
			}
		})
	}
}

// A call that is cancelled after its frame was read, and before it runs, is cancelled when it runs.
func TestCancelledBeforeItRuns(t *testing.T) {
	t.Parallel()
	s := &server{calls: map[uint32]*running{}, next: newMailbox()}
	for _, k := range []kind{kindCall, kindCancel} {
		if _, err := s.accept(frame{kind: k, call: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if s.calls[7].ctx.Err() == nil {
		t.Error("the cancellation was dropped")
	}
}
