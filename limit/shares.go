package limit

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/crmgate/crmgate"
)

// Claim says for whom a place is held. An empty field does not count.
type Claim struct {
	Client Client
	Host   string // of the CRM, if a person chose it
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

// Limits are how many places there are in all, and how many a client and a host can hold; 0 means that there is no share.
type Limits struct{ Total, Client, Host int }

// waitingPerPlace is how many requests of a client may wait for each place that the client can hold.
const waitingPerPlace = 8

// ErrBusy means that too many requests of a client wait already. It matches crmgate.ErrTransient.
var ErrBusy = busy{errors.New("too many requests of this client are waiting")}

type busy struct{ error }

func (busy) Is(target error) bool { return target == crmgate.ErrTransient }

// Shares is a number of places. A request holds one for a time. Clients and hosts can hold no more than their share, and of the
// requests that wait, the one whose client holds the fewest places is next. So a client that holds its whole share makes
// others wait for one place at most. Safe for concurrent use.
type Shares struct {
	limits Limits

	mu      sync.Mutex
	used    int            // guarded by mu
	clients map[Client]int // places that each client holds; guarded by mu
	hosts   map[string]int // guarded by mu
	waiting []*waiter      // in the order in which they came; guarded by mu
}

type waiter struct {
	claim   Claim
	granted chan struct{} // closed when the waiter holds a place
}

// NewShares returns places that are all free.
func NewShares(l Limits) *Shares {
	return &Shares{limits: l, clients: map[Client]int{}, hosts: map[string]int{}}
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

// Acquire takes a place, and waits for one until ctx ends. The error is ErrBusy, or that of ctx.
func (s *Shares) Acquire(ctx context.Context, c Claim) (Place, error) {
	s.mu.Lock()
	switch {
	case s.fits(c): // the waiting requests do not fit, so this overtakes nothing
		s.take(c)
		s.mu.Unlock()
		return Place{s, c}, nil
	case s.crowded(c):
		s.mu.Unlock()
		return Place{}, ErrBusy
	}
	w := &waiter{c, make(chan struct{})}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	select {
	case <-w.granted:
		return Place{s, c}, nil
	case <-ctx.Done():
	}
	if !s.leave(w) { // it was granted a place meanwhile
		s.release(c)
	}
	return Place{}, ctx.Err()
}

// leave removes a request that no longer waits. It reports whether the request was still waiting.
func (s *Shares) leave(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, w)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	return i >= 0
}

// fits reports whether a place is free for a claim.
func (s *Shares) fits(c Claim) bool {
	room := func(held, limit int) bool { return limit == 0 || held < limit }
	return s.used < s.limits.Total && room(s.clients[c.Client], s.limits.Client) && room(s.hosts[c.Host], s.limits.Host)
}

// crowded reports whether a client has too many requests that wait.
func (s *Shares) crowded(c Claim) bool {
	if c.Client == (Client{}) || s.limits.Client == 0 {
		return false
	}
	n := 0
	for _, w := range s.waiting {
		if w.claim.Client == c.Client {
			n++
		}
	}
	return n >= waitingPerPlace*s.limits.Client
}

func (s *Shares) take(c Claim) { s.count(c, 1) }

// release frees a place, and gives free places to waiting requests.
func (s *Shares) release(c Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(c, -1)
	for {
		next := -1
		for i, w := range s.waiting {
			if s.fits(w.claim) && (next < 0 || s.clients[w.claim.Client] < s.clients[s.waiting[next].claim.Client]) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		w := s.waiting[next]
		s.waiting = slices.Delete(s.waiting, next, next+1)
		s.take(w.claim)
		close(w.granted)
	}
}

// count adds n to what a claim counts for. A client that is not known has no share.
func (s *Shares) count(c Claim, n int) {
	s.used += n
	if c.Client != (Client{}) {
		add(s.clients, c.Client, n)
	}
	if c.Host != "" {
		add(s.hosts, c.Host, n)
	}
}

func add[K comparable](held map[K]int, key K, n int) {
	if held[key] += n; held[key] == 0 {
		delete(held, key)
	}
}
