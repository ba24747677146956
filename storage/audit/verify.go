package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Report counts what Verify has read.
type Report struct {
	Nodes    int `json:"nodes"`
	Batches  int `json:"batches"`
	Entries  int `json:"entries"`
	Unsealed int `json:"unsealed"` // entries that are in no batch yet
	Problems int `json:"problems"`
}

// Verify recomputes every chain of the audit log, on one snapshot, and calls problem with a sentence for each fault. A
// fault is not an error.
//
// It finds entries and batches that are missing or were changed, moved, swapped or added, up to the last batch. It cannot
// find that unsealed entries were removed, that the whole chain of a process was removed, or that all records of a chain
// were replaced by older ones.
func (l *Log) Verify(ctx context.Context, problem func(string)) (Report, error) {
	v := verification{ctx: ctx, problem: problem, chains: map[nodeID]*chain{}}
	err := l.view(ctx, func(r records) error {
		v.records = r
		nodes, err := r.nodes(func(id nodeID, err error) { v.found("%v: the node's record: %v", id, err) })
		if err != nil {
			return err
		}
		for id, n := range nodes {
			v.chains[id] = &chain{id: id, node: n, recorded: true, next: n.From}
		}
		if err := r.Scan(sealed.Prefix(batchKind), v.batch); err != nil {
			return err
		}
		for _, id := range slices.SortedFunc(maps.Keys(v.chains), func(a, b nodeID) int { return bytes.Compare(a[:], b[:]) }) {
			v.end(v.chains[id])
		}
		return r.Scan(sealed.Prefix(entryKind), v.entry)
	})
	v.report.Nodes = len(v.chains)
	if err != nil {
		return v.report, fmt.Errorf("verify audit log: %w", err)
	}
	return v.report, nil
}

type verification struct {
	records
	ctx     context.Context
	problem func(string)
	report  Report
	chains  map[nodeID]*chain
}

// chain is what was seen of a node's chain so far.
type chain struct {
	id       nodeID
	node     node
	recorded bool   // node was read
	next     uint64 // the number of the next batch
	head     Hash   // of the batch before it, if known
	known    bool
	covered  []run // by batches; runs that touch are one
	broken   bool  // a batch is missing or unreadable, and may have had the entries that are in no batch
}

func (v *verification) found(format string, args ...any) {
	v.report.Problems++
	v.problem(fmt.Sprintf(format, args...))
}

func (v *verification) chain(id nodeID) *chain {
	c := v.chains[id]
	if c == nil {
		c = &chain{id: id}
		v.chains[id] = c
		v.found("%v: there is no record of the node: it is not known whether its beginning or end is missing", id)
	}
	return c
}

// batch is called for each batch, in the order of nodes and numbers.
func (v *verification) batch(key, stored []byte) error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	id, number, err := place(key)
	if err != nil {
		v.found("a batch has an invalid key")
		return nil
	}
	v.report.Batches++
	c := v.chain(id)
	if !c.recorded && !c.known && !c.broken {
		c.next = number // its beginning is not known
	}
	switch {
	case number < c.next:
		v.found("%v: batch %d is older than those that are kept", id, number)
		c.broken = true
		return nil
	case number > c.next:
		v.found("%v: batches %d to %d are missing", id, c.next, number-1)
		c.known, c.broken = false, true
	}
	c.next = number + 1
	var b batch
	payload, err := v.Open(batchKind, key, stored)
	if err == nil {
		b, err = decodeBatch(payload)
	}
	if err != nil {
		v.found("%v: batch %d: %v", id, number, err)
		c.known, c.broken = false, true
		return nil
	}
	if (c.known || number == 0) && b.Previous != c.head {
		v.found("%v: batch %d does not follow the batch before it", id, number)
	}
	v.content(c, number, b)
	c.head, c.known = b.Hash, true
	return nil
}

// content checks a batch against the entries that are stored.
func (v *verification) content(c *chain, number uint64, b batch) {
	var entries [][]byte
	whole := true
	_ = b.numbers(func(n uint64) error {
		payload, err := v.Get(entryKind, entryKey(c.id, n))
		switch {
		case errors.Is(err, crmgate.ErrNotFound):
			v.found("%v: entry %d of batch %d is missing", c.id, n, number)
		case err != nil:
			v.found("%v: entry %d of batch %d: %v", c.id, n, number, err)
		}
		whole = whole && err == nil
		entries = append(entries, payload)
		return nil
	})
	v.report.Entries += len(entries)
	if whole && b.sum(c.id, number, entries) != b.Hash {
		v.found("%v: batch %d does not match its entries: they were changed", c.id, number)
	}
	for _, r := range b.Runs {
		if k := len(c.covered) - 1; k >= 0 && c.covered[k].End == r.First {
			c.covered[k].End = r.End
		} else {
			c.covered = append(c.covered, r)
		}
	}
}

// end checks a chain against the record of its node.
func (v *verification) end(c *chain) {
	switch {
	case !c.recorded:
	case c.next < c.node.Batches:
		v.found("%v: batches %d to %d are missing, at the end of the chain", c.id, c.next, c.node.Batches-1)
		c.broken = true
	case c.next > c.node.Batches:
		v.found("%v: there are %d batches, but the node has recorded %d", c.id, c.next, c.node.Batches)
	case c.known && c.head != c.node.Head:
		v.found("%v: the last batch differs from the one that the node has recorded", c.id)
	}
	slices.SortFunc(c.covered, func(a, b run) int {
		if a.First < b.First {
			return -1
		}
		return 1
	})
}

func (c *chain) covers(n uint64) bool {
	_, ok := slices.BinarySearchFunc(c.covered, n, func(r run, n uint64) int {
		switch {
		case r.End <= n:
			return -1
		case r.First > n:
			return 1
		}
		return 0
	})
	return ok
}

// entry is called for each entry, after the batches.
func (v *verification) entry(key, stored []byte) error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	id, number, err := place(key)
	if err != nil {
		v.found("an entry has an invalid key")
		return nil
	}
	c := v.chain(id)
	if c.covers(number) || c.broken {
		return nil // in a batch, or already reported
	}
	v.report.Entries++
	if c.recorded && (number < c.node.Next || c.node.Closed) {
		v.found("%v: entry %d is in no batch: it was added, or its batch was removed", id, number)
		return nil
	}
	v.report.Unsealed++
	payload, err := v.Open(entryKind, key, stored)
	if err == nil {
		_, err = decodeEntry(payload)
	}
	if err != nil {
		v.found("%v: entry %d: %v", id, number, err)
	}
	return nil
}
