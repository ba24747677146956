package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// The kinds of the log's records.
const (
	entryKind sealed.Kind = 'a'
	batchKind sealed.Kind = 'b'
	nodeKind  sealed.Kind = 'o'
)

// Hash is a keyed hash of a user or an account, or the SHA-256 of a batch. The zero Hash stands for none.
type Hash [sha256.Size]byte

// An entry's payload, the bytes that batches hash, is
//
//	time (8, Unix milliseconds) | kind (1) | by (1) | outcome (1) | reason (1) | count (8) | user (32) | account (32) | platform
//
// and, if there is a request or an admin
//
//	0 | request | 0 | admin
const entryLen = 8 + 4 + 8 + 2*sha256.Size

type entry struct {
	At            time.Time
	Kind          Kind
	By            Actor
	Outcome       Outcome
	Reason        Reason
	Count         uint64
	User, Account Hash
	Platform      crmgate.Platform
	Request       string
	Admin         crmgate.ExtensionID
	host          string // of the user; not encoded. User is the same for all hosts, but repeats are one person's.
}

func (e entry) encode() []byte {
	b := make([]byte, 0, entryLen+len(e.Platform))
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMilli()))
	b = append(b, byte(e.Kind), byte(e.By), byte(e.Outcome), byte(e.Reason))
	b = binary.BigEndian.AppendUint64(b, e.Count)
	b = append(append(b, e.User[:]...), e.Account[:]...)
	b = append(b, e.Platform...)
	if e.Request == "" && e.Admin == "" {
		return b
	}
	b = append(append(b, 0), e.Request...)
	return append(append(b, 0), e.Admin...)
}

// decodeEntry accepts unknown kinds and words, which a later version may have written.
func decodeEntry(b []byte) (entry, error) {
	if len(b) < entryLen {
		return entry{}, sealed.ErrMalformed
	}
	e := entry{
		At:   time.UnixMilli(int64(binary.BigEndian.Uint64(b))),
		Kind: Kind(b[8]), By: Actor(b[9]), Outcome: Outcome(b[10]), Reason: Reason(b[11]),
		Count: binary.BigEndian.Uint64(b[12:]),
	}
	platform, cause, caused := bytes.Cut(b[entryLen:], []byte{0})
	request, admin, both := bytes.Cut(cause, []byte{0})
	if caused && (!both || len(request)+len(admin) == 0) {
		return entry{}, sealed.ErrMalformed
	}
	e.Platform, e.Request, e.Admin = crmgate.Platform(platform), string(request), crmgate.ExtensionID(admin)
	copy(e.User[:], b[20:])
	copy(e.Account[:], b[20+sha256.Size:])
	if e.Platform != "" && !e.Platform.Valid() {
		return entry{}, sealed.ErrMalformed
	}
	return e, nil
}

// A batch's payload is
//
//	previous (32) | hash (32) | newest (8, Unix milliseconds) | runs of numbers: first (8), end (8) each
//
// Numbers between runs were given out and not used.
const (
	batchLen = 2*sha256.Size + 8
	runLen   = 16
	// maxBatch is how many entries a batch can have.
	maxBatch = 256
)

type batch struct {
	Previous, Hash Hash
	Newest         time.Time // of its entries; decides when the batch is dropped
	Runs           []run
}

// run is the numbers from First up to, but without, End.
type run struct{ First, End uint64 }

func (b batch) encode() []byte {
	out := make([]byte, 0, batchLen+runLen*len(b.Runs))
	out = append(append(out, b.Previous[:]...), b.Hash[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(b.Newest.UnixMilli()))
	for _, r := range b.Runs {
		out = binary.BigEndian.AppendUint64(out, r.First)
		out = binary.BigEndian.AppendUint64(out, r.End)
	}
	return out
}

func decodeBatch(b []byte) (made batch, err error) {
	if len(b) < batchLen+runLen || (len(b)-batchLen)%runLen != 0 {
		return batch{}, sealed.ErrMalformed
	}
	copy(made.Previous[:], b)
	copy(made.Hash[:], b[sha256.Size:])
	made.Newest = time.UnixMilli(int64(binary.BigEndian.Uint64(b[2*sha256.Size:])))
	last, total := uint64(0), uint64(0)
	for i := batchLen; i < len(b); i += runLen {
		r := run{binary.BigEndian.Uint64(b[i:]), binary.BigEndian.Uint64(b[i+8:])}
		apart := i == batchLen || r.First > last
		// Bound each length before adding it, because a reader of the batch reads all its entries.
		if !apart || r.End <= r.First || r.End-r.First > maxBatch {
			return batch{}, sealed.ErrMalformed
		}
		if total += r.End - r.First; total > maxBatch {
			return batch{}, sealed.ErrMalformed
		}
		last = r.End
		made.Runs = append(made.Runs, r)
	}
	return made, nil
}

// numbers calls fn for each of the batch's entries.
func (b batch) numbers(fn func(uint64) error) error {
	for _, r := range b.Runs {
		for n := r.First; n < r.End; n++ {
			if err := fn(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeBatch makes a node's batch of entries, which are in the order of their numbers.
func makeBatch(node nodeID, number uint64, previous Hash, numbers []uint64, entries [][]byte) batch {
	b := batch{Previous: previous}
	for i, n := range numbers {
		if k := len(b.Runs) - 1; k >= 0 && b.Runs[k].End == n {
			b.Runs[k].End++
		} else {
			b.Runs = append(b.Runs, run{n, n + 1})
		}
		if e, err := decodeEntry(entries[i]); err == nil && e.At.After(b.Newest) {
			b.Newest = e.At
		}
	}
	b.Hash = b.sum(node, number, entries)
	return b
}

// sum is the hash of a batch: of its node and number, the batch before it, and each entry with its number.
func (b batch) sum(node nodeID, number uint64, entries [][]byte) (h Hash) {
	s := sha256.New()
	u64 := func(n uint64) { _ = binary.Write(s, binary.BigEndian, n) } // a hash never fails
	s.Write([]byte("crmgate audit batch 1\x00"))
	s.Write(node[:])
	u64(number)
	s.Write(b.Previous[:])
	u64(uint64(b.Newest.UnixMilli()))
	i := 0
	_ = b.numbers(func(n uint64) error {
		u64(n)
		u64(uint64(len(entries[i])))
		s.Write(entries[i])
		i++
		return nil
	})
	s.Sum(h[:0])
	return h
}

// A node's payload is
//
//	flags (1) | started (8) | until (8) | from (8) | batches (8) | next (8) | head (32)
const (
	nodeLen    = 1 + 5*8 + sha256.Size
	flagClosed = 1
)

// node is the record of a process that writes to the log. It is written by the process itself, and by a Keeper that closes
// its chain or drops old batches.
type node struct {
	Started time.Time
	Until   time.Time // when the process counts as gone, unless it renews this lease
	From    uint64    // the oldest batch that is kept
	Batches uint64    // how many it ever had
	Next    uint64    // the first number after the batches
	Head    Hash      // of the last batch
	Closed  bool      // the chain has ended
}

func (n node) encode() []byte {
	b := make([]byte, 1, nodeLen)
	if n.Closed {
		b[0] = flagClosed
	}
	for _, v := range []uint64{uint64(n.Started.UnixMilli()), uint64(n.Until.UnixMilli()), n.From, n.Batches, n.Next} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return append(b, n.Head[:]...)
}

func decodeNode(b []byte) (node, error) {
	if len(b) != nodeLen || b[0]&^flagClosed != 0 {
		return node{}, sealed.ErrMalformed
	}
	v := func(i int) uint64 { return binary.BigEndian.Uint64(b[1+8*i:]) }
	n := node{
		Closed: b[0] == flagClosed, Started: time.UnixMilli(int64(v(0))), Until: time.UnixMilli(int64(v(1))),
		From: v(2), Batches: v(3), Next: v(4),
	}
	copy(n.Head[:], b[41:])
	if n.From > n.Batches {
		return node{}, sealed.ErrMalformed
	}
	return n, nil
}

func nodeKey(n nodeID) []byte { return append(sealed.Prefix(nodeKind), n[:]...) }

func batchKey(n nodeID, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(sealed.Prefix(batchKind), n[:]...), number)
}

func entryKey(n nodeID, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(sealed.Prefix(entryKind), n[:]...), number)
}

// place returns the node and number in a key of an entry, a batch or a node.
func place(key []byte) (n nodeID, number uint64, err error) {
	const at = 2
	switch len(key) {
	case at + len(n) + 8:
		number = binary.BigEndian.Uint64(key[at+len(n):])
	case at + len(n):
	default:
		return n, 0, sealed.ErrMalformed
	}
	copy(n[:], key[at:])
	return n, number, nil
}

func (r records) readNode(id nodeID) (node, error) {
	b, err := r.Get(nodeKind, nodeKey(id))
	if err != nil {
		return node{}, err
	}
	return decodeNode(b)
}

func (r records) writeNode(id nodeID, n node) error {
	return r.Set(nodeKind, nodeKey(id), n.encode(), 0)
}

func (r records) readBatch(id nodeID, number uint64) (batch, error) {
	b, err := r.Get(batchKind, batchKey(id, number))
	if err != nil {
		return batch{}, err
	}
	return decodeBatch(b)
}

// ensureNode stores the record of a node that has written nothing before.
func (r records) ensureNode(id nodeID) error {
	_, err := r.readNode(id)
	if errors.Is(err, crmgate.ErrNotFound) {
		err = r.writeNode(id, node{Started: r.Now, Until: r.Now.Add(nodeLease)})
	}
	return err
}

// nodeLease is how long a node counts as alive after it was last renewed.
const nodeLease = 10 * time.Minute

// appendBatch stores entries as the next batch of a node's chain, and returns the changed node, which the caller stores.
func (r records) appendBatch(id nodeID, n node, numbers []uint64, entries [][]byte) (node, error) {
	if len(numbers) == 0 {
		return n, nil
	}
	b := makeBatch(id, n.Batches, n.Head, numbers, entries)
	if err := r.Set(batchKind, batchKey(id, n.Batches), b.encode(), 0); err != nil {
		return n, err
	}
	n.Batches++
	n.Head = b.Hash
	n.Next = max(n.Next, numbers[len(numbers)-1]+1)
	return n, nil
}
