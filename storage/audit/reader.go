package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crmgate/crmgate/storage/sealed"
)

// position is where an entry stands among the entries of all nodes.
type position struct {
	at     time.Time
	node   nodeID
	number uint64
}

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

// numbered is an entry with its node and number.
type numbered struct {
	entry
	node   nodeID
	number uint64
}

func (e numbered) position() position { return position{e.At, e.node, e.number} }

// reader merges the entries of all nodes by time, forwards or backwards. It opens a node when that node's entries may be
// next, so that it holds pages of few nodes at once.
type reader struct {
	log  *Log
	back bool
	// from bounds what is shown. Forwards it is where to begin. Backwards it is the entry that was shown last, and only
	// earlier ones follow; the zero position is the end of the log.
	from    position
	waiting []cursor // not opened yet; the next to open is the last
	open    []*cursor
	pages   int // read so far
}

// cursor reads one node's entries. It holds one page.
type cursor struct {
	id         nodeID
	node       node
	first, end uint64     // the pages still to be read: from first up to, but without, end
	ready      []numbered // of the page, the next to show first
}

// A page is the entries whose numbers have all but the last byte in common.
const pageSize = 256

// maxEmpty is how many empty pages end a node's entries that are not sealed. A larger gap comes from writes that failed;
// the keeper's next pass closes it.
const maxEmpty = 4

// order turns a comparison into one in the direction of reading.
func (r *reader) order(compared int) int {
	if r.back {
		return -compared
	}
	return compared
}

// edge is the time at which a node's entries begin, in the direction of reading.
func (r *reader) edge(n node) time.Time {
	if r.back {
		return n.Until
	}
	return n.Started
}

// begin finds the nodes.
func (r *reader) begin(ctx context.Context) error {
	all, err := r.log.nodes(ctx)
	for id, n := range all {
		if r.back && !r.from.at.IsZero() && n.Started.After(r.from.at) {
			continue
		}
		r.waiting = append(r.waiting, cursor{id: id, node: n})
	}
	slices.SortFunc(r.waiting, func(x, y cursor) int {
		return -r.order(position{at: r.edge(x.node), node: x.id}.compare(position{at: r.edge(y.node), node: y.id}))
	})
	return err
}

// next returns the next entry; ok is false at the end.
func (r *reader) next(ctx context.Context) (e numbered, ok bool, err error) {
	for len(r.waiting) > 0 {
		c := r.waiting[len(r.waiting)-1]
		if len(r.open) > 0 && r.order(r.edge(c.node).Compare(r.head().ready[0].At)) > 0 {
			break
		}
		r.waiting = r.waiting[:len(r.waiting)-1]
		if err := r.enter(ctx, &c); err != nil {
			return numbered{}, false, err
		}
	}
	if len(r.open) == 0 {
		return numbered{}, false, nil
	}
	c := r.head()
	e, c.ready = c.ready[0], c.ready[1:]
	if r.back {
		r.from = e.position()
	}
	if len(c.ready) == 0 {
		if err := r.fill(ctx, c); err != nil {
			return e, false, err
		}
		r.open = slices.DeleteFunc(r.open, func(c *cursor) bool { return len(c.ready) == 0 })
	}
	return e, true, nil
}

// head is the open cursor that has the next entry.
func (r *reader) head() *cursor {
	return slices.MinFunc(r.open, func(x, y *cursor) int { return r.compare(x.ready[0], y.ready[0]) })
}

func (r *reader) compare(x, y numbered) int { return r.order(x.position().compare(y.position())) }

// enter finds a node's pages, and opens the node if it has an entry to show.
func (r *reader) enter(ctx context.Context, c *cursor) error {
	first, err := r.log.firstKept(ctx, c.id, c.node)
	if err != nil {
		return err
	}
	c.first = first / pageSize
	switch {
	case r.back && c.id == r.from.node && !r.from.at.IsZero():
		c.end = r.from.number/pageSize + 1
	default:
		if c.end, err = r.log.endPage(ctx, c.id, c.node); err != nil {
			return err
		}
	}
	if !r.back && !r.from.at.IsZero() {
		if err := r.skip(ctx, c); err != nil {
			return err
		}
	}
	if err := r.fill(ctx, c); err != nil {
		return err
	}
	if len(c.ready) > 0 {
		r.open = append(r.open, c)
	}
	return nil
}

// skip leaves out the pages that end before from. It looks from the sealed end backwards, as recent entries are read most.
func (r *reader) skip(ctx context.Context, c *cursor) error {
	page := c.node.Next / pageSize
	for page > c.first {
		entries, err := r.log.page(ctx, c.id, page-1)
		if err != nil {
			return err
		}
		if len(entries) > 0 && entries[len(entries)-1].At.Before(r.from.at) {
			break
		}
		page--
	}
	c.first = page
	return nil
}

// fill reads pages until one has an entry to show. If none has, the node has no more.
func (r *reader) fill(ctx context.Context, c *cursor) error {
	for len(c.ready) == 0 && c.first < c.end {
		number := c.first
		if r.back {
			c.end--
			number = c.end
		} else {
			c.first++
		}
		entries, err := r.log.page(ctx, c.id, number)
		if err != nil {
			return err
		}
		r.pages++
		c.ready = slices.DeleteFunc(entries, r.passed)
		slices.SortFunc(c.ready, r.compare)
	}
	return nil
}

// passed reports whether an entry is not to be shown because of from.
func (r *reader) passed(e numbered) bool {
	if r.from.at.IsZero() {
		return false
	}
	c := r.order(e.position().compare(r.from))
	return c < 0 || r.back && c == 0
}

// firstKept is the number of a node's oldest entry.
func (l *Log) firstKept(ctx context.Context, id nodeID, n node) (first uint64, err error) {
	if n.From == n.Batches {
		return n.Next, nil
	}
	err = l.view(ctx, func(r records) error {
		b, err := r.readBatch(id, n.From)
		if sealed.Lost(err) {
			return nil // from the beginning
		}
		if err == nil {
			first = b.Runs[0].First
		}
		return err
	})
	return first, err
}

// endPage is the page behind a node's last entry.
func (l *Log) endPage(ctx context.Context, id nodeID, n node) (uint64, error) {
	end := n.Next/pageSize + 1
	for empty := uint64(0); empty < maxEmpty; {
		used, err := l.pageUsed(ctx, id, end+empty)
		if err != nil {
			return end, err
		}
		if empty++; used {
			end, empty = end+empty, 0
		}
	}
	return end, nil
}

func pagePrefix(id nodeID, number uint64) []byte {
	return append(append(sealed.Prefix(entryKind), id[:]...), binary.BigEndian.AppendUint64(nil, number*pageSize)[:7]...)
}

var errUsed = errors.New("the page has an entry")

// pageUsed reports whether a page has an entry, without opening it.
func (l *Log) pageUsed(ctx context.Context, id nodeID, number uint64) (bool, error) {
	err := l.view(ctx, func(r records) error {
		return r.Scan(pagePrefix(id, number), func(_, _ []byte) error { return errUsed })
	})
	if errors.Is(err, errUsed) {
		return true, nil
	}
	return false, err
}

// page reads a page, in the order of the numbers. It leaves out what does not open: Verify reports that.
func (l *Log) page(ctx context.Context, id nodeID, number uint64) (entries []numbered, err error) {
	err = l.view(ctx, func(r records) error {
		entries = nil
		return r.Scan(pagePrefix(id, number), func(key, stored []byte) error {
			b, err := r.Open(entryKind, key, stored)
			if err != nil {
				return nil
			}
			e, err := decodeEntry(b)
			_, n, odd := place(key)
			if err == nil && odd == nil {
				entries = append(entries, numbered{e, id, n})
			}
			return nil
		})
	})
	return entries, err
}
