package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
)

// Event is something that the audit log records. It is made of fixed words, so that no text of a CRM, a connector or a
// client can get into the log.
//
// SignIn, EndSession, DeleteUser and UpdatePerson take the events that go with what they store, in one transaction with
// it. They fill in Platform, User and Account.
type Event struct {
	Kind    EventKind
	By      EventBy
	Outcome EventOutcome
	Reason  EventReason
	// Platform is where it happened; empty if that means nothing.
	Platform crmgate.Platform
	// User and Account are who it was about. They are hashed before they are written.
	User    crmgate.UserID
	Account crmgate.AccountID
	// Count is how many failures OutcomeLeftOut stands for.
	Count uint64
}

// EventKind is what happened.
type EventKind uint8

// The numbers are stored: new ones go to the end.
const (
	EventSignIn         EventKind = iota + 1
	EventLogout                   // by the person
	EventDeletion                 // of everything about a person
	EventRefresh                  // that failed for good
	EventPromotion                // an organisation's app was confirmed by a sign-in
	EventManagedApp               // an organisation's app was entered, dropped or removed
	EventAdministration           // an organisation's settings or managed values were changed
	EventRevocation               // of which the CRM was never told, after a logout
)

// EventBy is who or what did it.
type EventBy uint8

const (
	ByOAuth    EventBy = iota + 1 // a sign-in by OAuth
	ByAPIKey                      // a sign-in with an API key
	ByPerson                      // whoever holds the session
	ByOperator                    // crmgate users, on the server's machine
	ByServer                      // nobody asked
	ByAdmin                       // an organisation's admin
)

// EventOutcome is how it ended.
type EventOutcome uint8

const (
	OutcomeOK      EventOutcome = iota + 1
	OutcomeRefused              // by the CRM or its connector
	OutcomeError
	OutcomeLeftOut // failures that were too many to be written; Count says how many
)

// EventReason is the kind of reason for an outcome.
type EventReason uint8

const (
	ReasonUnprovenAccount EventReason = iota + 1 // the client named an account, and nothing proved it
	ReasonNotAccepted                            // the CRM or its connector did not let the person in
	ReasonRequest                                // the request was wrong
	ReasonForbidden                              // the request is not allowed
	ReasonUserDead                               // the CRM has ended the person's grant
	ReasonAppDead                                // the CRM rejects the application
	ReasonNoApp                                  // nobody has named an application
	ReasonUnavailable                            // it may work later
	ReasonConnector                              // the connector failed
	ReasonInternal                               // this server failed
)

// What is printed. A number that this version does not know is printed as one: a later version wrote it.
var (
	kindWords    = [...]string{"", "sign-in", "logout", "deletion", "refresh", "promotion", "managed app", "administration", "revocation"}
	byWords      = [...]string{"", "oauth", "apiKey", "person", "operator", "server", "admin"}
	outcomeWords = [...]string{"", "ok", "refused", "error", "left out"}
	reasonWords  = [...]string{"", "unproven account", "not accepted", "request", "forbidden", "user dead", "app dead", "no app", "unavailable", "connector", "internal"}
)

func (k EventKind) String() string    { return word(kindWords[:], uint8(k)) }
func (b EventBy) String() string      { return word(byWords[:], uint8(b)) }
func (o EventOutcome) String() string { return word(outcomeWords[:], uint8(o)) }
func (r EventReason) String() string  { return word(reasonWords[:], uint8(r)) }

func word(words []string, n uint8) string {
	if int(n) < len(words) {
		return words[n]
	}
	return fmt.Sprintf("unknown %d", n)
}

// Record writes an event that goes with nothing else that is stored, such as a sign-in that failed. Of one platform and
// kind it writes at most a hundred in an hour, so that nobody can fill the disk by failing; the others are counted, and
// the keeper writes how many they were. nil then.
func (db *DB) Record(ctx context.Context, e Event) error {
	if !db.audit.admit(e, db.now()) {
		db.observe(e.Kind, "left out")
		return nil
	}
	return db.record(ctx, e)
}

func (db *DB) record(ctx context.Context, e Event) error {
	about := subject{crmgate.UserKey{Platform: e.Platform, ID: e.User}, e.Account}
	err := db.audited(ctx, []Event{e}, func(records) (subject, error) { return about, nil })
	if err != nil {
		db.observe(e.Kind, "failed")
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// subject is who a transaction was about.
type subject struct {
	key     crmgate.UserKey
	account crmgate.AccountID
}

// audited is update for what is recorded: the entries are stored with what fn stores, or neither. fn says who it was about.
func (db *DB) audited(ctx context.Context, events []Event, fn func(records) (subject, error)) error {
	if len(events) == 0 {
		return db.update(ctx, func(r records) error {
			_, err := fn(r)
			return err
		})
	}
	t := db.audit.begin(len(events), db.now())
	end := unstored // if fn panics
	defer func() { db.audit.end(t, end) }()
	err := db.update(ctx, func(r records) error {
		end = unstored
		about, err := fn(r)
		if err == nil {
			err = r.setEntries(t, events, about)
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
	for _, e := range events {
		db.observe(e.Kind, "written")
	}
	return nil
}

// setEntries writes the entries of a ticket, and the node's record if this is the first time.
func (r records) setEntries(t *ticket, events []Event, about subject) error {
	if !t.recorded {
		if err := r.ensureNode(t.node); err != nil {
			return err
		}
	}
	for i, e := range events {
		entry := auditEntry{
			At: t.at, Kind: e.Kind, By: e.By, Outcome: e.Outcome, Reason: e.Reason, Count: e.Count, Platform: about.key.Platform,
			User: r.db.userHash(about.key), Account: r.db.accountHash(about.account),
		}
		b := entry.encode()
		t.entries[i] = b // of the last run, which is the one that counts
		if err := r.set(auditEntryKind, entryKey(t.node, t.first+uint64(i)), b, 0); err != nil {
			return err
		}
	}
	return nil
}

// userHash is how the log names somebody: as the key of their record does, so that it is found while it exists.
func (db *DB) userHash(key crmgate.UserKey) (h auditHash) {
	if key.ID != "" {
		db.appendHash(h[:0], person, key.Platform, string(key.ID))
	}
	return h
}

func (db *DB) accountHash(a crmgate.AccountID) (h auditHash) {
	if a != "" {
		db.appendHash(h[:0], auditEntryKind, "", string(a))
	}
	return h
}

func (db *DB) observe(k EventKind, outcome string) {
	if db.countAudit != nil {
		db.countAudit(k.String(), outcome)
	}
}

// What Record writes of one platform and kind.
const (
	auditWindow = time.Hour
	auditLimit  = 100
)
