package process

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/crmgate/crmgate/wasmhost/guest"
)

// argument is what this program is started with to be a guest process.
const argument = "guest-process"

// hello is the first frame that a guest process gets.
type hello struct {
	Version string // of the program
	Dir     string
	Limits  guest.Limits
	Most    int // modules
	Data    int64
	Compile bool // or strip types, if TypeScript is not empty
	// TypeScript is the name of the file whose types are to be stripped.
	TypeScript string
}

// loaded is what a guest process says of its module.
type loaded struct {
	Error string // why it could not be loaded or compiled; empty if it was
	Shape guest.Shape
	Name  string // of the file with the machine code, if the process compiled the module
}

// stopped is a guest.Stop.
type stopped struct {
	How, Trap string
	Starting  bool
	Late      bool // the initialization took too long
}

// levels are the levels of a log, by their flags.
var levels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// version identifies the program: a guest process is the same one.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion + " " + info.Main.Version
	}
	return "unknown"
}

// Main is a guest process if this program was started as one, and does not return then. A program that uses Start calls it first,
// before it opens a file or reads its arguments.
func Main() {
	if !started() {
		keepInherited()
		return
	}
	s, h, err := greet()
	if err == nil {
		err = s.serve(h)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(0)
}

// started reports whether this program was started as a guest process.
func started() bool { return len(os.Args) == 2 && os.Args[1] == argument }

// server is the guest process's side of the wire.
type server struct {
	*wire
	code     *guest.Module // loaded, and not started; see Module.AnotherIn
	template *os.File
	listen   chan struct{} // a goroutine that is ready to wait for a call takes from it

	mu      sync.Mutex
	modules map[byte]*guest.Module // guarded by mu; by their places
	calls   map[uint32]*running    // guarded by mu
	next    *mailbox               // gets what begins a call
}

// running is a call that runs here, or is about to.
type running struct {
	ctx    context.Context
	cancel context.CancelFunc
	box    *mailbox
}

// greet reads what the server says first.
func greet() (s *server, h hello, err error) {
	runtime.GOMAXPROCS(1) // a guest that spins takes one core
	in, out := inherited()
	s = &server{wire: newWire(in, out), listen: make(chan struct{}), modules: map[byte]*guest.Module{}, calls: map[uint32]*running{}, next: newMailbox()}
	s.wire.limit, s.wire.route = longestHere, s.accept
	f, err := s.receive(s.next)
	if err != nil {
		return s, h, err
	}
	if err := json.Unmarshal(f.body, &h); err != nil {
		return s, h, err
	}
	if h.Version != version() {
		err = fmt.Errorf("the server is %q, and this program is %q", h.Version, version())
	}
	return s, h, err
}

// serve builds the walls, loads the module, and runs calls until the server closes the pipe.
func (s *server) serve(h hello) error {
	missing, err := confine(h)
	if err != nil {
		return fmt.Errorf("build the walls: %w", err)
	}
	if err := s.sendJSON(kindReady, missing); err != nil {
		return err
	}
	if h.TypeScript != "" {
		return s.strip(h.TypeScript)
	}
	if h.Compile {
		return s.compile(h)
	}
	if err := s.load(h); err != nil {
		return err
	}
	debug.SetGCPercent(50) // a call leaves little garbage: this saves 1.5 MB, and no processor time is measured
	debug.FreeOSMemory()   // what loading has left
	s.answer()
	return nil
}

// Idle threads that the runtime gets before the last wall, behind which it cannot make any. Only one of them runs the guests, or compiles.
// The runtime needs another one for each that the system keeps in a call. With a C library, as under the race detector, each takes 8 MB
// of what a process that compiles can have.
const (
	threadsToRun     = 16
	threadsToCompile = 4
)

// load reads the module, loads it, and says so. Nothing of the module has run then, and nothing but running it is allowed.
func (s *server) load(h hello) error {
	f, err := s.receive(s.next)
	if err != nil {
		return err
	}
	var said loaded
	if s.code, err = guest.LoadCompiled(context.Background(), f.body, h.Dir, h.Limits); err != nil {
		said.Error = short(err)
	} else {
		said.Shape, s.template = s.code.Shape(), inheritedTemplate()
	}
	if err := drop(threadsToRun); err != nil {
		return fmt.Errorf("build the last wall: %w", err)
	}
	return s.sendJSON(kindLoaded, said)
}

// short returns the text of an error, as much as fits.
func short(err error) string { return err.Error()[:min(len(err.Error()), 1000)] }

func (s *server) sendJSON(k kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.send(k, 0, 0, b)
}

// longestHere returns the longest body of a kind that a guest process takes from its server.
func longestHere(k kind) int {
	if k >= kindHello && k <= kindCancel {
		return math.MaxInt32
	}
	return -1
}

// accept returns the mailbox of a frame.
func (s *server) accept(f frame) (*mailbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.kind == kindStart || f.kind == kindCall { // a cancellation may follow before the call runs
		ctx, cancel := context.WithCancel(context.Background())
		s.calls[f.call] = &running{ctx, cancel, newMailbox()}
	}
	if f.kind == kindUnload {
		s.unload(f)
		return nil, nil
	}
	if f.kind != kindAnswer && f.kind != kindValue && f.kind != kindCancel {
		return s.next, nil
	}
	c := s.calls[f.call]
	switch {
	case c == nil: // the call has just ended
		return nil, nil
	case f.kind == kindCancel:
		c.cancel()
		return nil, nil
	}
	return c.box, nil
}

// unload closes a module. s.mu is locked.
func (s *server) unload(f frame) {
	if m := s.modules[f.body[0]]; m != nil {
		delete(s.modules, f.body[0])
		m.Close()
	}
}

// module returns the module whose place a frame begins with, and the frame without it. It makes the module if that is not there yet.
func (s *server) module(f frame) (*guest.Module, frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := f.body[0]
	if s.modules[place] == nil {
		s.modules[place] = s.code.AnotherIn(s.template, int(place))
	}
	f.body = f.body[1:]
	return s.modules[place], f
}

// answer waits for calls and runs them. While it runs one, another goroutine waits for the next. Goroutines are kept: a new one would
// have to grow its stack in every call.
func (s *server) answer() {
	for {
		f, err := s.receive(s.next)
		if err != nil {
			os.Exit(0) // the server is gone, and so is the reason for everything
		}
		select {
		case s.listen <- struct{}{}:
		default:
			go s.answer()
		}
		s.run(f)
		<-s.listen
	}
}

// run runs a call.
func (s *server) run(f frame) {
	s.mu.Lock()
	c := s.calls[f.call]
	s.mu.Unlock()
	defer c.cancel()
	ctx, f := s.enter(c.ctx, f)
	module, f := s.module(f)
	host := &remote{server: s, call: f.call, box: c.box}
	var err error
	send := func() error { return nil }
	if f.kind == kindStart {
		var started guest.Started
		if started, err = module.Start(ctx, host, scriptOf(f)); err == nil {
			operations, _ := json.Marshal(started.Operations) // texts always encode
			flag := flagOf(started.Restorable)*isRestorable | flagOf(started.Configured)*isConfigured
			send = func() error { return s.send(kindStarted, flag, f.call, operations) }
		}
	} else {
		var r guest.Result
		if r, err = module.Run(ctx, callOf(f, host)); err == nil {
			code := binary.LittleEndian.AppendUint32(nil, uint32(r.Code))
			send = func() error { return s.send(kindDone, flagOf(r.HasOutput), f.call, code, r.Output) }
		}
	}
	s.mu.Lock()
	delete(s.calls, f.call)
	s.mu.Unlock()
	s.saw(ctx, f.call)
	if err != nil {
		b, _ := json.Marshal(stoppedOf(err)) // texts and booleans always encode
		send = func() error { return s.send(kindStopped, 0, f.call, b) }
	}
	s.must(send())
}

// scriptOf returns the script of kindStart; nil if there is none.
func scriptOf(f frame) *guest.Script {
	if f.flag == 0 {
		return nil
	}
	env, rest := cutSized(f.body[f.flag:])
	mappings, source := cutSized(rest)
	return &guest.Script{Name: string(f.body[:f.flag]), Env: string(env), Mappings: string(mappings), Source: string(source)}
}

// callOf returns the call of kindCall.
func callOf(f frame, h guest.Host) guest.Call {
	env, input := cutSized(f.body[f.flag:])
	return guest.Call{Operation: string(f.body[:f.flag]), Env: env, Input: input, Host: h}
}

// cutSized cuts off a part that follows its length.
func cutSized(b []byte) (part, rest []byte) {
	size := binary.LittleEndian.Uint32(b)
	return b[4 : 4+size], b[4+size:]
}

// must ends the process if its server is gone.
func (s *server) must(err error) {
	if err != nil {
		os.Exit(0)
	}
}

func stoppedOf(err error) stopped {
	var stop *guest.Stop
	switch {
	case errors.As(err, &stop):
		trap := strings.ToValidUTF8(stop.Trap[:min(len(stop.Trap), guest.MaxTrap)], "")
		return stopped{How: stop.How[:min(len(stop.How), guest.MaxTrap)], Trap: trap, Starting: stop.Starting}
	case errors.Is(err, context.DeadlineExceeded):
		return stopped{Late: true}
	case errors.Is(err, context.Canceled):
		return stopped{How: "was cancelled"}
	}
	return stopped{How: "could not be run", Trap: err.Error()[:min(len(err.Error()), guest.MaxTrap)]}
}

// remote is the guest.Host of a call here: it asks the server.
type remote struct {
	server *server
	call   uint32
	box    *mailbox
}

func (r *remote) ask(k kind, body []byte) frame {
	r.server.must(r.server.send(k, 0, r.call, body))
	f, err := r.server.receive(r.box)
	r.server.must(err)
	return f
}

func (r *remote) Fetch(_ context.Context, request []byte) []byte {
	return r.ask(kindFetch, request).body
}

// maxName is the longest name of a configuration value that the server is asked for, in bytes. No manifest declares a longer one.
const maxName = 1 << 10

func (r *remote) Config(_ context.Context, name []byte) (string, bool) {
	f := r.ask(kindConfig, name[:min(len(name), maxName)])
	return string(f.body), f.flag == 1
}

func (r *remote) Derive(_ context.Context, request []byte) (string, bool) {
	f := r.ask(kindDerive, request)
	return string(f.body), f.flag == 1
}

func (r *remote) Log(_ context.Context, level slog.Level, line []byte) {
	flag := max(0, min((int(level)-int(slog.LevelDebug))/4, len(levels)-1))
	r.server.must(r.server.send(kindLog, byte(flag), r.call, line))
}
