package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// KeepConfig has the options of Keep.
type KeepConfig struct {
	// Retention is how long entries are kept; 0 means forever.
	Retention time.Duration
	// Alone says that no other process has the store open. Then the chains of earlier processes can be closed at once.
	Alone bool
	// Every is how often entries are sealed; default a minute. A full batch is sealed immediately.
	Every time.Duration
	// Logger gets the errors of the background; default slog.Default().
	Logger *slog.Logger
}

// Keeper seals the entries of this process into batches, writes the counts of events that were not written one by one,
// closes the chains of processes that are gone, and drops old batches.
type Keeper struct {
	log  *Log
	c    KeepConfig
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex // held for a pass
	node    nodeID     // of this process; guarded by mu
	batches uint64     // of this node, as far as this process knows; guarded by mu
	renewed time.Time  // when the node's lease was renewed; guarded by mu
	tidied  time.Time  // when gone nodes and old batches were last looked for; guarded by mu
	closed  bool       // guarded by mu
}

// tidyEvery is how often gone nodes and old batches are looked for.
const tidyEvery = 10 * time.Minute

// passTimeout bounds one pass of the background.
const passTimeout = time.Minute

// Keep starts a Keeper. It closes the chains of processes that are gone, and seals in the background. A Log has one Keeper
// at a time. The caller closes it after the last use of the store, and before the engine.
func (l *Log) Keep(ctx context.Context, c KeepConfig) (*Keeper, error) {
	if c.Every == 0 {
		c.Every = time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if !l.w.keep() {
		return nil, errors.New("the audit log has a keeper already")
	}
	k := &Keeper{log: l, c: c, stop: make(chan struct{}), done: make(chan struct{})}
	if err := k.closeGone(ctx); err != nil {
		k.warn(ctx, err)
	}
	go k.loop()
	return k, nil
}

// warn logs an error that does not prevent people from signing in.
func (k *Keeper) warn(ctx context.Context, err error) {
	k.c.Logger.WarnContext(ctx, "the audit log could not be sealed; it will be tried again", "err", err)
}

func (k *Keeper) loop() {
	defer close(k.done)
	tick := time.NewTicker(k.c.Every)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-tick.C:
		case <-k.log.w.full:
		}
		ctx, cancel := context.WithTimeout(context.Background(), passTimeout)
		if err := k.Pass(ctx); err != nil {
			k.warn(ctx, err)
		}
		cancel()
	}
}

// Close writes the counts, seals the last entries and closes the node's chain. The caller must not record events while Close runs. Events
// recorded later are sealed by the next process.
func (k *Keeper) Close() error {
	k.mu.Lock()
	closed := k.closed
	k.closed = true
	k.mu.Unlock()
	if closed {
		return nil
	}
	close(k.stop)
	<-k.done
	ctx, cancel := context.WithTimeout(context.Background(), passTimeout)
	defer cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	err := errors.Join(k.countLeftOut(ctx), k.countRepeats(ctx, true), k.seal(ctx, true))
	k.log.w.letGo()
	return err
}

// Pass does once what the Keeper does in the background.
func (k *Keeper) Pass(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := []error{k.countLeftOut(ctx), k.countRepeats(ctx, false), k.seal(ctx, false)}
	if now := k.log.now(); k.tidied.IsZero() || now.Sub(k.tidied) >= tidyEvery || now.Before(k.tidied) {
		err := errors.Join(k.closeGone(ctx), k.dropOld(ctx))
		if err == nil {
			k.tidied = now
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// countLeftOut writes how many failures Record left out.
func (k *Keeper) countLeftOut(ctx context.Context) error {
	var errs []error
	for l, n := range k.log.w.leftOut() {
		err := k.log.record(ctx, Event{Kind: l.kind, Outcome: OutcomeLeftOut, Platform: l.platform, Count: n})
		if err != nil {
			k.log.w.putBack(l, n)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// seal makes batches of the entries, and renews the node's lease. At the end of the process (last) it closes the chain.
func (k *Keeper) seal(ctx context.Context, last bool) error {
	for {
		u := k.log.w.unsealed()
		if u.node != k.node {
			k.node, k.batches, k.renewed = u.node, 0, time.Time{}
		}
		idle := len(u.written)+len(u.unsure) == 0
		alive := k.log.now().Sub(k.renewed) < nodeLease/2
		if !u.recorded || idle && alive && !last {
			return nil
		}
		err := k.sealOne(ctx, u, last && idle)
		if sealed.Lost(err) { // the chain cannot go on from a record that was removed or changed: begin another
			k.log.w.abandon(u.node)
		}
		if err != nil {
			return fmt.Errorf("seal audit log: %w", err)
		}
		if idle {
			return nil
		}
	}
}

func (k *Keeper) sealOne(ctx context.Context, u unsealed, closing bool) error {
	var after node
	err := k.log.update(ctx, func(r records) error {
		n, err := r.readNode(k.node)
		if err != nil {
			return err
		}
		entries, err := r.settled(k.node, u)
		if err != nil {
			return err
		}
		// Another process may have taken this one for gone and closed the chain: go on behind its batches.
		for i := k.batches; i < n.Batches; i++ {
			b, err := r.readBatch(k.node, i)
			if err != nil {
				return err
			}
			_ = b.numbers(func(number uint64) error { delete(entries, number); return nil })
		}
		numbers := slices.Sorted(maps.Keys(entries))
		ordered := make([][]byte, len(numbers))
		for i, number := range numbers {
			ordered[i] = entries[number]
		}
		if n, err = r.appendBatch(k.node, n, numbers, ordered); err != nil {
			return err
		}
		n.Next = max(n.Next, u.end)
		n.Until, n.Closed = r.Now.Add(nodeLease), closing
		after = n
		return r.writeNode(k.node, n)
	})
	if err != nil {
		return err
	}
	k.batches, k.renewed = after.Batches, k.log.now()
	k.log.w.sealed(u)
	return nil
}

// settled returns the entries that were written, and the unsure ones that turn out to be stored. An acknowledged entry is
// taken as it was written, not as it is in the store now.
func (r records) settled(id nodeID, u unsealed) (map[uint64][]byte, error) {
	entries := maps.Clone(u.written)
	for _, n := range u.unsure {
		b, err := r.Get(entryKind, entryKey(id, n))
		switch {
		case err == nil:
			entries[n] = b
		case !errors.Is(err, crmgate.ErrNotFound):
			return nil, err
		}
	}
	return entries, nil
}

// nodes reads the records of all nodes. It calls unreadable, if set, for records that do not open.
func (r records) nodes(unreadable func(nodeID, error)) (map[nodeID]node, error) {
	all := map[nodeID]node{}
	err := r.Scan(sealed.Prefix(nodeKind), func(key, stored []byte) error {
		id, _, err := place(key)
		if err != nil {
			return err
		}
		b, err := r.Open(nodeKind, key, stored)
		if err == nil {
			all[id], err = decodeNode(b)
		}
		if err != nil {
			delete(all, id)
			if unreadable != nil {
				unreadable(id, err)
			}
		}
		return nil
	})
	return all, err
}

func (l *Log) nodes(ctx context.Context) (all map[nodeID]node, err error) {
	err = l.view(ctx, func(r records) (err error) {
		all, err = r.nodes(nil)
		return err
	})
	return all, err
}

// closeGone closes the chains of processes that are gone.
func (k *Keeper) closeGone(ctx context.Context) error {
	all, err := k.log.nodes(ctx)
	if err != nil {
		return fmt.Errorf("close audit chains: %w", err)
	}
	now := k.log.now()
	for id, n := range all {
		if id == k.node || n.Closed || !k.c.Alone && now.Before(n.Until) {
			continue
		}
		if err := k.log.closeChain(ctx, id, n); err != nil && !errors.Is(err, crmgate.ErrConflict) {
			return fmt.Errorf("close audit chain of %v: %w", id, err)
		}
	}
	return nil
}

// longestGap is how many empty pages end the entries of a process that is gone: 65,536 consecutive writes that failed.
const longestGap = 256

// closeChain seals a node's entries behind its last batch, and closes its chain. An entry that does not open is left out;
// Verify reports it.
func (l *Log) closeChain(ctx context.Context, id nodeID, seen node) error {
	var left []uint64
	var err error
	for page, empty := seen.Next/pageSize, 0; empty < longestGap && err == nil; page++ {
		var entries []numbered
		entries, err = l.page(ctx, id, page)
		empty++
		for _, e := range entries {
			empty = 0
			if e.number >= seen.Next {
				left = append(left, e.number)
			}
		}
	}
	for err == nil {
		some := left[:min(maxBatch, len(left))]
		left = left[len(some):]
		err = l.update(ctx, func(r records) error {
			n, err := r.readNode(id)
			if err != nil {
				return err
			}
			if n.Batches != seen.Batches || n.Until.UnixMilli() != seen.Until.UnixMilli() {
				return crmgate.ErrConflict // the node is alive, or another process closes it
			}
			entries, err := r.settled(id, unsealed{written: map[uint64][]byte{}, unsure: some})
			if err != nil {
				return err
			}
			ordered := make([][]byte, len(some))
			for i, number := range some {
				ordered[i] = entries[number]
			}
			if n, err = r.appendBatch(id, n, some, ordered); err != nil {
				return err
			}
			n.Closed = len(left) == 0
			seen = n
			return r.writeNode(id, n)
		})
		if len(left) == 0 {
			break
		}
	}
	return err
}

// maxDropped bounds the batches that one pass drops, as each takes a transaction.
const maxDropped = 1000

// dropOld drops batches whose newest entry is older than the retention, with their entries, from the oldest of each chain.
func (k *Keeper) dropOld(ctx context.Context) error {
	if k.c.Retention <= 0 {
		return nil
	}
	all, err := k.log.nodes(ctx)
	dropped := 0
	for id := range all {
		for more := true; more && err == nil && dropped < maxDropped; dropped++ {
			more, err = k.dropOldest(ctx, id)
		}
	}
	if err != nil {
		return fmt.Errorf("drop old entries of the audit log: %w", err)
	}
	return nil
}

// dropOldest drops a chain's oldest batch if it is older than the retention, and reports whether there may be more. The
// record of a closed chain without batches is dropped too.
func (k *Keeper) dropOldest(ctx context.Context, id nodeID) (more bool, err error) {
	err = k.log.update(ctx, func(r records) error {
		more = false
		n, err := r.readNode(id)
		switch {
		case errors.Is(err, crmgate.ErrNotFound):
			return nil
		case err != nil:
			return err
		case n.From == n.Batches && n.Closed && id != k.node:
			return r.Delete(nodeKey(id))
		case n.From == n.Batches:
			return nil
		}
		b, err := r.readBatch(id, n.From)
		if sealed.Lost(err) {
			return nil // a damaged batch stays; Verify reports it
		}
		if err != nil || r.Now.Sub(b.Newest) <= k.c.Retention {
			return err
		}
		err = b.numbers(func(number uint64) error { return r.Delete(entryKey(id, number)) })
		n.From++
		more = true
		return errors.Join(err, r.Delete(batchKey(id, n.From-1)), r.writeNode(id, n))
	})
	return more, err
}
