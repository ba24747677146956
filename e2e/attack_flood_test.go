package e2e_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// How the sockets of TestFlood behave.
const (
	keptAlive    = iota // gets an answer, then sends no more requests
	silent              // never sends anything
	cutOff              // begins a header and stops
	headerByByte        // sends a byte of a header now and then
	bodyByByte          // announces the largest form and sends a byte now and then
	deaf                // keeps sending requests and reads nothing; only one socket, since it keeps the server busy
	behaviours
)

var behaviourNames = [behaviours]string{"kept alive", "silent", "cut off in the header", "header byte by byte", "body byte by byte", "deaf"}

// TestFlood opens many sockets: half are idle and half trickle. The program still answers other clients and closes the
// sockets that trickle. The long form opens 5,000 sockets and measures time and memory.
func TestFlood(t *testing.T) {
	sockets := 300
	if soak() {
		sockets = 5000
	} else {
		t.Parallel()
	}
	var limit syscall.Rlimit
	edgetest.Must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Max < uint64(sockets+1000) { // Go has raised the soft limit to the hard one
		skip(t, "%d open files are allowed here, and this takes %d (ulimit -Hn)", limit.Max, sockets+1000)
	}
	p := newVictim(t, practicecrm.New(practicecrm.Config{}))
	p.start(t)
	token, err := p.APIKey(t.Context())
	edgetest.Must(t, err)
	before := anonymous(t, p.cmd)

	f := &flood{addr: strings.TrimPrefix(p.URL, "http://"), end: make(chan struct{})}
	defer f.stop()
	began := time.Now()
	f.open(t, sockets)
	opened := time.Since(began)
	peak := anonymous(t, p.cmd)
	var slowest time.Duration
	for honest := 0; f.left(false) > 0; honest++ {
		asked := time.Now()
		if !p.lives(t, token) {
			t.Fatal("a legitimate request was refused")
		}
		slowest = max(slowest, time.Since(asked))
		peak = max(peak, anonymous(t, p.cmd))
		if time.Since(began) > patience() {
			t.Fatalf("after %v, %d sockets still trickle", time.Since(began).Round(time.Second), f.left(false))
		}
		select {
		case <-time.After(50 * time.Millisecond): // between two legitimate requests
		case <-t.Context().Done():
		}
	}
	for kind := silent; kind < behaviours; kind++ {
		most := 10 * time.Second // 5 s for a request, and 5 s for a busy machine
		if kind == deaf {
			most = 20 * time.Second // 10 s for an answer, after all buffers have filled
		}
		if took := time.Duration(f.longest[kind].Load()); soak() && took > most {
			t.Errorf("%s: ended after %v", behaviourNames[kind], took)
		}
		t.Logf("%-22s %4d sockets, the last one ended after %v", behaviourNames[kind], f.count[kind].Load(), time.Duration(f.longest[kind].Load()).Round(100*time.Millisecond))
	}
	t.Logf("%d sockets in %v: %.0f MB of anonymous memory, %.0f MB before; the slowest legitimate answer took %v",
		sockets, opened.Round(10*time.Millisecond), peak, before, slowest.Round(time.Millisecond))
	// A connection may be idle for a minute.
	if n, all := f.left(true), f.count[keptAlive].Load(); n != all && time.Since(began) < 50*time.Second {
		t.Errorf("of %d kept-alive connections, %d were closed too early", all, all-n)
	}
	if !soak() {
		return
	}
	if peak-before > 256 {
		t.Errorf("%.0f MB more than before", peak-before)
	}
	if slowest > 5*time.Second {
		t.Errorf("a legitimate request took %v", slowest)
	}
}

// TestFloodOfRefusedRequests: requests that anyone can send write few lines to the log, and the log has their number.
func TestFloodOfRefusedRequests(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.Freeze()
	const requests, most = 5000, 1200
	refused := func(n int) {
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				for range n / 10 {
					g.get("/authUrl?platform=nowhere").wantError(t, 400, "nowhere")
				}
			})
		}
		group.Wait()
	}
	refused(requests / 2)
	g.Pass(time.Second)
	refused(requests / 2)
	g.Stop()
	written, left := 0, 0
	for text := range strings.Lines(g.Log.String()) {
		var l struct {
			Msg, Message string
			LeftOut      int `json:"left_out"`
		}
		edgetest.Must(t, json.Unmarshal([]byte(text), &l))
		if l.Msg == "refused" {
			written++
		}
		if l.Msg == "refused" || l.Message == "refused" {
			left += l.LeftOut
		}
	}
	if written > most || written+left != requests {
		t.Errorf("%d lines, %d left out; want at most %d lines, and %d in total", written, left, most, requests)
	}
}

// flood is the sockets of an attacker.
type flood struct {
	addr  string
	end   chan struct{}
	tasks sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // guarded by mu

	count   [behaviours]atomic.Int64
	alive   [behaviours]atomic.Int64
	longest [behaviours]atomic.Int64 // nanoseconds until the server closed the socket
}

func (f *flood) stop() {
	close(f.end)
	f.mu.Lock()
	for _, c := range f.conns {
		c.Close()
	}
	f.mu.Unlock()
	f.tasks.Wait()
}

// left counts the open sockets: the kept-alive ones, or the others.
func (f *flood) left(kept bool) int64 {
	if kept {
		return f.alive[keptAlive].Load()
	}
	n := int64(0)
	for kind := silent; kind < behaviours; kind++ {
		n += f.alive[kind].Load()
	}
	return n
}

// open opens n sockets, every second one kept alive, and returns when each has sent its first bytes.
func (f *flood) open(t *testing.T, n int) {
	t.Helper()
	var ready sync.WaitGroup
	var failed atomic.Pointer[error]
	work := make(chan int)
	for range 32 {
		ready.Go(func() {
			for i := range work {
				kind := keptAlive
				if i%2 == 1 {
					kind = silent + (i/2)%(deaf-1)
				}
				if i == n-1 {
					kind = deaf
				}
				if err := f.begin(kind); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	ready.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
}

// begin opens a socket and plays its part in a goroutine until the server closes it.
func (f *flood) begin(kind int) error {
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.conns = append(f.conns, c)
	f.mu.Unlock()
	began := time.Now()
	const get = "GET /isAlive HTTP/1.1\r\nHost: x\r\n"
	first, then := "", ""
	switch kind {
	case keptAlive:
		first = get + "\r\n"
	case cutOff:
		first = get + "X: y"
	case headerByByte:
		first, then = get+"X: ", "y"
	case bodyByByte:
		first, then = "POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n{", " "
	case deaf:
		first, then = get+"\r\n", strings.Repeat(get+"\r\n", 1000)
	}
	if _, err := io.WriteString(c, first); err != nil {
		return err
	}
	if kind == keptAlive {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		if resp.StatusCode != 200 {
			return errors.New(resp.Status)
		}
		resp.Body.Close()
	}
	f.count[kind].Add(1)
	f.alive[kind].Add(1)
	f.tasks.Go(func() {
		defer f.alive[kind].Add(-1)
		f.play(kind, c, then)
		took := int64(time.Since(began))
		for longest := f.longest[kind].Load(); took > longest && !f.longest[kind].CompareAndSwap(longest, took); {
			longest = f.longest[kind].Load()
		}
	})
	return nil
}

// play returns when the server closes the connection, or when the flood ends.
func (f *flood) play(kind int, c net.Conn, then string) {
	for kind == deaf {
		if _, err := io.WriteString(c, then); err != nil { // blocks once all buffers are full
			return
		}
	}
	gone := make(chan struct{})
	f.tasks.Go(func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, c)
	})
	tick := time.NewTicker(700 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return
		case <-f.end:
			return
		case <-tick.C:
		}
		if then == "" {
			continue
		}
		if _, err := io.WriteString(c, then); err != nil {
			return
		}
	}
}
