package operator

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Revocation is a grant that was forgotten here and is still to be revoked at the CRM. It contains no credential, and names the
// person by the hash of the audit log: they may be deleted.
type Revocation struct {
	Platform crmgate.Platform  `json:"platform"`
	Hostname string            `json:"hostname,omitempty"`
	UserHash string            `json:"userHash"`
	Account  crmgate.AccountID `json:"rcAccountId,omitempty"`
	ClientID string            `json:"clientId,omitempty"`
	Queued   time.Time         `json:"queued"`
	Attempts int               `json:"attempts"`
	Next     time.Time         `json:"next"` // the earliest time of the next attempt
}

// Revocations lists the revocations that wait, the oldest first.
func (d Directory) Revocations(ctx context.Context) ([]Revocation, error) {
	all := []Revocation{}
	err := d.DB.AllRevocations(ctx, func(v storage.Revocation, due time.Time) error {
		all = append(all, Revocation{
			Platform: v.User.Key.Platform, Hostname: v.User.Key.Hostname, UserHash: d.DB.Audit().HashOf(v.User.Key), Account: v.User.Account,
			ClientID: cmp.Or(v.Grant.App.ClientID, v.Answer.App.ClientID), Queued: v.Queued, Attempts: v.Attempts, Next: due,
		})
		return nil
	})
	slices.SortFunc(all, func(a, b Revocation) int { return a.Queued.Compare(b.Queued) })
	return all, err
}
