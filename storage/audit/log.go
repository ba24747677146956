package audit

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Config connects a Log to its store. All fields but Count are required.
type Config struct {
	// View and Update run a function in a transaction of the store's engine.
	View, Update func(ctx context.Context, fn func(sealed.Records) error) error
	// Now returns the time.
	Now func() time.Time
	// Keys hashes accounts.
	Keys *sealed.Keys
	// User returns the hash in the key of a user's record. Find returns the user with a hash; crmgate.ErrNotFound if there
	// is none.
	User func(crmgate.UserKey) Hash
	Find func(context.Context, crmgate.Platform, Hash) (crmgate.User, error)
	// Count, if set, is called for every event with its kind and "written", "counted" (a repeat), "left out" or "failed".
	Count func(kind, outcome string)
}

// Log is the audit log of a store. Safe for concurrent use.
type Log struct {
	c Config
	w *writer
}

// New returns the log of a store.
func New(c Config) *Log { return &Log{c: c, w: newWriter()} }

// records is a transaction that reads and writes the log.
type records struct{ sealed.Records }

func (l *Log) view(ctx context.Context, fn func(records) error) error {
	return l.c.View(ctx, func(r sealed.Records) error { return fn(records{r}) })
}

func (l *Log) update(ctx context.Context, fn func(records) error) error {
	return l.c.Update(ctx, func(r sealed.Records) error { return fn(records{r}) })
}

func (l *Log) now() time.Time { return l.c.Now() }

// Record writes an event without a change, such as a failed sign-in. It writes at most a thousand events of a platform and kind
// in an hour, so that failures cannot fill the disk. From one source it writes thirty, and only three once there are 300 in all:
// so the failures of some clients do not hide those of others. It counts the others and returns nil; the Keeper writes how
// many there were.
func (l *Log) Record(ctx context.Context, e Event) error {
	if !l.w.admit(e, crmgate.SourceOf(ctx), l.now()) {
		l.observe(e.Kind, "left out")
		return nil
	}
	return l.record(ctx, e)
}

func (l *Log) record(ctx context.Context, e Event) error {
	err := l.Update(ctx, []Event{e}, func(sealed.Records) (Subject, error) { return Subject{}, nil })
	if err != nil {
		l.observe(e.Kind, "failed")
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// Subject is who a change is about. What it leaves empty is taken from the event.
type Subject struct {
	User    crmgate.UserKey
	Account crmgate.AccountID
	// Unproven says that nothing has proved the Account. An entry without another reason says so.
	Unproven bool
}

// Update runs fn in a transaction and writes the events in the same one. fn returns who the change is about. If the only
// event is a sign-in or a logout of a person and repeats one of the last hour, the Keeper writes it later, with the others
// in one entry.
func (l *Log) Update(ctx context.Context, events []Event, fn func(sealed.Records) (Subject, error)) error {
	now := l.now()
	return l.write(ctx, func(r records) ([]entry, error) {
		about, err := fn(r.Records)
		if err != nil {
			return nil, err
		}
		entries := make([]entry, len(events))
		for i, e := range events {
			entries[i] = l.entry(ctx, now, e, about)
		}
		return entries, nil
	})
}

// UpdateEach runs fn in a transaction and writes one event for each subject that fn returns in the same one.
func (l *Log) UpdateEach(ctx context.Context, e Event, fn func(sealed.Records) ([]Subject, error)) error {
	now := l.now()
	return l.write(ctx, func(r records) ([]entry, error) {
		about, err := fn(r.Records)
		entries := make([]entry, len(about))
		for i, subject := range about {
			entries[i] = l.entry(ctx, now, e, subject)
		}
		return entries, err
	})
}

// entry encodes an event and the subject of its change.
func (l *Log) entry(ctx context.Context, at time.Time, e Event, about Subject) entry {
	if about.Unproven && e.Reason == 0 {
		e.Reason = ReasonUnprovenAccount
	}
	user := crmgate.UserKey{Platform: cmp.Or(about.User.Platform, e.Platform), ID: cmp.Or(about.User.ID, e.User)}
	return entry{
		At: at, Kind: e.Kind, By: e.By, Outcome: e.Outcome, Reason: e.Reason, Count: e.Count, Platform: user.Platform,
		User: l.userHash(user), Account: l.accountHash(cmp.Or(about.Account, e.Account)), host: about.User.Hostname,
		Admin: crmgate.ExtensionID(crmgate.Clip(string(e.Admin))), Request: requestOf(ctx),
	}
}

func requestOf(ctx context.Context) string {
	if t := crmgate.TraceOf(ctx); t != nil {
		return t.ID
	}
	return ""
}

// write runs fn in a transaction and writes the entries that it returns in the same one. A repeat of an entry is counted
// instead, once the transaction is committed.
func (l *Log) write(ctx context.Context, fn func(records) ([]entry, error)) error {
	var t ticket
	end := unstored // also if fn panics
	defer func() { l.w.end(&t, end) }()
	err := l.update(ctx, func(r records) error {
		end = unstored
		entries, err := fn(r)
		if err == nil {
			err = l.setEntries(r, &t, entries)
		}
		if err == nil {
			end = unsure
		}
		return err
	})
	if err != nil {
		return err
	}
	end = stored
	outcome := "written"
	if t.repeat {
		outcome = "counted"
	}
	for _, e := range t.entries {
		l.observe(e.Kind, outcome)
	}
	return nil
}

// setEntries writes the entries of a ticket, and the record of a node that has written nothing before.
func (l *Log) setEntries(r records, t *ticket, entries []entry) error {
	t.entries, t.payloads, t.repeat = entries, nil, l.w.repeats(entries) // fn may run again; the last run counts
	if len(entries) == 0 || t.repeat {
		return nil
	}
	l.w.number(t, len(entries))
	if !t.recorded {
		if err := r.ensureNode(t.node); err != nil {
			return err
		}
	}
	for i, e := range entries {
		b := e.encode()
		t.payloads = append(t.payloads, b)
		if err := r.Set(entryKind, entryKey(t.node, t.first+uint64(i)), b, 0); err != nil {
			return err
		}
	}
	return nil
}

// HashOf returns the hash by which entries name a user, as Entry.UserHash has it.
func (l *Log) HashOf(key crmgate.UserKey) string {
	h := l.userHash(key)
	return hex.EncodeToString(h[:])
}

// userHash is the hash that names a user; the zero Hash for none.
func (l *Log) userHash(key crmgate.UserKey) (h Hash) {
	if key.ID != "" {
		h = l.c.User(key)
	}
	return h
}

func (l *Log) accountHash(a crmgate.AccountID) (h Hash) {
	if a != "" {
		l.c.Keys.Append(h[:0], entryKind, "", string(a))
	}
	return h
}

func (l *Log) observe(k Kind, outcome string) {
	if l.c.Count != nil {
		l.c.Count(k.String(), outcome)
	}
}

// Record writes limitEvents of one platform and kind in a limitWindow, and limitSource of them from one source. After manyEvents,
// it writes a source's first events only. A source that is not known stops there.
const (
	limitWindow = time.Hour
	limitEvents = 1000
	limitSource = 30
	manyEvents  = 300
	firstEvents = 3
)
