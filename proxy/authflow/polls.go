package authflow

import (
	"sync"

	"github.com/crmgate/crmgate"
)

// maxPolls bounds the polls that wait at the same time.
const maxPolls = 1000

// polls are the waiting polls, one for each auth session. Safe for concurrent use.
type polls struct {
	mu sync.Mutex
	by map[string]chan struct{} // by session id; closed to wake the poll; guarded by mu
}

func newPolls() *polls { return &polls{by: map[string]chan struct{}{}} }

// join adds a poll for a session and replaces the one that waits. woken is closed when the session is concluded, or when
// another poll replaces this one. The caller calls leave.
func (w *polls) join(id string) (woken <-chan struct{}, leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before := w.by[id]; before != nil {
		close(before)
	} else if len(w.by) >= maxPolls {
		return nil, nil, &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many clients wait for a sign-in. Please ask again in a few seconds."}
	}
	ch := make(chan struct{})
	w.by[id] = ch
	return ch, func() { w.leave(id, ch) }, nil
}

func (w *polls) leave(id string, ch chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[id] == ch {
		delete(w.by, id)
	}
}

// wake wakes the poll that waits for a session, if there is one.
func (w *polls) wake(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.by[id]; ch != nil {
		close(ch)
		delete(w.by, id)
	}
}

func (w *polls) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.by)
}
