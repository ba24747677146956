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

// RevocationLease is how long a revocation is left to whoever queued or claimed it. It is longer than any attempt takes,
// so that a second process comes to it only when the first is gone.
const RevocationLease = 2 * time.Minute

// Revocation is a grant that was forgotten here, and that its CRM has not been told about yet.
type Revocation struct {
	// Person is who it was and what they were granted. Of what was stored only what a connector gets to see is kept.
	crmgate.Person
	// Answer is one of the CRM's that nobody has read: what it granted is to be revoked. Whoever has read it puts the tokens
	// into Grant, and empties this, before they claim the revocation.
	Answer   JournalEntry
	Queued   time.Time
	Attempts int // how often somebody set out to tell the CRM

	key []byte // where it is stored; nil if there is nothing to revoke
}

// Unread reports whether the tokens are still to be read out of the answer.
func (v Revocation) Unread() bool { return !v.Answer.Body.IsZero() }

// Waiting reports whether it is stored: whether there is something that the CRM must hear.
func (v Revocation) Waiting() bool { return v.key != nil }

// Backlog is what waits for one platform.
type Backlog struct {
	Due   []Revocation // the longest overdue first
	Next  time.Time    // when the first of the others will be due; zero if there are none
	Count int          // of all, up to MaxBacklog
}

// MaxBacklog bounds how many revocations of a platform are counted.
const MaxBacklog = 10_000

// A revocation is stored under
//
//	r/PLATFORM/ | when it is due (8, Unix milliseconds) | random (16)
//
// so that the due ones are the first of a scan, and a claim is a move: of all who find it under one key, one moves it.
const revocationIDLen = 16

func (r records) revocationKey(p crmgate.Platform, due time.Time) []byte {
	key := onPlatform(revocation, p)
	key = binary.BigEndian.AppendUint64(key, uint64(max(0, due.UnixMilli())))
	id := make([]byte, revocationIDLen)
	_, _ = rand.Read(id) // never fails
	return append(key, id...)
}

// queue stores a revocation of what the person was granted, due at a time; the zero Revocation if that is nothing.
func (r records) queue(p crmgate.Person, attempts int, due time.Time) (Revocation, error) {
	v := Revocation{Person: p, Queued: r.Now, Attempts: attempts}
	if p.Grant.Empty() {
		return v, nil
	}
	if err := r.nameBacklog(p.User.Key.Platform); err != nil {
		return v, err
	}
	return r.place(v, due)
}

// nameBacklog notes that a platform has revocations. The note stays: it is one for each platform, and to remove it would
// take a decision about absence.
func (r records) nameBacklog(p crmgate.Platform) error {
	key := append(sealed.Prefix(backlog), p...)
	noted, err := r.Has(backlog, key)
	if err != nil || noted {
		return err
	}
	return r.Set(backlog, key, nil, 0)
}

// place stores a revocation under the key of its due time.
func (r records) place(v Revocation, due time.Time) (Revocation, error) {
	b, err := encodeRevocation(v)
	if err != nil {
		return v, err
	}
	v.key = r.revocationKey(v.User.Key.Platform, due)
	return v, r.Set(revocation, v.key, b, 0)
}

// QueueRevocation queues what the person was granted, to be revoked from now on. It must not be what is stored as their
// grant now: that would be dropped.
func (db *DB) QueueRevocation(ctx context.Context, p crmgate.Person) error {
	err := db.update(ctx, func(r records) error {
		_, err := r.queue(p, 0, r.Now)
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

var errEnough = errors.New("enough")

// Revocations returns what waits for a platform, and opens at most limit of what is due. A record that does not open is
// counted, and in nobody's way.
func (db *DB) Revocations(ctx context.Context, p crmgate.Platform, limit int) (Backlog, error) {
	var all Backlog
	prefix := onPlatform(revocation, p)
	err := db.view(ctx, func(r records) error {
		all = Backlog{}
		return r.Scan(prefix, func(key, stored []byte) error {
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
				if v, err := r.revocationAt(key, stored); err == nil {
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

func dueOf(key []byte) time.Time {
	if len(key) < 8+revocationIDLen {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(key[len(key)-8-revocationIDLen:])))
}

func (r records) revocationAt(key, stored []byte) (Revocation, error) {
	b, err := r.Open(revocation, key, stored)
	if err != nil {
		return Revocation{}, err
	}
	v, err := decodeRevocation(b)
	v.key = bytes.Clone(key)
	return v, err
}

// ClaimRevocation leaves a revocation to the caller until the lease is over, and counts the attempt. Whoever dies
// meanwhile has lost nothing: it is due again then. The error matches crmgate.ErrConflict if somebody else has claimed or
// ended it.
//
// If the person has signed in again and holds one of these very credentials, it is dropped instead: to revoke it would log
// them out. The Revocation returned is then no longer Waiting.
func (db *DB) ClaimRevocation(ctx context.Context, v Revocation) (Revocation, error) {
	var claimed Revocation
	err := db.update(ctx, func(r records) error {
		claimed = v
		if err := r.takeRevocation(v); err != nil {
			return err
		}
		p, err := r.person(v.User.Key)
		if err == nil && shared(p.Grant, v.Grant) {
			claimed.key = nil
			return nil
		}
		// A person record that cannot be read is no reason to keep a credential alive.
		claimed.Attempts++
		claimed, err = r.place(claimed, r.Now.Add(RevocationLease))
		return err
	})
	if err != nil {
		return Revocation{}, fmt.Errorf("claim revocation: %w", err)
	}
	return claimed, nil
}

// takeRevocation removes a revocation from where it was found; crmgate.ErrConflict if it is no longer there.
func (r records) takeRevocation(v Revocation) error {
	_, err := r.Tx.Get(v.key)
	if errors.Is(err, crmgate.ErrNotFound) {
		return crmgate.ErrConflict
	}
	return errors.Join(err, r.Delete(v.key))
}

// shared reports whether two grants have a credential in common.
func shared(a, b crmgate.Grant) bool {
	same := func(a, b crmgate.Secret) bool { return !a.IsZero() && a.Equal(b) }
	return same(a.AccessToken, b.AccessToken) || same(a.RefreshToken, b.RefreshToken) || same(a.APIKey, b.APIKey)
}

// PostponeRevocation has a revocation that the caller claimed due at a later time. crmgate.ErrConflict as with ClaimRevocation.
func (db *DB) PostponeRevocation(ctx context.Context, v Revocation, due time.Time) error {
	err := db.update(ctx, func(r records) error {
		if err := r.takeRevocation(v); err != nil {
			return err
		}
		_, err := r.place(v, due)
		return err
	})
	if err != nil {
		return fmt.Errorf("put off revocation: %w", err)
	}
	return nil
}

// EndRevocation removes a revocation that the caller claimed: the CRM knows, or never will. One that is not there any
// more is no error.
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

// encodeRevocation keeps of the person what a connector gets to see of them: the rest was theirs to have forgotten.
func encodeRevocation(v Revocation) ([]byte, error) {
	p := v.Person
	p.User.Name, p.User.HashedExtension = "", ""
	p.User.Created, p.User.SignedIn, p.User.LoggedOut = time.Time{}, time.Time{}, time.Time{}
	who, err := encodePerson(p)
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
	if json.Unmarshal(b, &w) != nil {
		return Revocation{}, sealed.ErrMalformed // without the cause, which may quote the record
	}
	v := Revocation{Queued: w.Queued, Attempts: w.Attempts}
	var err error
	if v.Person, err = decodePerson(w.Person); err == nil && len(w.Answer) > 0 {
		v.Answer, err = decodeJournal(w.Answer)
	}
	return v, err
}
