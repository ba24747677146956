package process

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/guest"
)

// frames returns what a sender writes for these frames.
func frames(all ...frame) []byte {
	var b bytes.Buffer
	w := &wire{out: &b}
	for _, f := range all {
		_ = w.send(f.kind, f.flag, f.call, f.body)
	}
	return b.Bytes()
}

// FuzzFromGuestProcess: whatever a guest process sends, the server keeps to its limits, and to what may be said.
func FuzzFromGuestProcess(f *testing.F) {
	f.Add(frames(frame{kind: kindReady, body: []byte(`["landlock"]`)}, frame{kind: kindLoaded, body: []byte(`{}`)}))
	f.Add(frames(frame{kind: kindFetch, call: 1, body: []byte(`{}`)}, frame{kind: kindDone, call: 1, flag: 1, body: []byte("\x00\x00\x00\x00{}")}))
	f.Add(frames(frame{kind: kindLog, call: 1, flag: 3, body: []byte("x")}, frame{kind: kindConfig, call: 1, body: []byte("NAME")}, frame{kind: kindStopped, call: 1, body: []byte(`{"How":"trapped"}`)}))
	f.Add(frames(frame{kind: kindReady, body: []byte(`[]`)}, frame{kind: kindInstrumented, body: []byte("admits")}, frame{kind: kindMachine, flag: 1, body: []byte("x")}))
	f.Add(frames(frame{kind: kindDerive, call: 1, body: []byte(`{"base64":"x"}`)}, frame{kind: kindDerive, call: 0}))
	f.Add(frames(frame{kind: kindSeen, call: 1, body: []byte(`{"Wall":[1],"Stack":".$1()"}`)}, frame{kind: kindSeen, call: 2}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, byte(kindDone), 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &Process{admits: bytes.Contains(b, []byte("admits")), limits: guest.Limits{MaxOutput: 100, MaxFetches: 2, MaxLogLines: 2}, calls: map[uint32]*call{}}
		p.wire = &wire{in: bufio.NewReader(bytes.NewReader(b)), limit: p.longest, route: p.accept}
		calls := []*call{p.newCall(0), p.newCall(1), p.newCall(1)}
		calls[1].ends, calls[2].ends = kindDone, kindStarted
		calls[1].world = &guest.World{}
		counts := map[*call]map[kind]int{}
		for _, c := range calls {
			counts[c] = map[kind]int{}
		}
		for {
			f, err := p.read()
			if err != nil {
				return
			}
			box, err := p.accept(f)
			if err != nil {
				return
			}
			for _, c := range calls {
				if c.box != box {
					continue
				}
				counts[c][f.kind]++
				n := counts[c]
				if (c.id == 0) != (f.kind == kindReady || f.kind == kindLoaded || f.kind == kindInstrumented || f.kind == kindMachine) || n[kindFetch] > 2 || n[kindLog] > 2 || n[kindDerive] > guest.MaxDerives || n[kindDone]+n[kindStopped]+n[kindStarted] > 1 || n[kindSeen] > 1 || c.world == nil && n[kindSeen] > 0 || !p.admits && n[kindMachine] > 0 {
					t.Fatalf("call %d could say %v", c.id, n)
				}
				c.busy = false // as if it was answered
			}
			if len(f.body) > p.longest(f.kind) || f.kind == kindDone && len(f.body) < 4 {
				t.Fatalf("kind %d with %d bytes", f.kind, len(f.body))
			}
		}
	})
}

// FuzzToGuestProcess: what the server sends arrives as it was sent, in frames of any size, and nothing else is taken for a frame.
func FuzzToGuestProcess(f *testing.F) {
	f.Add(byte(kindCall), byte(3), uint32(7), []byte("abc{}"), 3)
	f.Add(byte(kindAnswer), byte(0), uint32(1<<31), bytes.Repeat([]byte("x"), 40<<10), 0)
	f.Add(byte(kindDone), byte(0), uint32(0), []byte{}, 0)
	f.Fuzz(func(t *testing.T, k, flag byte, call uint32, body []byte, split int) {
		split = int(uint(split) % uint(len(body)+1))
		var b bytes.Buffer
		out := &wire{out: &b}
		if err := out.send(kind(k), flag, call, body[:split], body[split:]); err != nil {
			t.Fatal(err)
		}
		s := &server{calls: map[uint32]*running{}, next: newMailbox()}
		s.wire = &wire{in: bufio.NewReader(&b), limit: longestHere}
		got, err := s.read()
		if taken := kind(k) >= kindHello && kind(k) <= kindCancel; taken != (err == nil) {
			t.Fatalf("kind %d: %v", k, err)
		} else if taken && (got.kind != kind(k) || got.flag != flag || got.call != call || !bytes.Equal(got.body, body)) {
			t.Fatalf("sent %d %d %d %q, got %+v", k, flag, call, body, got)
		}
	})
}
