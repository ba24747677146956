package process

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// kind says what a frame is.
type kind byte

// The frames to a guest process, and those from it.
const (
	kindHello  kind = 1 + iota // a hello as JSON; the first frame
	kindModule                 // the instrumented module; the second frame
	kindStart                  // initialize an instance; the place of the module, and the script: its name, whose length is the flag, its environment and its mappings, each after its length of four bytes, and its source; see hasWorld
	kindCall                   // the place of the module, the operation's name, whose length is the flag, the environment after its length of four bytes, and the input; see hasWorld
	kindUnload                 // the place of a module, which is not needed any more
	kindAnswer                 // what the call fetched
	kindValue                  // the configuration value or the handle that the call asked for; flag is 1 if there is one
	kindCancel                 // the call is over: stop it

	kindReady   // the walls that are missing, as a JSON list of names; the first frame
	kindLoaded  // a loaded as JSON; the second frame
	kindStarted // flag has isRestorable and isConfigured; the operations of a script, as a JSON list
	kindDone    // four bytes of the result, and the output; flag is 1 if there is one
	kindStopped // a stopped as JSON
	kindFetch   // a request as the guest wrote it
	kindConfig  // the name of a configuration value
	kindLog     // a line; flag is its level, from 0

	kindInstrumented // a part of the instrumented module, if the process compiles, or of a script without types; flag is 1 for the last
	kindMachine      // a part of the machine code, or of a script's mappings; flag is 1 for the last

	kindDerive // a derivation as the guest wrote it
	kindSeen   // a guest.Seen as JSON, before the end of a call that began with a guest.World
)

// The bits of the flag of kindStarted.
const (
	isRestorable = 1 << iota
	isConfigured
)

// frame is a message between the server and a guest process.
type frame struct {
	kind kind
	flag byte
	call uint32 // 0 for the process itself
	body []byte
}

// header is the length of a frame's header, in bytes: the length of the body, the call, the kind and the flag.
const header = 10

// wire sends and receives frames. Any goroutine may send. Receiving is shared: of those that wait, one reads for all, and hands
// the reading on when it has its own frame. A goroutine that only reads would cost a switch for each frame.
type wire struct {
	in    *bufio.Reader
	limit func(kind) int                // the longest body of a kind that is received; negative for a kind that is not
	route func(frame) (*mailbox, error) // whose a received frame is; nil if route has taken it. It must not block

	sending sync.Mutex
	out     io.Writer // guarded by sending
	buffer  []byte    // guarded by sending

	mu      sync.Mutex
	reading bool       // guarded by mu
	waiting []*mailbox // guarded by mu; asleep, because another one reads
	err     error      // guarded by mu; no more frames come
}

// mailbox holds the frames of one waiting goroutine.
type mailbox struct {
	frames []frame       // guarded by wire.mu
	wake   chan struct{} // capacity 1
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

func newWire(in, out *os.File) *wire {
	return &wire{in: bufio.NewReaderSize(newPipe(in), 32<<10), out: newPipe(out)}
}

// receive returns the next frame of a mailbox, or the error that has ended the wire.
func (w *wire) receive(box *mailbox) (frame, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case len(box.frames) > 0:
			f := box.frames[0]
			box.frames = box.frames[1:]
			w.handOn()
			return f, nil
		case w.err != nil:
			w.handOn()
			return frame{}, w.err
		case w.reading:
			w.waiting = append(w.waiting, box)
			w.mu.Unlock()
			<-box.wake
			w.mu.Lock()
		default:
			w.readOne()
		}
	}
}

// readOne reads a frame and delivers it. w.mu is locked, but not while it reads.
func (w *wire) readOne() {
	w.reading = true
	w.mu.Unlock()
	f, err := w.read()
	var to *mailbox
	if err == nil {
		to, err = w.route(f)
	}
	w.mu.Lock()
	w.reading, w.err = false, err
	if to != nil && err == nil {
		to.frames = append(to.frames, f)
		w.rouse(to)
	}
}

// handOn wakes a goroutine that waits, if none reads: it reads then. After an error it wakes the next one.
func (w *wire) handOn() {
	if n := len(w.waiting); n > 0 && !w.reading {
		w.rouse(w.waiting[n-1])
	}
}

func (w *wire) rouse(box *mailbox) {
	if i := slices.Index(w.waiting, box); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
		box.wake <- struct{}{}
	}
}

// maxBuffer is the largest buffer that frames are put together in, in bytes.
const maxBuffer = 64 << 10

// send sends a frame whose body is the parts. A long part is not copied.
func (w *wire) send(k kind, flag byte, call uint32, parts ...[]byte) error {
	w.sending.Lock()
	defer w.sending.Unlock()
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	b := append(w.buffer[:0], make([]byte, header)...)
	binary.LittleEndian.PutUint32(b, uint32(size))
	binary.LittleEndian.PutUint32(b[4:], call)
	b[8], b[9] = byte(k), flag
	for _, p := range parts {
		if len(b)+len(p) <= maxBuffer {
			b = append(b, p...)
			continue
		}
		for _, now := range [][]byte{b, p} {
			if _, err := w.out.Write(now); err != nil {
				return err
			}
		}
		b = b[:0]
	}
	w.buffer = b
	if len(b) == 0 {
		return nil
	}
	_, err := w.out.Write(b)
	return err
}

// errFrame means that the other side has sent what it may not send.
var errFrame = errors.New("a frame that is not allowed")

// read reads a frame. The body grows as it arrives, so that a header alone costs nothing.
func (w *wire) read() (f frame, err error) {
	var h [header]byte
	if _, err := io.ReadFull(w.in, h[:]); err != nil {
		return f, err
	}
	f = frame{kind: kind(h[8]), flag: h[9], call: binary.LittleEndian.Uint32(h[4:])}
	size := int64(binary.LittleEndian.Uint32(h[:]))
	if limit := w.limit(f.kind); limit < 0 || size > int64(limit) {
		return f, fmt.Errorf("%w: kind %d with %d bytes", errFrame, f.kind, size)
	}
	const step = maxPart
	for int64(len(f.body)) < size && err == nil {
		have := len(f.body)
		f.body = append(f.body, make([]byte, min(int(size)-have, max(step, have)))...)
		_, err = io.ReadFull(w.in, f.body[have:])
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return f, err
}
