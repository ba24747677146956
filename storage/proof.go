package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
)

// errProven ends a transaction that has nothing to prove.
var errProven = errors.New("already proven")

// Prove records that a session's account is proven, and confirms the application that issued the person's grant if that one is
// still pending. promotes says that the caller expects this, and logs it with the events. If the session is proven already,
// Prove does nothing, and writes no events.
//
// crmgate.ErrNotFound means that the session has ended, is not the person's or belongs to another account. If the application was
// replaced or forgotten, or promotes is wrong, the error matches crmgate.ErrConflict, and nothing is stored.
func (db *DB) Prove(ctx context.Context, key crmgate.UserKey, session string, account crmgate.AccountID, promotes bool, with ...With) error {
	err := db.change(ctx, with, func(r records) (audit.Subject, error) {
		about := audit.Subject{User: key, Account: account}
		p, err := r.personToChange(key)
		if err != nil {
			return about, err
		}
		s, err := r.sessions().of(p)
		switch {
		case err != nil:
			return about, err
		case s.ID != session || s.Ended || p.User.Account != account:
			return about, crmgate.ErrNotFound
		case !s.Unproven:
			return about, errProven
		}
		promoted, err := r.confirm(account, key.Platform, p.Grant.App.Entry)
		if err == nil && promoted != promotes {
			err = crmgate.ErrConflict
		}
		if err != nil {
			return about, err
		}
		p.User.Unproven, p.Grant.App.Entry, s.Unproven = false, "", false
		if err := r.sessions().set(&p, s); err != nil {
			return about, err
		}
		return about, r.setPerson(key, p)
	})
	if errors.Is(err, errProven) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("prove an account: %w", err)
	}
	return nil
}
