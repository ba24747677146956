package storage

import (
	"context"
	"errors"

	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

// With is something that happens in the transaction of a change, or prevents it: see LogEvent, ConfirmApp, IfUnanswered,
// DropEntry, ReleaseLease, ChangeFields and AcceptFields.
type With struct {
	before, after func(records) error
	events        []audit.Event
}

// LogEvent writes events to the audit log. The change says which user and account they are about.
func LogEvent(events ...audit.Event) With { return With{events: events} }

// change runs fn, and what comes with it, in one transaction. fn returns who the change is about.
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
		if err != nil {
			return about, err
		}
		for _, w := range with {
			if w.after != nil {
				err = errors.Join(err, w.after(r))
			}
		}
		return about, err
	})
}

// records is a transaction that reads and writes records.
type records struct {
	sealed.Records
	db *DB
}
