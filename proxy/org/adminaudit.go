package org

import (
	"context"

	"github.com/crmgate/crmgate/proxy/operator"
)

// auditShown is how many entries a page for an admin has.
const auditShown = 50

// Audit are entries about the account, the latest first, from where an earlier call said that it goes on; next is empty at
// the end. There may be few, or none, and still more to come.
func (a *Admin) Audit(ctx context.Context, from string) (entries []operator.AuditEntry, next string, err error) {
	found, next, err := a.o.DB.Audit().ReadBack(ctx, a.who.Account, from, auditShown)
	for _, e := range found {
		entries = append(entries, operator.NewAuditEntry(e))
	}
	return entries, next, err
}
