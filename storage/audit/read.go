package audit

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Query selects entries.
type Query struct {
	Since    time.Time        // zero: from the beginning
	Platform crmgate.Platform // empty: all
	User     crmgate.UserID   // empty: all
}

// Entry is an entry of the audit log as it is read.
type Entry struct {
	At    time.Time
	Node  string
	Entry uint64
	// Event has User and Account only while a person record exists that has them.
	Event
	Name                  string // of the user; likewise
	UserHash, AccountHash string // hexadecimal; empty if the event has none
}

// Read calls fn for the entries that the query selects, in the order of their times, until fn returns an error. It reads
// page by page, so fn may take its time. Entries that are recorded meanwhile may be shown or not. Entries that do not open
// are left out; Verify reports them.
func (l *Log) Read(ctx context.Context, q Query, fn func(Entry) error) error {
	r := reader{log: l, from: position{at: q.Since}}
	if err := r.begin(ctx); err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	who := newResolver(l)
	for {
		e, ok, err := r.next(ctx)
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		if !ok {
			return nil
		}
		if q.Platform != "" && e.Platform != q.Platform ||
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

// maxPages bounds what one call of ReadBack reads, once it has read an entry: some ten thousand entries.
const maxPages = 40

// ReadBack returns up to limit entries about an account, the latest first, and the position at which the next call goes
// on. from is such a position, or empty to begin; next is empty at the end of the log. One call reads a bounded number of
// entries about all accounts, so it may return few or none although more follow.
func (l *Log) ReadBack(ctx context.Context, account crmgate.AccountID, from string, limit int) (entries []Entry, next string, err error) {
	r := reader{log: l, back: true}
	if from != "" && !r.from.parse(from) {
		return nil, "", crmgate.Refuse("Invalid log position.")
	}
	if err := r.begin(ctx); err != nil {
		return nil, "", fmt.Errorf("read audit log: %w", err)
	}
	who, about := newResolver(l), l.accountHash(account)
	for read := 0; ; read++ {
		if read > 0 && (len(entries) == limit || r.pages >= maxPages) {
			return entries, r.from.String(), nil
		}
		e, ok, err := r.next(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("read audit log: %w", err)
		}
		if !ok {
			return entries, "", nil
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

// resolver finds the users and accounts of hashes. It remembers the people and accounts that it met last.
type resolver struct {
	log      *Log
	people   *simplelru.LRU[Hash, known]
	accounts *simplelru.LRU[Hash, crmgate.AccountID]
}

type known struct {
	id          crmgate.UserID
	name        string
	account     crmgate.AccountID
	accountHash Hash
}

const maxResolved = 10_000

func newResolver(l *Log) resolver {
	people, _ := simplelru.NewLRU[Hash, known](maxResolved, nil) // fails only for a size of 0
	accounts, _ := simplelru.NewLRU[Hash, crmgate.AccountID](maxResolved, nil)
	return resolver{log: l, people: people, accounts: accounts}
}

func (w *resolver) resolve(ctx context.Context, e numbered) (Entry, error) {
	shown := Entry{
		At: e.At, Node: e.node.String(), Entry: e.number,
		Event: Event{Kind: e.Kind, By: e.By, Outcome: e.Outcome, Reason: e.Reason, Platform: e.Platform, Count: e.Count, Admin: e.Admin, Request: e.Request},
	}
	if e.User != (Hash{}) {
		p, err := w.person(ctx, e.Platform, e.User)
		if err != nil {
			return shown, err
		}
		shown.User, shown.UserHash = p.id, hex.EncodeToString(e.User[:])
		if e.Account == p.accountHash || e.Account == (Hash{}) { // else a person of another host who has the id now
			shown.Name = p.name
		}
	}
	if e.Account != (Hash{}) {
		account, _ := w.accounts.Get(e.Account)
		shown.Account, shown.AccountHash = account, hex.EncodeToString(e.Account[:])
	}
	return shown, nil
}

// person returns what is known of the user with a hash: nothing if the record is gone or does not open.
func (w *resolver) person(ctx context.Context, p crmgate.Platform, h Hash) (known, error) {
	k, ok := w.people.Get(h)
	if !ok {
		u, err := w.log.c.Find(ctx, p, h)
		if err != nil && !sealed.Lost(err) {
			return known{}, err
		}
		k = known{id: u.Key.ID, name: u.Name, account: u.Account}
		if u.Account != "" {
			k.accountHash = w.log.accountHash(u.Account)
		}
		w.people.Add(h, k)
	}
	if k.account != "" {
		w.accounts.Add(k.accountHash, k.account)
	}
	return k, nil
}
