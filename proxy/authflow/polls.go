package authflow

import (
	"sync"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
)

// How many polls may wait at the same time, and how many of them for one client.
const (
	maxPolls    = 4096
	clientPolls = 128
)

// polls are the waiting polls, one for each auth session. Safe for concurrent use.
type polls struct {
	places *limit.Shares

	mu sync.Mutex
	by map[string]*poll // by session id; guarded by mu
}

// poll is a waiting poll. woken is closed to wake it.
type poll struct {
	woken chan struct{}
	place limit.Place
}

func newPolls() *polls {
	return &polls{places: limit.NewShares(limit.Limits{Total: maxPolls, Client: clientPolls, Spare: maxPolls / 2}), by: map[string]*poll{}}
}

// join adds a poll for a session and replaces the one that waits. woken is closed when the session is concluded, or when
// another poll replaces this one. The caller calls leave.
func (w *polls) join(id string, client limit.Client) (woken <-chan struct{}, leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(id)
	place, ok := w.places.TryAcquire(limit.Claim{Client: client})
	if !ok {
		return nil, nil, &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many clients wait for a sign-in. Please ask again in a few seconds."}
	}
	p := &poll{make(chan struct{}), place}
	w.by[id] = p
	return p.woken, func() { w.leave(id, p) }, nil
}

func (w *polls) leave(id string, p *poll) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[id] == p {
		w.end(id)
	}
}

// wake wakes the poll that waits for a session, if there is one.
func (w *polls) wake(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(id)
}

// end wakes and removes the poll that waits for a session, if there is one. The caller locks.
func (w *polls) end(id string) {
	if p := w.by[id]; p != nil {
		close(p.woken)
		p.place.Release()
		delete(w.by, id)
	}
}

func (w *polls) count() int { return w.places.Used() }
