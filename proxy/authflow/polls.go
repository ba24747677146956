package authflow

import (
	"sync"

	"github.com/crmgate/crmgate"
)

// maxWaiters bounds the polls that wait at the same time.
const maxWaiters = 1000

// waiters are the polls that wait, one for each auth session. Safe for concurrent use.
type waiters struct {
	mu sync.Mutex
	by map[string]chan struct{} // by the session's id, closed to wake its poll; guarded by mu
}

func newWaiters() *waiters { return &waiters{by: map[string]chan struct{}{}} }

// join waits for a session in the place of whoever did. woken is closed when it is concluded, or when another poll takes
// this one's place; the caller calls leave.
func (w *waiters) join(id string) (woken <-chan struct{}, leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before := w.by[id]; before != nil {
		close(before)
	} else if len(w.by) >= maxWaiters {
		return nil, nil, &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many wait for a sign-in. Please ask again in a few seconds."}
	}
	ch := make(chan struct{})
	w.by[id] = ch
	return ch, func() { w.leave(id, ch) }, nil
}

func (w *waiters) leave(id string, ch chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[id] == ch {
		delete(w.by, id)
	}
}

// wake wakes the poll that waits for a session, if one does.
func (w *waiters) wake(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.by[id]; ch != nil {
		close(ch)
		delete(w.by, id)
	}
}

func (w *waiters) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.by)
}
