package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// RevocationLease is how long a revocation belongs to the process that queued or claimed it. It is longer than any attempt
// takes, so another process claims the revocation only if the first one died.
const RevocationLease = 2 * time.Minute

// Revocation is a grant that was forgotten here and that the CRM has not been told about yet.
type Revocation struct {
	// Person has the grant, and of the user what a connector gets to see.
	crmgate.Person
	// Answer is an answer of the CRM that was not read yet; the tokens in it are to be revoked. Before the caller claims the
	// revocation, it reads the tokens into Grant and clears Answer.
	Answer   JournalEntry
	Queued   time.Time
	Attempts int // to tell the CRM

	key []byte // of the record; nil if there is nothing to revoke
}

// Unread reports whether Answer has tokens that were not read yet.
func (v Revocation) Unread() bool { return !v.Answer.Body.IsZero() }

// Waiting reports whether the revocation is stored: whether there is something to revoke.
func (v Revocation) Waiting() bool { return v.key != nil }

// Backlog is the queue of one platform.
type Backlog struct {
	Due   []Revocation // the longest overdue first
	Next  time.Time    // when the first of the others is due; zero if there are none
	Count int          // of all revocations, up to MaxBacklog
}

// MaxBacklog bounds how many revocations of a platform are counted.
const MaxBacklog = 10_000

// queue is the queues of revocations in a transaction. A revocation is stored under
//
//	r/PLATFORM/ | when it is due (8, Unix milliseconds) | random (16)
//
// so a scan finds the due ones first, and a claim moves the record: of all that find it under one key, one moves it.
type queue struct{ records }

func (r records) queue() queue { return queue{r} }

const revocationIDLen = 16

func revocationKey(p crmgate.Platform, due time.Time) []byte {
	key := binary.BigEndian.AppendUint64(onPlatform(revocation, p), uint64(max(0, due.UnixMilli())))
	id := make([]byte, revocationIDLen)
	_, _ = rand.Read(id) // never fails
	return append(key, id...)
}

// dueOf is the due time in a key.
func dueOf(key []byte) time.Time {
	if len(key) < 8+revocationIDLen {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(key[len(key)-8-revocationIDLen:])))
}

// add queues a person's grant. The Revocation returned is not Waiting if there is no grant.
func (q queue) add(p crmgate.Person, attempts int, due time.Time) (Revocation, error) {
	v := Revocation{Person: p, Queued: q.Now, Attempts: attempts}
	if p.Grant.Empty() {
		return v, nil
	}
	if err := q.note(p.User.Key.Platform); err != nil {
		return v, err
	}
	return q.put(v, due)
}

// addReplaced queues the tokens that a person held before a sign-in. It does nothing if the new grant has one of them, or if the
// CRM has ended the old grant. Answers in the journal belong to the old grant.
func (q queue) addReplaced(old, now crmgate.Person) error {
	g := old.Grant
	if g.AccessToken.IsZero() && g.RefreshToken.IsZero() || g.Dead != "" || shared(g, now.Grant) {
		return nil
	}
	_, err := q.add(old, 0, q.Now)
	return errors.Join(err, q.addJournal(old.User))
}

// note records that a platform has revocations. The note is never removed: there is one for each platform, and removing it
// safely would take a decision about absence.
func (q queue) note(p crmgate.Platform) error {
	key := append(sealed.Prefix(backlog), p...)
	noted, err := q.Has(backlog, key)
	if err != nil || noted {
		return err
	}
	return q.Set(backlog, key, nil, 0)
}

// put stores a revocation under a key of its due time.
func (q queue) put(v Revocation, due time.Time) (Revocation, error) {
	b, err := encodeRevocation(v)
	if err != nil {
		return v, err
	}
	v.key = revocationKey(v.User.Key.Platform, due)
	return v, q.Set(revocation, v.key, b, 0)
}

// take removes a revocation; crmgate.ErrConflict if it is no longer where it was found.
func (q queue) take(v Revocation) error {
	_, err := q.Tx.Get(v.key)
	if errors.Is(err, crmgate.ErrNotFound) {
		return crmgate.ErrConflict
	}
	return errors.Join(err, q.Delete(v.key))
}

// open opens a record that a scan found.
func (q queue) open(key, stored []byte) (Revocation, error) {
	b, err := q.Open(revocation, key, stored)
	if err != nil {
		return Revocation{}, err
	}
	v, err := decodeRevocation(b)
	v.key = bytes.Clone(key)
	return v, err
}

// QueueRevocation queues a person's grant for revocation from now on. It must not be the grant that is stored now: claiming
// drops a revocation whose credentials are in use.
func (db *DB) QueueRevocation(ctx context.Context, p crmgate.Person) error {
	err := db.update(ctx, func(r records) error {
		_, err := r.queue().add(p, 0, r.Now)
		return err
	})
	if err != nil {
		return fmt.Errorf("queue revocation: %w", err)
	}
	return nil
}

// RevocationPlatforms lists the platforms that ever had a revocation.
func (db *DB) RevocationPlatforms(ctx context.Context) ([]crmgate.Platform, error) {
	var all []crmgate.Platform
	err := db.view(ctx, func(r records) error {
		all = nil
		return r.Scan(sealed.Prefix(backlog), func(key, _ []byte) error {
			all = append(all, crmgate.Platform(key[len(sealed.Prefix(backlog)):]))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list platforms with revocations: %w", err)
	}
	return all, nil
}

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// Revocations returns the queue of a platform, with at most limit of the revocations that are due and for which ready returns
// true; a nil ready takes all. A record that does not open is counted and left out.
func (db *DB) Revocations(ctx context.Context, p crmgate.Platform, limit int, ready func(Revocation) bool) (Backlog, error) {
	var all Backlog
	err := db.view(ctx, func(r records) error {
		all = Backlog{}
		return r.Scan(onPlatform(revocation, p), func(key, stored []byte) error {
			if all.Count++; all.Count >= MaxBacklog {
				return errEnough
			}
			due := dueOf(key)
			switch {
			case due.After(r.Now):
				if all.Next.IsZero() {
					all.Next = due
				}
			case len(all.Due) < limit:
				if v, err := r.queue().open(key, stored); err == nil && (ready == nil || ready(v)) {
					all.Due = append(all.Due, v)
				}
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, errEnough) {
		return Backlog{}, fmt.Errorf("list revocations: %w", err)
	}
	return all, nil
}

// AllRevocations calls fn for the revocations of all platforms, with the time at which each is due, until fn returns an error. At
// the end an error says how many records do not open.
func (db *DB) AllRevocations(ctx context.Context, fn func(v Revocation, due time.Time) error) error {
	var unreadable int
	err := db.view(ctx, func(r records) error {
		unreadable = 0
		return r.Scan(sealed.Prefix(revocation), func(key, stored []byte) error {
			v, err := r.queue().open(key, stored)
			if err != nil {
				unreadable++
				return nil
			}
			return fn(v, dueOf(key))
		})
	})
	if err == nil && unreadable > 0 {
		err = fmt.Errorf("%d records cannot be read", unreadable)
	}
	if err != nil {
		return fmt.Errorf("list revocations: %w", err)
	}
	return nil
}

// ClaimRevocation reserves a revocation for the caller for RevocationLease, and counts the attempt. If the caller dies, the
// revocation is due again after that. The error matches crmgate.ErrConflict if another caller has claimed or ended it.
//
// If the person has signed in again and holds one of these credentials, the revocation is dropped: revoking it would log
// them out. The Revocation returned is then not Waiting. If the revocation names no person, because their sign-in failed, all
// people of the platform are compared.
func (db *DB) ClaimRevocation(ctx context.Context, v Revocation) (Revocation, error) {
	held, err := false, error(nil)
	if v.User.Key.ID == "" {
		if held, err = db.held(ctx, v); err != nil {
			return Revocation{}, fmt.Errorf("claim revocation: %w", err)
		}
	}
	var claimed Revocation
	err = db.update(ctx, func(r records) error {
		claimed = v
		if err := r.queue().take(v); err != nil {
			return err
		}
		p, err := r.person(v.User.Key)
		if held || err == nil && shared(p.Grant, v.Grant) {
			claimed.key = nil
			return nil
		}
		// The credentials are revoked although the person record cannot be read.
		claimed.Attempts++
		claimed, err = r.queue().put(claimed, r.Now.Add(RevocationLease))
		return err
	})
	if err != nil {
		return Revocation{}, fmt.Errorf("claim revocation: %w", err)
	}
	return claimed, nil
}

// held reports whether a person of the platform holds one of the credentials of a revocation. It rests in between, like a
// sweep.
func (db *DB) held(ctx context.Context, v Revocation) (held bool, err error) {
	seen, since := 0, time.Now()
	err = db.PeopleOn(ctx, v.User.Key.Platform, func(p crmgate.Person) (err error) {
		if seen++; seen%sweepBatch == 0 {
			since, err = rest(ctx, since)
		}
		if held = shared(p.Grant, v.Grant); held {
			return errEnough
		}
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return held, err
}

// shared reports whether two grants have a credential in common.
func shared(a, b crmgate.Grant) bool {
	same := func(a, b crmgate.Secret) bool { return !a.IsZero() && a.Equal(b) }
	return same(a.AccessToken, b.AccessToken) || same(a.RefreshToken, b.RefreshToken) || same(a.APIKey, b.APIKey)
}

// PostponeRevocation makes a revocation that the caller claimed due at a later time. The error matches crmgate.ErrConflict
// if another caller has claimed or ended it.
func (db *DB) PostponeRevocation(ctx context.Context, v Revocation, due time.Time) error {
	err := db.update(ctx, func(r records) error {
		if err := r.queue().take(v); err != nil {
			return err
		}
		_, err := r.queue().put(v, due)
		return err
	})
	if err != nil {
		return fmt.Errorf("postpone revocation: %w", err)
	}
	return nil
}

// hastenAtOnce bounds the revocations that hasten moves in one transaction.
const hastenAtOnce = 1000

// hasten makes waiting revocations due now, of grants whose application matches. Those that are due within RevocationLease
// stay where they are: they may be claimed.
func (q queue) hasten(p crmgate.Platform, match func(crmgate.AccountID, string) bool) error {
	var waiting []Revocation
	err := q.Scan(onPlatform(revocation, p), func(key, stored []byte) error {
		if !dueOf(key).After(q.Now.Add(RevocationLease)) {
			return nil
		}
		if v, err := q.open(key, stored); err == nil && match(v.Grant.App.Account, v.Grant.App.ClientID) {
			waiting = append(waiting, v)
		}
		if len(waiting) == hastenAtOnce {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	for _, v := range waiting {
		err = errors.Join(err, q.take(v))
		_, putting := q.put(v, q.Now)
		err = errors.Join(err, putting)
	}
	return err
}

// EndRevocation removes a revocation that the caller claimed: the CRM was told, or never will be. A revocation that is
// not there any more is not an error.
func (db *DB) EndRevocation(ctx context.Context, v Revocation) error {
	if !v.Waiting() {
		return nil
	}
	if err := db.update(ctx, func(r records) error { return r.Delete(v.key) }); err != nil {
		return fmt.Errorf("end revocation: %w", err)
	}
	return nil
}

// revocationRecord is the payload of a revocation, version 1.
type revocationRecord struct {
	Person   json.RawMessage `json:"person"`
	Answer   json.RawMessage `json:"answer,omitempty"`
	Queued   time.Time       `json:"queued"`
	Attempts int             `json:"attempts,omitempty"`
}

// encodeRevocation keeps of the person only what a connector gets to see. The rest is forgotten.
func encodeRevocation(v Revocation) ([]byte, error) {
	p := v.Person
	p.User.Name, p.User.HashedExtension = "", ""
	p.User.Created, p.User.SignedIn, p.User.LoggedOut = time.Time{}, time.Time{}, time.Time{}
	who, err := encodePerson(stored{Person: p})
	if err != nil {
		return nil, err
	}
	w := revocationRecord{Person: who, Queued: v.Queued, Attempts: v.Attempts}
	if v.Unread() {
		if w.Answer, err = encodeJournal(v.Answer); err != nil {
			return nil, err
		}
	}
	b, err := json.Marshal(w)
	if err != nil {
		return nil, errNotJSON
	}
	return b, nil
}

func decodeRevocation(b []byte) (Revocation, error) {
	var w revocationRecord
	if err := decodeJSON(b, &w); err != nil {
		return Revocation{}, err
	}
	v := Revocation{Queued: w.Queued, Attempts: w.Attempts}
	p, err := decodePerson(w.Person)
	if v.Person = p.Person; err == nil && len(w.Answer) > 0 {
		v.Answer, err = decodeJournal(w.Answer)
	}
	return v, err
}
