package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
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

// SweepRetired removes up to limit grants of a retired application and queues them for revocation. n is their number. When
// n is 0, the sweep is complete, and the application's credentials expire with the queue.
func (db *DB) SweepRetired(ctx context.Context, a crmgate.OrgApplication, limit int) (n int, err error) {
	keys, err := db.peopleOf(ctx, a, limit)
	for since := time.Now(); len(keys) > 0 && err == nil; {
		batch := keys[:min(sweepBatch, len(keys))]
		keys = keys[len(batch):]
		if err = db.adoptAll(ctx, batch); err != nil {
			break
		}
		err = db.update(ctx, func(r records) error {
			for _, key := range batch {
				if err := r.sweep(key, a); err != nil {
					return err
				}
			}
			return nil
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

// sweep queues one person's grant and ends their session.
func (r records) sweep(key crmgate.UserKey, a crmgate.OrgApplication) error {
	p, err := r.personToChange(key)
	if errors.Is(err, crmgate.ErrNotFound) || err == nil && !issued(a, p.Grant) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := r.queue().add(p.Person, 0, r.Now); err != nil {
		return err
	}
	p.Grant = crmgate.Grant{}
	return errors.Join(r.sessions().end(&p), r.queue().addJournal(p.User), r.setPerson(key, p))
}
