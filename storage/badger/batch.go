package badger

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/crmgate/crmgate/storage"
)

// maxMembers bounds how many callers share a transaction, so that a batch ends.
const maxMembers = 512

// request is one call of Update.
type request struct {
	ctx context.Context
	// turn carries the transaction to run in, rarely more than once. It is closed when the outcome is known.
	turn chan *stage
	ran  chan struct{} // the caller has run its function
	// err is the outcome. The caller sets the function's error before ran; the committer sets the batch's before it closes
	// turn.
	err error
}

// errTooLarge means that one function writes more than a batch can have.
var errTooLarge = errors.New("the transaction is too large")

// errAbandoned marks a function that did not return. No caller sees it, as the caller's goroutine is unwinding.
var errAbandoned = errors.New("the function did not return")

// Update implements storage.Engine. fn runs in the caller's goroutine when the committer gives it the turn.
func (e *Engine) Update(ctx context.Context, fn func(storage.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.active.Done()
	r := &request{ctx: ctx, turn: make(chan *stage, 1), ran: make(chan struct{}, 1)}
	select {
	case e.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	for tx := range r.turn {
		r.run(tx, fn)
	}
	return r.err
}

// run gives the turn back, even if fn panics or ends the goroutine.
func (r *request) run(tx *stage, fn func(storage.Tx) error) {
	defer func() { r.ran <- struct{}{} }()
	if r.err = r.ctx.Err(); r.err != nil {
		return
	}
	r.err = errAbandoned
	r.err = fn(tx)
}

// commitLoop is the committer, the only goroutine that writes to Badger.
func (e *Engine) commitLoop() {
	defer close(e.committed)
	for r := range e.queue {
		for r != nil {
			r = e.round(r)
		}
	}
}

// round makes a batch of first and the requests that wait, and commits it. It returns a request that did not fit.
func (e *Engine) round(first *request) (left *request) {
	e.resume()
	if e.lost != nil {
		first.err = e.lost
		close(first.turn)
		return nil
	}
	b := &batch{engine: e, read: e.db.NewTransaction(false), writes: map[string]entry{}}
	defer b.read.Discard()
	b.full = e.Writable()
	for r := first; r != nil; r = e.waiting(b) {
		if !b.run(r) {
			left = r
			break
		}
	}
	b.settle(b.commit())
	return left
}

// waiting returns the next request that waits now; nil if there is none or the batch is full.
func (e *Engine) waiting(b *batch) *request {
	if len(b.members) == maxMembers {
		return nil
	}
	select {
	case r := <-e.queue:
		return r
	default:
		return nil
	}
}

// batch becomes one Badger transaction. The committer owns it; a caller reads it during its turn.
type batch struct {
	engine  *Engine
	read    *badger.Txn // a snapshot of what is committed
	writes  map[string]entry
	size    int64 // of writes; at least what Badger will count
	members []*request
	full    error // set if the disk is almost full: nothing may be written
}

// entry is a write that is not committed yet.
type entry struct {
	value   []byte
	expires uint64 // Unix seconds; 0: never
	deleted bool
}

// run gives one caller the turn and adds its writes to the batch. It returns false if they do not fit.
func (b *batch) run(r *request) bool {
	s := &stage{batch: b}
	r.turn <- s
	<-r.ran
	switch {
	case r.err != nil || len(s.writes) == 0:
	case b.full != nil:
		r.err = b.full
	case b.fits(s):
		b.take(s)
	case len(b.writes) > 0:
		return false
	default:
		r.err = errTooLarge
	}
	b.members = append(b.members, r)
	return true
}

func (b *batch) fits(s *stage) bool {
	db := b.engine.db
	return int64(len(b.writes)+len(s.writes)) < db.MaxBatchCount() && b.size+s.size < db.MaxBatchSize()
}

func (b *batch) take(s *stage) {
	for k, v := range s.writes {
		b.writes[k] = v
	}
	b.size += s.size
}

func (b *batch) commit() error {
	if len(b.writes) == 0 {
		return nil
	}
	txn := b.engine.db.NewTransaction(true)
	defer txn.Discard()
	for k, w := range b.writes {
		if err := w.apply(txn, []byte(k)); err != nil {
			return fmt.Errorf("write store: %w", err)
		}
	}
	if err := txn.Commit(); err != nil {
		return fmt.Errorf("write store: %w", err)
	}
	return nil
}

func (w entry) apply(txn *badger.Txn, key []byte) error {
	if w.deleted {
		return txn.Delete(key)
	}
	e := badger.NewEntry(key, w.value)
	e.ExpiresAt = w.expires
	return txn.SetEntry(e)
}

// settle gives all callers their outcome. A failed commit is also the outcome of functions that failed or only read: they
// may have read what an earlier member wrote.
func (b *batch) settle(err error) {
	for _, r := range b.members {
		if err != nil {
			r.err = err
		}
		close(r.turn)
	}
}
