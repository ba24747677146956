package badger

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/crmgate/crmgate/storage"
)

// maxMembers bounds how many callers share a transaction, so that none waits for an endless batch.
const maxMembers = 512

// request is one call of Update.
type request struct {
	ctx context.Context
	// turn carries the transaction to run on, seldom more than once; it is closed when the outcome is settled.
	turn chan *stage
	ran  chan struct{} // the caller has run its function
	// err is the outcome: the function's, set by the caller before ran; then the batch's, set by the committer before turn is closed.
	err error
}

// errTooLarge is one function's writes that no batch can take.
var errTooLarge = errors.New("the transaction is too large")

// errAbandoned marks a function that did not return. Nobody sees it: the caller's goroutine is unwinding.
var errAbandoned = errors.New("the function did not return")

// Update implements storage.Engine. fn runs in the caller's goroutine, when the committer says so.
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

// run gives the turn back whatever fn does: return, panic, or end the goroutine.
func (r *request) run(tx *stage, fn func(storage.Tx) error) {
	defer func() { r.ran <- struct{}{} }()
	if r.err = r.ctx.Err(); r.err != nil {
		return
	}
	r.err = errAbandoned
	r.err = fn(tx)
}

// commitLoop is the committer: the only goroutine that writes to Badger on behalf of callers.
func (e *Engine) commitLoop() {
	defer close(e.committed)
	for r := range e.queue {
		for r != nil {
			r = e.round(r)
		}
	}
}

// round makes a batch of first and whoever waits behind it, and commits it. It returns a request that did not fit.
func (e *Engine) round(first *request) (left *request) {
	b := &batch{engine: e, read: e.db.NewTransaction(false), writes: map[string]entry{}}
	defer b.read.Discard()
	if e.dir != "" {
		b.full = checkSpace(e.dir, e.minFree)
	}
	for r := first; r != nil; r = e.waiting(b) {
		if !b.run(r) {
			left = r
			break
		}
	}
	b.settle(b.commit())
	return left
}

// waiting returns the next request if there is one now.
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

// batch is what becomes one Badger transaction. The committer owns it; a caller reads it during its turn.
type batch struct {
	engine  *Engine
	read    *badger.Txn // what is committed
	writes  map[string]entry
	size    int64 // of writes, at least what Badger will count
	members []*request
	full    error // why nothing may be written, if so
}

// entry is a write that is not committed yet.
type entry struct {
	value   []byte
	expires uint64 // Unix seconds; 0: never
	deleted bool
}

// run lets one caller have its turn and takes over what it wrote. It reports false if that does not fit any more.
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

// settle tells everybody. If the commit failed, that is the outcome also of functions that failed or only read: they
// may have decided on what an earlier member wrote.
func (b *batch) settle(err error) {
	for _, r := range b.members {
		if err != nil {
			r.err = err
		}
		close(r.turn)
	}
}
