package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
)

// maxAuditPages bounds what one look back reads, once it has read anything: some ten thousand entries.
const maxAuditPages = 40

// ReadBack returns entries about an account, the latest first, most at the most, and where to go on: what it returned as
// next before, or empty to begin. It reads a bounded number of entries, whoever they are about: so it may return few, or
// none, with more to come. next is empty at the end.
func (l *Log) ReadBack(ctx context.Context, account crmgate.AccountID, from string, most int) (entries []Entry, next string, err error) {
	b := back{log: l}
	if from != "" && !b.place.parse(from) {
		return nil, "", crmgate.Refuse("This is no place in the log.")
	}
	if err := b.begin(ctx); err != nil {
		return nil, "", fmt.Errorf("read audit log: %w", err)
	}
	who := resolver{log: l, people: map[Hash]known{}, accounts: map[Hash]crmgate.AccountID{}}
	about := l.accountHash(account)
	for read := 0; ; read++ {
		if read > 0 && (len(entries) == most || b.pages >= maxAuditPages) {
			return entries, b.place.String(), nil
		}
		e, ok, err := b.next(ctx)
		if err != nil || !ok {
			return entries, "", err
		}
		if e.Account != about {
			continue
		}
		shown, err := who.resolve(ctx, e)
		if err != nil {
			return nil, "", fmt.Errorf("read audit log: %w", err)
		}
		shown.Account = account
		entries = append(entries, shown)
	}
}

// position is an entry's place among all of them.
type position struct {
	at     time.Time
	node   nodeID
	number uint64
}

func placeOf(e numbered) position { return position{e.At, e.node, e.number} }

func (p position) compare(q position) int {
	return cmp.Or(p.at.Compare(q.at), bytes.Compare(p.node[:], q.node[:]), cmp.Compare(p.number, q.number))
}

func (p position) String() string {
	return fmt.Sprintf("%d-%d-%s", p.at.UnixMilli(), p.number, hex.EncodeToString(p.node[:]))
}

func (p *position) parse(s string) bool {
	var ms int64
	var node []byte
	if n, err := fmt.Sscanf(s, "%d-%d-%x", &ms, &p.number, &node); n != 3 || err != nil || len(node) != len(p.node) {
		return false
	}
	p.at, p.node = time.UnixMilli(ms), nodeID(node)
	return p.String() == s
}

// back reads the nodes' entries side by side, from the end. A node takes part once its last entry may be the latest.
type back struct {
	log     *Log
	place   position   // of the entry that was read last; zero: none
	waiting []backward // by their ends, the latest last
	open    []*backward
	pages   int // read so far
}

// backward is a place in a node's entries, of which it holds a page.
type backward struct {
	id    nodeID
	node  node
	pages []uint64 // still to be read are those from the first up to, but without, the second
	ready []numbered
}

func (b *back) begin(ctx context.Context) error {
	all, err := b.log.nodes(ctx)
	for id, n := range all {
		if b.place.at.IsZero() || !n.Started.After(b.place.at) {
			b.waiting = append(b.waiting, backward{id: id, node: n})
		}
	}
	slices.SortFunc(b.waiting, func(x, y backward) int {
		return cmp.Or(x.node.Until.Compare(y.node.Until), bytes.Compare(x.id[:], y.id[:]))
	})
	return err
}

// next returns the latest entry before the place, and makes it the place.
func (b *back) next(ctx context.Context) (numbered, bool, error) {
	for len(b.waiting) > 0 {
		last := b.waiting[len(b.waiting)-1]
		if len(b.open) > 0 && last.node.Until.Before(b.latest().last().At) {
			break
		}
		b.waiting = b.waiting[:len(b.waiting)-1]
		if err := b.enter(ctx, &last); err != nil {
			return numbered{}, false, err
		}
	}
	if len(b.open) == 0 {
		return numbered{}, false, nil
	}
	c := b.latest()
	e := c.last()
	c.ready = c.ready[:len(c.ready)-1]
	b.place = placeOf(e)
	if len(c.ready) == 0 {
		if err := b.fill(ctx, c); err != nil {
			return e, false, err
		}
		b.open = slices.DeleteFunc(b.open, func(c *backward) bool { return len(c.ready) == 0 })
	}
	return e, true, nil
}

func (c *backward) last() numbered { return c.ready[len(c.ready)-1] }

func (b *back) latest() *backward {
	return slices.MaxFunc(b.open, func(x, y *backward) int { return placeOf(x.last()).compare(placeOf(y.last())) })
}

// enter finds a node's last page, or that of the place, and opens what has anything to show.
func (b *back) enter(ctx context.Context, c *backward) error {
	first, err := b.log.firstKept(ctx, c.id, c.node)
	if err != nil {
		return err
	}
	end := c.node.Next/pageSize + 1
	switch {
	case c.id == b.place.node && !b.place.at.IsZero():
		end = b.place.number/pageSize + 1
	case !c.node.Closed: // what is not sealed yet
		for empty := 0; empty < maxEmpty; {
			entries, err := b.log.page(ctx, c.id, end+uint64(empty))
			if err != nil {
				return err
			}
			if empty++; len(entries) > 0 {
				end, empty = end+uint64(empty), 0
			}
		}
	}
	c.pages = []uint64{first / pageSize, end}
	if err := b.fill(ctx, c); err != nil {
		return err
	}
	if len(c.ready) > 0 {
		b.open = append(b.open, c)
	}
	return nil
}

// fill reads pages until one has entries before the place. Without any, the node has no more.
func (b *back) fill(ctx context.Context, c *backward) error {
	for len(c.ready) == 0 && c.pages[1] > c.pages[0] {
		c.pages[1]--
		entries, err := b.log.page(ctx, c.id, c.pages[1])
		if err != nil {
			return err
		}
		b.pages++
		if !b.place.at.IsZero() {
			entries = slices.DeleteFunc(entries, func(e numbered) bool { return placeOf(e).compare(b.place) >= 0 })
		}
		slices.SortFunc(entries, func(x, y numbered) int { return placeOf(x).compare(placeOf(y)) })
		c.ready = entries
	}
	return nil
}
