package storage

import (
	"cmp"
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
