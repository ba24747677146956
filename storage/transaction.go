package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

// records is a transaction that reads and writes records.
type records struct {
	sealed.Records
	db *DB
}

func (db *DB) view(ctx context.Context, fn func(records) error) error {
	return db.engine.View(ctx, db.sealed(func(r sealed.Records) error { return fn(records{r, db}) }))
}

func (db *DB) update(ctx context.Context, fn func(records) error) error {
	return db.engine.Update(ctx, db.sealed(func(r sealed.Records) error { return fn(records{r, db}) }))
}

// sealed adapts a function on records to the engine's transactions.
func (db *DB) sealed(fn func(sealed.Records) error) func(Tx) error {
	return func(tx Tx) error { return fn(db.ring.Records(tx, db.now(), formats)) }
}

// With is something that goes with a change, in its transaction. See LogEvent, ConfirmApp, UseApp, IfSeen, IfFieldsSeen,
// IfUnanswered, DropEntry, DropFetched, ReleaseLease, RevokeReplaced, ChangeFields, PlaceFields, AcceptFields and Redeemed.
type With struct {
	before, after func(records) error
	replaced      func(r records, old, now crmgate.Person) error // only by SignIn
	signedIn      func(records, Session) error                   // only by SignIn
	events        []audit.Event
}

// LogEvent writes events to the audit log. The change says which user and account they are about.
func LogEvent(events ...audit.Event) With { return With{events: events} }

// change runs fn, and what goes with it, in one transaction. fn returns who the change is about.
func (db *DB) change(ctx context.Context, with []With, fn func(records) (audit.Subject, error)) error {
	var events []audit.Event
	for _, w := range with {
		events = append(events, w.events...)
	}
	return db.audit.Update(ctx, events, func(s sealed.Records) (audit.Subject, error) {
		r := records{s, db}
		for _, w := range with {
			if w.before == nil {
				continue
			}
			if err := w.before(r); err != nil {
				return audit.Subject{}, err
			}
		}
		about, err := fn(r)
		for _, w := range with {
			if err == nil && w.after != nil {
				err = w.after(r)
			}
		}
		return about, err
	})
}

// getJSON reads a record of JSON into v; found is false if there is none.
func (r records) getJSON(k sealed.Kind, key []byte, v any) (found bool, err error) {
	b, err := r.Get(k, key)
	if errors.Is(err, crmgate.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, decodeJSON(b, v)
}

// decodeJSON is json.Unmarshal without the cause of an error, which may quote the record.
func decodeJSON(b []byte, v any) error {
	if json.Unmarshal(b, v) != nil {
		return sealed.ErrMalformed
	}
	return nil
}

// encodeVerbatim is json.Marshal that keeps the JSON of clients and connectors as they wrote it: it escapes no HTML.
func encodeVerbatim(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
