package storage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/crmgate/crmgate"
)

// noRevision is the Revision of no applications.
const noRevision = "none"

// Revision identifies the applications that an admin sees in a form: the confirmed one, and the pending one if another admin
// entered it. An admin's own pending application does not change it, because they may correct it and send the form again.
//
// It is a hash of random ids, so it tells nothing about the applications.
func (a Applications) Revision(admin crmgate.ExtensionID) string {
	confirmed, pending := "", ""
	if a.Confirmed != nil {
		confirmed = a.Confirmed.Entry
	}
	if p := a.Pending; p != nil && p.By != admin && p.Platform != "" { // a form may leave one without a platform out
		pending = p.Entry
	}
	if confirmed == "" && pending == "" {
		return noRevision
	}
	sum := sha256.Sum256([]byte(confirmed + " " + pending))
	return hex.EncodeToString(sum[:16])
}

// IfSeen lets a change happen only if the Revision of an organisation's applications is still the one in the admin's form.
// Otherwise the error matches crmgate.ErrConflict. An empty revision stands for no applications.
func IfSeen(account crmgate.AccountID, p crmgate.Platform, admin crmgate.ExtensionID, revision string) With {
	return With{before: func(r records) error {
		apps, err := r.applications(account, p)
		if err == nil && apps.Revision(admin) != cmp.Or(revision, noRevision) {
			err = fmt.Errorf("the form shows other applications: %w", crmgate.ErrConflict)
		}
		return err
	}}
}

// FieldsRevision identifies the values that key names, for the form of an admin. It is random, so that it does not confirm a
// guess of a value.
func (db *DB) FieldsRevision(ctx context.Context, key FieldsKey) (revision string, err error) {
	err = db.view(ctx, func(r records) error {
		revision, err = r.fieldsRevision(key)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the revision of managed fields: %w", err)
	}
	return revision, nil
}

func (r records) fieldsRevision(key FieldsKey) (string, error) {
	var w fieldsRecord
	k, stored := r.db.keys.fields(key)
	found, err := r.getJSON(k, stored, &w)
	if !found {
		return noRevision, err
	}
	return cmp.Or(w.Revision, "first"), err
}

// IfFieldsSeen lets a change happen only if the FieldsRevision is still the one in the admin's form. Otherwise the error
// matches crmgate.ErrConflict. An empty revision stands for no values.
func IfFieldsSeen(key FieldsKey, revision string) With {
	return With{before: func(r records) error {
		now, err := r.fieldsRevision(key)
		if err == nil && now != cmp.Or(revision, noRevision) {
			err = fmt.Errorf("the form shows other values: %w", crmgate.ErrConflict)
		}
		return err
	}}
}
