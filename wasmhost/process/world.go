package process

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/crmgate/crmgate/wasmhost/guest"
)

// hasWorld is a bit in the flag of kindStart and kindCall: the body begins with a guest.World, as JSON after its length of four bytes.
// The process then sends kindSeen before the end of the call.
const hasWorld = 0x80

// maxSeen is the longest body of kindSeen, in bytes: every value of two clocks, and a stack.
const maxSeen = 2*guest.MaxClocks*21 + 64<<10

// withWorld returns the flag and the parts of a frame that begins a call in a world, which may be nil.
func withWorld(w *guest.World, flag byte, parts [][]byte) (byte, [][]byte, error) {
	if w == nil {
		return flag, parts, nil
	}
	b, err := json.Marshal(w)
	if err != nil {
		return flag, parts, err
	}
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(b)))
	return flag | hasWorld, append([][]byte{size, b}, parts...), nil
}

// cutWorld takes the world from a frame that withWorld made. It returns nil if there is none.
func cutWorld(f frame) (*guest.World, frame, error) {
	if f.flag&hasWorld == 0 {
		return nil, f, nil
	}
	f.flag &^= hasWorld
	if len(f.body) < 4 {
		return nil, f, fmt.Errorf("%w: kind %d without a world", errFrame, f.kind)
	}
	size := binary.LittleEndian.Uint32(f.body)
	f.body = f.body[4:]
	if uint64(size) > uint64(len(f.body)) {
		return nil, f, fmt.Errorf("%w: kind %d without a world", errFrame, f.kind)
	}
	w := &guest.World{}
	err := json.Unmarshal(f.body[:size], w)
	f.body = f.body[size:]
	return w, f, err
}

// enter returns the context of a call that a frame begins, and the frame without its world.
func (s *server) enter(ctx context.Context, f frame) (context.Context, frame) {
	w, f, err := cutWorld(f)
	s.must(err)
	if w != nil {
		ctx = guest.WithWorld(ctx, w)
	}
	return ctx, f
}

// saw sends what a call has seen, if its world is recorded or replayed.
func (s *server) saw(ctx context.Context, call uint32) {
	w := guest.WorldOf(ctx)
	if w == nil {
		return
	}
	seen := w.Seen
	if w.Replay { // the server has the clocks
		seen = guest.Seen{Stack: w.Stack}
	}
	b, err := json.Marshal(seen)
	s.must(err)
	s.must(s.send(kindSeen, 0, call, b))
}

// learn takes what a call has seen, as its process says.
func (p *Process) learn(c *call, f frame) error {
	var seen guest.Seen
	if err := p.decode(f, &seen); err != nil {
		return err
	}
	if !seen.Valid() {
		return fmt.Errorf("%w: kind %d is too long", errFrame, f.kind)
	}
	if c.world.Replay {
		c.world.Stack = seen.Stack
		return nil
	}
	c.world.Seen = seen
	return nil
}
