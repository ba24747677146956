package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/crmgate/crmgate"
)

// Claim names the client and the host that a place counts against. An empty field does not count.
type Claim struct {
	Client Client
	Host   string // of the CRM, if a person chose it
	// Begun says that the request has held a place before, and has released it to wait for something else. It goes before those
	// that have not begun, so that what it has done is not in vain. It is not too many for its client.
	Begun bool
}

// Client is the client that a request comes from: the account if it is proven, otherwise the source.
type Client struct {
	Source  crmgate.Source
	Account crmgate.AccountID
}

// ClientOf returns the client of a request. account is the account that the request proves; empty if it proves none.
func ClientOf(ctx context.Context, account crmgate.AccountID) Client {
	if account != "" {
		return Client{Account: account}
	}
	return Client{Source: crmgate.SourceOf(ctx)}
}

// Limits are numbers of places.
type Limits struct {
	Total int
	// Client and Host are the most that a client and a host can hold; 0 for no such limit.
	Client, Host int
	// Spare lets a client hold more than its share while fewer than Spare places are held and no other client waits. An office
	// is one client, and uses places that would stay free.
	Spare int
}

// waitingPerPlace is how many requests of a client may wait for each place of its share.
const waitingPerPlace = 64

// ErrBusy means that a request got no place: too many requests of its client wait already, or it gave up. It matches
// crmgate.ErrTransient.
var ErrBusy = busy{errors.New("too many requests are running")}

type busy struct{ error }

func (busy) Is(target error) bool { return target == crmgate.ErrTransient }

// Shares limits how many requests run at once: each holds a place. A client or a host holds at most its share. When a place is
// released, the waiting request whose client holds the fewest places gets it; one that has begun goes first. Of several such clients, the one that has
// waited longest for a place is next, and not the one that has just released its own. Safe for concurrent use.
type Shares struct {
	limits Limits

	mu      sync.Mutex
	used    int                // guarded by mu
	grants  uint64             // places that were granted so far; guarded by mu
	clients map[Client]holding // of the clients that hold a place or wait; guarded by mu
	hosts   map[string]int     // places that each host holds; guarded by mu
	waiting []*waiter          // in the order in which they came; guarded by mu
}

// holding is what a client has.
type holding struct {
	held, waiting int
	last          uint64 // the number of its latest grant; 0 for none
}

type waiter struct {
	claim   Claim
	granted chan struct{} // closed when the waiter holds a place
}

// NewShares returns places that are all free.
func NewShares(l Limits) *Shares {
	return &Shares{limits: l, clients: map[Client]holding{}, hosts: map[string]int{}}
}

// Used returns how many places are held.
func (s *Shares) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// Place is a place that a request holds. Its holder calls Release once.
type Place struct {
	shares *Shares
	claim  Claim
}

// Release gives the place back.
func (p Place) Release() { p.shares.release(p.claim) }

// TryAcquire takes a place if one is free. ok is false if there is none.
func (s *Shares) TryAcquire(c Claim) (p Place, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fits(c) {
		return Place{}, false
	}
	s.take(c)
	return Place{s, c}, true
}

// Acquire takes a place, or waits for one until ctx ends. The error matches ErrBusy, and that of ctx if ctx ended.
func (s *Shares) Acquire(ctx context.Context, c Claim) (Place, error) {
	s.mu.Lock()
	switch {
	case s.fits(c): // the waiting requests do not fit, so this overtakes nothing
		s.take(c)
		s.mu.Unlock()
		return Place{s, c}, nil
	case !c.Begun && s.crowded(c.Client):
		s.mu.Unlock()
		return Place{}, ErrBusy
	}
	w := &waiter{c, make(chan struct{})}
	s.waiting = append(s.waiting, w)
	s.count(c.Client, 0, 1)
	s.mu.Unlock()
	select {
	case <-w.granted:
		return Place{s, c}, nil
	case <-ctx.Done():
	}
	if !s.leave(w) { // it was granted a place meanwhile
		s.release(c)
	}
	return Place{}, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
}

// leave removes a request that no longer waits. It reports whether the request was still waiting.
func (s *Shares) leave(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, w)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.count(w.claim.Client, 0, -1)
	}
	return i >= 0
}

// fits reports whether a place is free for a claim.
func (s *Shares) fits(c Claim) bool {
	room := func(held, limit int) bool { return limit == 0 || held < limit }
	spare := s.used < s.limits.Spare && len(s.waiting) == s.clients[c.Client].waiting
	return s.used < s.limits.Total && room(s.hosts[c.Host], s.limits.Host) && (spare || room(s.clients[c.Client].held, s.limits.Client))
}

// crowded reports whether a client has too many requests that wait.
func (s *Shares) crowded(c Client) bool {
	return s.limits.Client > 0 && s.clients[c].waiting >= waitingPerPlace*s.limits.Client
}

// take takes a place.
func (s *Shares) take(c Claim) {
	s.grants++
	s.used++
	s.count(c.Client, 1, 0)
	s.countHost(c.Host, 1)
}

// release frees a place, and gives free places to waiting requests.
func (s *Shares) release(c Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	s.countHost(c.Host, -1)
	s.count(c.Client, -1, 0)
	for i := s.next(); i >= 0; i = s.next() {
		w := s.waiting[i]
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.count(w.claim.Client, 0, -1)
		s.take(w.claim)
		close(w.granted)
	}
}

// next returns the index of the waiting request that gets the next place; -1 if none fits.
func (s *Shares) next() int {
	next := -1
	for i, w := range s.waiting {
		if s.fits(w.claim) && (next < 0 || s.before(w.claim, s.waiting[next].claim)) {
			next = i
		}
	}
	return next
}

// before reports whether a claim is to get a place before another one.
func (s *Shares) before(a, b Claim) bool {
	if a.Begun != b.Begun {
		return a.Begun
	}
	x, y := s.clients[a.Client], s.clients[b.Client]
	return x.held < y.held || x.held == y.held && x.last < y.last
}

// count adds to what a client holds and to its requests that wait. An unknown client has no share.
func (s *Shares) count(c Client, held, waiting int) {
	if c == (Client{}) {
		return
	}
	h := s.clients[c]
	h.held += held
	h.waiting += waiting
	if held > 0 {
		h.last = s.grants
	}
	if s.clients[c] = h; h.held == 0 && h.waiting == 0 {
		delete(s.clients, c)
	}
}

func (s *Shares) countHost(host string, n int) {
	if host == "" {
		return
	}
	if s.hosts[host] += n; s.hosts[host] == 0 {
		delete(s.hosts, host)
	}
}
