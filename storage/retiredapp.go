package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

// RetiredApps lists the retired applications whose grants are not all queued for revocation yet.
func (db *DB) RetiredApps(ctx context.Context) ([]crmgate.OrgApplication, error) {
	var all []crmgate.OrgApplication
	err := db.view(ctx, func(r records) error {
		all = nil
		return r.Scan(sealed.Prefix(retiredApp), func(key, stored []byte) error {
			b, err := r.Open(retiredApp, key, stored)
			if errors.Is(err, crmgate.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			var a applicationRecord
			if err := decodeJSON(b, &a); err != nil {
				return err
			}
			if !a.Swept {
				all = append(all, a.app(retiredApp))
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list retired applications: %w", err)
	}
	return all, nil
}

// sweepBatch is how many people a sweep reads or changes at once. After a batch it rests sweepRest times as long as the
// batch took, to leave the processor to requests. No request waits for a sweep.
const (
	sweepBatch = 100
	sweepRest  = 3
)

// rest waits in proportion to the time since since, and returns the time at which the wait ended.
func rest(ctx context.Context, since time.Time) (time.Time, error) {
	select {
	case <-ctx.Done():
		return since, ctx.Err()
	case <-time.After(sweepRest * min(time.Since(since), time.Second)):
		return time.Now(), nil
	}
}

// SweepRetired removes up to limit grants of a retired application and queues them for revocation. It records each session that
// ended with the application in the audit log. n is their number. When
// n is 0, the sweep is complete, and the application's credentials expire with the queue.
func (db *DB) SweepRetired(ctx context.Context, a crmgate.OrgApplication, limit int) (n int, err error) {
	keys, err := db.peopleOf(ctx, a, limit)
	for since := time.Now(); len(keys) > 0 && err == nil; {
		batch := keys[:min(sweepBatch, len(keys))]
		keys = keys[len(batch):]
		if err = db.adoptAll(ctx, batch); err != nil {
			break
		}
		err = db.audit.UpdateEach(ctx, sessionRetired, func(s sealed.Records) (ended []audit.Subject, err error) {
			for _, key := range batch {
				if ended, err = (records{s, db}).sweep(key, a, ended); err != nil {
					return nil, err
				}
			}
			return ended, nil
		})
		if err == nil {
			n += len(batch)
			since, err = rest(ctx, since)
		}
	}
	if err == nil && n == 0 {
		err = db.update(ctx, func(r records) error {
			return r.setRecord(retiredApp, db.keys.retiredApp(a.Account, a.Platform, a.Generation), recordOf(a, true), retiredLife)
		})
	}
	if err != nil {
		return n, fmt.Errorf("sweep a retired application: %w", err)
	}
	return n, nil
}

// peopleOf lists up to limit people who hold a grant of an application.
func (db *DB) peopleOf(ctx context.Context, a crmgate.OrgApplication, limit int) (keys []crmgate.UserKey, err error) {
	err = db.view(ctx, func(r records) error {
		keys = nil
		seen, since := 0, time.Now()
		return r.Scan(onPlatform(person, a.Platform), func(key, stored []byte) (err error) {
			if seen++; seen%sweepBatch == 0 {
				if since, err = rest(ctx, since); err != nil {
					return err
				}
			}
			p, err := r.openPerson(key, stored)
			if err == nil && issued(a, p.Grant) { // a record that does not open has no grant to revoke
				keys = append(keys, p.User.Key)
			}
			if len(keys) >= limit {
				return errEnough
			}
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return keys, err
}

// issued reports whether an application issued a grant that still exists.
func issued(a crmgate.OrgApplication, g crmgate.Grant) bool {
	return !g.Empty() && g.App.Account == a.Account && g.App.Generation == a.Generation
}

// AppRetired is the reason why a grant is dead whose application the organisation has replaced or removed.
const AppRetired = "the organisation replaced or removed the application"

// sessionRetired is the event of a session that ended because its application was retired.
var sessionRetired = audit.Event{Kind: audit.EventLogout, By: audit.ByServer, Outcome: audit.OutcomeOK, Reason: audit.ReasonAppRetired}

// sweep queues one person's grant and ends their session. It appends the person to ended.
func (r records) sweep(key crmgate.UserKey, a crmgate.OrgApplication, ended []audit.Subject) ([]audit.Subject, error) {
	p, err := r.personToChange(key)
	if errors.Is(err, crmgate.ErrNotFound) || err == nil && !issued(a, p.Grant) {
		return ended, nil
	}
	if err != nil {
		return ended, err
	}
	if _, err := r.queue().add(p.Person, 0, r.Now); err != nil {
		return ended, err
	}
	p.Grant = crmgate.Grant{Dead: AppRetired, DeadSince: r.Now}
	return append(ended, p.subject(key)), errors.Join(r.sessions().end(&p), r.queue().addJournal(p.User), r.setPerson(key, p))
}
