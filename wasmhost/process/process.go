package process

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/crmgate/crmgate/wasmhost/guest"
)

// Config says what a guest process runs.
type Config struct {
	Code   []byte // as meter.Module.Instrument returns it; for Compile, the module itself
	Dir    string // the folder of the module's machine code. The process sees no other, and none while it compiles
	Limits guest.Limits
	Most   int   // how many modules with this code the process can have at once; default 1
	Data   int64 // bytes of memory that the process may ask for; default 2 GiB. It touches a small part of what its instances ask for

	typeScript string // the name of the file whose types are to be stripped; empty if Code is a module
}

// Process is a guest process that has loaded code. It is safe for concurrent use.
type Process struct {
	*wire
	child   *child
	limits  guest.Limits
	admits  bool // it compiles or strips types, and runs nothing
	strips  bool // it strips types
	shape   guest.Shape
	missing []string
	self    *call // until it is ready

	mu    sync.Mutex
	calls map[uint32]*call // guarded by mu
	last  uint32           // guarded by mu

	taken   []bool // guarded by mu; the places of modules. A place is taken until its module is unloaded
	modules int    // guarded by mu; how many are open
	knows   bool   // guarded by mu; it has had the input of a call or the configuration, with their secrets
}

// call is a call that a guest process runs. The process itself is the call 0 until it is ready.
type call struct {
	id      uint32
	box     *mailbox
	ends    kind         // what ends it, unless it is stopped
	busy    bool         // guarded by Process.mu; the server answers it, so the process has nothing to say
	asked   map[kind]int // guarded by Process.mu; how many frames it has sent
	ended   bool         // guarded by Process.mu
	fetched bool         // guarded by Process.mu
	world   *guest.World // guarded by Process.mu; what the guest sees of the world, may be nil. Its content belongs to who runs the call
}

// Died is the error of a call whose process has ended.
type Died struct {
	Why error
	// Fetched says that the call had sent a request. If it had not, it can be run again.
	Fetched bool
}

func (d *Died) Error() string { return "its process ended: " + d.Why.Error() }
func (d *Died) Unwrap() error { return d.Why }

// grace is how long a process may take to stop a call that was cancelled. Guests pause a thousand times a second.
const grace = 500 * time.Millisecond

// maxConfigs is how often a call may ask for a configuration value.
const maxConfigs = 10_000

// maxOperations is the longest list of the operations of a script, in bytes.
const maxOperations = 4 << 10

// Probe starts a process that has nothing to run, and ends it. It returns the walls that this system does not have; none if all can
// be built.
func Probe(ctx context.Context) (missing []string, err error) {
	p, err := begin(ctx, Config{Dir: os.TempDir()}, false)
	if err != nil {
		return nil, err
	}
	p.end()
	return p.missing, nil
}

// ErrNotStarted means that the system did not start a process, for example because too many files are open.
var ErrNotStarted = errors.New("a guest process could not be started")

// Start starts a process, which loads the code, and returns its first module. The context bounds that. The caller closes the module. The
// error is a *Died if the process has ended, matches ErrNotStarted if there was none, and is otherwise the module's: it does not compile.
func Start(ctx context.Context, c Config) (*Module, error) {
	p, err := begin(ctx, c, false)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { p.child.end(errLate(ctx)) })
	defer stop()
	if err := p.load(ctx, c); err != nil {
		p.end()
		return nil, err
	}
	return p.open()
}

func errLate(ctx context.Context) error { return fmt.Errorf("it was not ready in time: %w", ctx.Err()) }

// begin starts a process, which builds its walls. With admits, it is one that compiles.
func begin(ctx context.Context, c Config, admits bool) (*Process, error) {
	c.Most = max(c.Most, 1)
	p := &Process{limits: c.Limits, admits: admits, strips: c.typeScript != "", calls: map[uint32]*call{}, taken: make([]bool, c.Most)}
	var template *os.File
	var err error
	if !admits {
		template, err = guest.TemplateFile(c.Limits, c.Most)
	}
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		p.child, err = startChild(template)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotStarted, err)
	}
	p.wire = newWire(p.child.out, p.child.in)
	p.wire.limit, p.wire.route = p.longest, p.accept
	p.self = p.newCall(0)
	stop := context.AfterFunc(ctx, func() { p.child.end(errLate(ctx)) })
	defer stop()
	if err := p.greet(ctx, c); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// greet says what is to be run, and reads which walls are missing.
func (p *Process) greet(ctx context.Context, c Config) error {
	me := p.self
	greeting, err := json.Marshal(hello{Version: version(), Dir: c.Dir, Limits: c.Limits, Most: c.Most, Data: cmp.Or(c.Data, 2<<30), Compile: p.admits, TypeScript: c.typeScript})
	if err != nil {
		return err
	}
	if err := p.send(kindHello, 0, 0, greeting); err != nil {
		return p.died(ctx, me, err)
	}
	f, err := p.receive(me.box)
	if err != nil {
		return p.died(ctx, me, err)
	}
	if err := p.decode(f, &p.missing); err != nil {
		return p.died(ctx, me, err)
	}
	return nil
}

// load gives the process the module.
func (p *Process) load(ctx context.Context, c Config) error {
	me := p.self
	if err := p.send(kindModule, 0, 0, c.Code); err != nil {
		return p.died(ctx, me, err)
	}
	var loaded loaded
	f, err := p.receive(me.box)
	if err == nil {
		loaded, err = p.loaded(f)
	}
	switch {
	case err != nil:
		return p.died(ctx, me, err)
	case loaded.Error != "":
		return errors.New(loaded.Error)
	}
	p.shape = loaded.Shape
	return nil
}

// loaded decodes the last frame of a process that loads or compiles.
func (p *Process) loaded(f frame) (l loaded, err error) {
	err = p.decode(f, &l)
	l.Error = strings.ToValidUTF8(l.Error[:min(len(l.Error), 1000)], "\uFFFD")
	return l, err
}

// decode reads the JSON of a frame. An error ends the process.
func (p *Process) decode(f frame, into any) error {
	if err := json.Unmarshal(f.body, into); err != nil {
		return fmt.Errorf("%w: kind %d: %w", errFrame, f.kind, err)
	}
	return nil
}

// Shape returns what the module exports and imports.
func (p *Process) Shape() guest.Shape { return p.shape }

// Pid returns the process's number.
func (p *Process) Pid() int { return p.child.cmd.Process.Pid }

// Missing names the walls that this system does not have; none if all are built.
func (p *Process) Missing() []string { return p.missing }

// end ends the process, and waits until it is gone.
func (p *Process) end() { p.child.close(errClosed) }

var errClosed = errors.New("it was closed")

// exchange sends the frame that begins a call, serves the call, and returns its last frame: kindStarted or kindDone.
func (p *Process) exchange(ctx context.Context, h guest.Host, k kind, flag byte, parts ...[]byte) (frame, error) {
	world := guest.WorldOf(ctx)
	flag, parts, err := withWorld(world, flag, parts)
	if err != nil {
		return frame{}, err
	}
	c := p.newCall(1)
	defer p.finish(c)
	p.mu.Lock()
	c.world = world
	p.knows = p.knows || k == kindCall
	if c.ends = kindDone; k == kindStart {
		c.ends = kindStarted
	}
	p.mu.Unlock()
	defer context.AfterFunc(ctx, func() { p.cancel(c) })()
	if err := p.send(k, flag, c.id, parts...); err != nil {
		return frame{}, p.died(ctx, c, err)
	}
	for {
		f, err := p.receive(c.box)
		if err == nil {
			err = p.serve(ctx, h, c, f)
		}
		switch {
		case err != nil:
			return frame{}, p.died(ctx, c, err)
		case f.kind == c.ends:
			return f, nil
		case f.kind == kindStopped:
			return frame{}, p.stopped(ctx, c, f)
		}
	}
}

// serve answers a frame of a call, if it is a question.
func (p *Process) serve(ctx context.Context, h guest.Host, c *call, f frame) error {
	switch f.kind {
	case kindFetch:
		answer := h.Fetch(ctx, f.body)
		if ctx.Err() != nil { // the guest must not go on with the answer before it is cancelled
			if err := p.send(kindCancel, 0, c.id); err != nil {
				return err
			}
		}
		return p.answer(c, kindAnswer, 0, answer)
	case kindConfig:
		value, ok := h.Config(ctx, f.body)
		return p.answer(c, kindValue, flagOf(ok), []byte(value))
	case kindDerive:
		handle, ok := h.Derive(ctx, f.body)
		return p.answer(c, kindValue, flagOf(ok), []byte(handle))
	case kindLog:
		h.Log(ctx, levels[min(int(f.flag), len(levels)-1)], f.body)
	case kindSeen:
		return p.learn(c, f)
	}
	return nil
}

// finish notes that the server waits for nothing of a call any more.
func (p *Process) finish(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.ended = true
}

// answer lets the call speak again, and sends it an answer. The answer may hold a secret.
func (p *Process) answer(c *call, k kind, flag byte, body []byte) error {
	p.mu.Lock()
	c.busy, p.knows = false, true
	p.mu.Unlock()
	return p.send(k, flag, c.id, body)
}

// stopped returns the error of a call that was stopped.
func (p *Process) stopped(ctx context.Context, c *call, f frame) error {
	var s stopped
	switch err := p.decode(f, &s); {
	case err != nil:
		return p.died(ctx, c, err)
	case ctx.Err() != nil:
		return ctx.Err()
	case s.Late:
		return context.DeadlineExceeded
	}
	return &guest.Stop{How: s.How, Trap: s.Trap, Starting: s.Starting}
}

// cancel stops a call. If the process does not stop it in time, it is killed.
func (p *Process) cancel(c *call) {
	timer := time.AfterFunc(grace, func() {
		p.mu.Lock()
		ended := c.ended
		p.mu.Unlock()
		if !ended {
			p.child.end(errors.New("it did not stop a call"))
		}
	})
	if p.send(kindCancel, 0, c.id) != nil { // it is dead
		timer.Stop()
	}
}

// newCall returns a new call: that of the process itself if first is 0.
func (p *Process) newCall(first uint32) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := uint32(0)
	for first > 0 && (id == 0 || p.calls[id] != nil) {
		p.last++
		id = p.last
	}
	c := &call{id: id, box: newMailbox(), asked: map[kind]int{}}
	p.calls[id] = c
	return c
}

// longest returns the longest body of a kind that the process may send.
func (p *Process) longest(k kind) int {
	switch k {
	case kindReady, kindStopped, kindConfig:
		return 16 << 10
	case kindLoaded:
		return 256 << 10
	case kindLog:
		return guest.MaxLine
	case kindDerive:
		return guest.MaxDerive + 1
	case kindFetch, kindDone:
		return p.limits.MaxOutput + 4
	case kindStarted:
		return maxOperations
	case kindSeen:
		return maxSeen
	case kindInstrumented, kindMachine:
		return maxPart
	}
	return -1
}

// accept checks that the process may send a frame now, and returns the mailbox of its call.
func (p *Process) accept(f frame) (*mailbox, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.calls[f.call]
	if c == nil || c.busy || f.kind == kindSeen && c.world == nil {
		return nil, fmt.Errorf("%w: kind %d out of turn", errFrame, f.kind)
	}
	if wrong := (f.kind == kindStarted || f.kind == kindDone) && f.kind != c.ends; wrong {
		return nil, fmt.Errorf("%w: kind %d out of turn", errFrame, f.kind)
	}
	if c.asked[f.kind]++; c.asked[f.kind] > p.often(f) || f.kind == kindDone && len(f.body) < 4 {
		return nil, fmt.Errorf("%w: kind %d, number %d of the call", errFrame, f.kind, c.asked[f.kind])
	}
	switch f.kind {
	case kindFetch:
		c.busy, c.fetched = true, true
	case kindConfig, kindDerive:
		c.busy = true
	case kindLoaded, kindStarted, kindDone, kindStopped:
		delete(p.calls, f.call)
	}
	return c.box, nil
}

// often returns how many frames of a kind a call may send.
func (p *Process) often(f frame) int {
	part := f.kind == kindInstrumented || f.kind == kindMachine
	switch own := f.call == 0; {
	case own != (f.kind == kindReady || f.kind == kindLoaded || part), part && !p.admits:
		return 0
	case part:
		return maxFile / maxPart
	case f.kind == kindFetch:
		return p.limits.MaxFetches
	case f.kind == kindLog:
		return p.limits.MaxLogLines
	case f.kind == kindConfig:
		return maxConfigs
	case f.kind == kindDerive:
		return guest.MaxDerives
	}
	return 1
}

// died ends the process because of an error, and returns what ended it for a call: the context, if that has ended. What the process
// printed is left out if it could be a secret.
func (p *Process) died(ctx context.Context, c *call, err error) error {
	p.child.end(err)
	<-p.child.dead
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil {
		return &Died{Why: ctx.Err(), Fetched: c.fetched}
	}
	return &Died{Why: p.child.why(!p.knows), Fetched: c.fetched}
}

func flagOf(b bool) byte {
	if b {
		return 1
	}
	return 0
}
