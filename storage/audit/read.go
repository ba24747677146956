package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Query chooses entries.
type Query struct {
	Since    time.Time        // zero: all that are kept
	Platform crmgate.Platform // empty: all
	User     crmgate.UserID   // empty: all
}

// Entry is an entry of the audit log as it is read.
type Entry struct {
	At    time.Time
	Node  string
	Entry uint64
	// Event has User and Account only where somebody who is still there resolves their hashes.
	Event
	Name                  string // of the user, likewise
	UserHash, AccountHash string // hexadecimal; empty: it was about nobody
}

// Read calls fn for the entries that the query chooses, in the order of their times, until fn returns an error. It
// reads page by page, so that fn may take its time; what is recorded meanwhile may be shown or not. Entries that do not
// open are left out: Verify tells of them.
func (l *Log) Read(ctx context.Context, q Query, fn func(Entry) error) error {
	m := merge{log: l, since: q.Since}
	if err := m.begin(ctx); err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	who := resolver{log: l, people: map[Hash]known{}, accounts: map[Hash]crmgate.AccountID{}}
	for {
		e, ok, err := m.next(ctx)
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		if !ok {
			return nil
		}
		if e.At.Before(q.Since) || q.Platform != "" && e.Platform != q.Platform ||
			q.User != "" && e.User != l.userHash(crmgate.UserKey{Platform: e.Platform, ID: q.User}) {
			continue
		}
		shown, err := who.resolve(ctx, e)
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		if err := fn(shown); err != nil {
			return err
		}
	}
}

// numbered is an entry with its place.
type numbered struct {
	entry
	node   nodeID
	number uint64
}

// merge reads the nodes' entries side by side. A node takes part from its start on, so that of the many that a store
// may have had, few are in memory.
type merge struct {
	log     *Log
	since   time.Time
	waiting []cursor // by their starts, those that begin last first
	open    []*cursor
}

// cursor is a place in a node's entries, of which it holds a page.
type cursor struct {
	id    nodeID
	node  node
	page  uint64 // the next to read
	ready []numbered
}

// A page is what has all but the last byte of a number in common.
const pageSize = 256

// maxEmpty is how many empty pages end a node's entries behind those that are sealed. A gap as large as that, of writes
// that failed, is closed by the keeper's next pass.
const maxEmpty = 4

func (m *merge) begin(ctx context.Context) error {
	all, err := m.log.nodes(ctx)
	for id, n := range all {
		m.waiting = append(m.waiting, cursor{id: id, node: n})
	}
	slices.SortFunc(m.waiting, func(a, b cursor) int {
		if c := b.node.Started.Compare(a.node.Started); c != 0 {
			return c
		}
		return bytes.Compare(b.id[:], a.id[:])
	})
	return err
}

// next returns the oldest entry that is left.
func (m *merge) next(ctx context.Context) (numbered, bool, error) {
	for len(m.waiting) > 0 && (len(m.open) == 0 || !m.waiting[len(m.waiting)-1].node.Started.After(m.oldest().ready[0].At)) {
		c := m.waiting[len(m.waiting)-1]
		m.waiting = m.waiting[:len(m.waiting)-1]
		if err := m.enter(ctx, &c); err != nil {
			return numbered{}, false, err
		}
	}
	if len(m.open) == 0 {
		return numbered{}, false, nil
	}
	c := m.oldest()
	e := c.ready[0]
	c.ready = c.ready[1:]
	if len(c.ready) == 0 {
		if err := m.fill(ctx, c); err != nil {
			return e, false, err
		}
		m.open = slices.DeleteFunc(m.open, func(c *cursor) bool { return len(c.ready) == 0 })
	}
	return e, true, nil
}

func (m *merge) oldest() *cursor {
	return slices.MinFunc(m.open, func(a, b *cursor) int { return a.ready[0].At.Compare(b.ready[0].At) })
}

// enter finds the page to begin with, and opens a cursor that has anything to show.
func (m *merge) enter(ctx context.Context, c *cursor) error {
	first, err := m.log.firstKept(ctx, c.id, c.node)
	if err != nil {
		return err
	}
	c.page = first / pageSize
	if !m.since.IsZero() {
		if c.page, err = m.backTo(ctx, c, c.page); err != nil {
			return err
		}
	}
	if err := m.fill(ctx, c); err != nil {
		return err
	}
	if len(c.ready) > 0 {
		m.open = append(m.open, c)
	}
	return nil
}

// backTo goes back from a node's sealed end to the first page that has something new enough.
func (m *merge) backTo(ctx context.Context, c *cursor, least uint64) (uint64, error) {
	page := c.node.Next / pageSize
	for page > least {
		entries, err := m.log.page(ctx, c.id, page-1)
		if err != nil {
			return page, err
		}
		if len(entries) > 0 && entries[len(entries)-1].At.Before(m.since) {
			break
		}
		page--
	}
	return page, nil
}

// fill reads pages until one has entries. Without any, the node has no more.
func (m *merge) fill(ctx context.Context, c *cursor) error {
	for empty := 0; empty < maxEmpty; c.page++ {
		entries, err := m.log.page(ctx, c.id, c.page)
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			c.ready = entries
			c.page++
			return nil
		}
		if c.page >= c.node.Next/pageSize {
			empty++
		}
	}
	return nil
}

// firstKept is the number of the oldest entry that a node has kept.
func (l *Log) firstKept(ctx context.Context, id nodeID, n node) (first uint64, err error) {
	if n.From == n.Batches {
		return n.Next, nil
	}
	err = l.view(ctx, func(r records) error {
		b, err := r.readBatch(id, n.From)
		if lost(err) {
			return nil // from the beginning
		}
		if err == nil {
			first = b.Runs[0].First
		}
		return err
	})
	return first, err
}

func (l *Log) page(ctx context.Context, id nodeID, page uint64) (entries []numbered, err error) {
	prefix := append(sealed.Prefix(entryKind), id[:]...)
	prefix = append(prefix, binary.BigEndian.AppendUint64(nil, page*pageSize)[:7]...)
	err = l.view(ctx, func(r records) error {
		entries = nil
		return r.Scan(prefix, func(key, stored []byte) error {
			b, err := r.Open(entryKind, key, stored)
			if err != nil {
				return nil // verifying tells
			}
			e, err := decodeEntry(b)
			_, number, odd := place(key)
			if err == nil && odd == nil {
				entries = append(entries, numbered{e, id, number})
			}
			return nil
		})
	})
	return entries, err
}

// resolver finds out whose hashes they are. It remembers a bounded number of people.
type resolver struct {
	log      *Log
	people   map[Hash]known
	accounts map[Hash]crmgate.AccountID
}

type known struct {
	id   crmgate.UserID
	name string
}

const maxResolved = 10_000

func (w *resolver) resolve(ctx context.Context, e numbered) (Entry, error) {
	shown := Entry{
		At: e.At, Node: e.node.String(), Entry: e.number,
		Event: Event{Kind: e.Kind, By: e.By, Outcome: e.Outcome, Reason: e.Reason, Platform: e.Platform, Count: e.Count},
	}
	if e.User != (Hash{}) {
		p, err := w.person(ctx, e.Platform, e.User)
		if err != nil {
			return shown, err
		}
		shown.User, shown.Name, shown.UserHash = p.id, p.name, hex.EncodeToString(e.User[:])
	}
	if e.Account != (Hash{}) {
		shown.Account, shown.AccountHash = w.accounts[e.Account], hex.EncodeToString(e.Account[:])
	}
	return shown, nil
}

// person opens the record that a hash is the key of. Somebody who is gone, or whose record does not open, is nobody.
func (w *resolver) person(ctx context.Context, p crmgate.Platform, h Hash) (known, error) {
	if k, ok := w.people[h]; ok {
		return k, nil
	}
	u, err := w.log.c.Find(ctx, p, h)
	k := known{u.Key.ID, u.Name}
	if u.Account != "" {
		w.accounts[w.log.accountHash(u.Account)] = u.Account
	}
	if lost(err) {
		err = nil
	}
	if len(w.people) >= maxResolved {
		clear(w.people)
	}
	w.people[h] = k
	return k, err
}
