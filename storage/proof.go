package storage

import (
	"context"
	"fmt"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
)

// Prove records that a session's account is proven. It confirms the application that issued the person's grant if that one
// is still pending.
//
// crmgate.ErrNotFound means that the session has ended, is not the person's or belongs to another account. If the application was
// replaced or forgotten, the error matches crmgate.ErrConflict, and the session stays unproven.
func (db *DB) Prove(ctx context.Context, key crmgate.UserKey, session string, account crmgate.AccountID, with ...With) error {
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
		}
		if err := r.confirm(account, key.Platform, p.Grant.App.Entry); err != nil {
			return about, err
		}
		p.User.Unproven, p.Grant.App.Entry, s.Unproven = false, "", false
		if err := r.sessions().set(&p, s); err != nil {
			return about, err
		}
		return about, r.setPerson(key, p)
	})
	if err != nil {
		return fmt.Errorf("prove an account: %w", err)
	}
	return nil
}
