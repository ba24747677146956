package token

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
)

// buried is what the audit log says of a grant that the CRM has ended.
var buried = audit.Event{Kind: audit.EventRefresh, By: audit.ByServer, Outcome: audit.OutcomeRefused, Reason: audit.ReasonUserDead}

// recordAppDead writes to the audit log that a refresh failed because the CRM rejects the application. Nothing is stored
// with it: the person's grant may live again when somebody has mended that.
func (e *Engine) recordAppDead(ctx context.Context, p crmgate.Person) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.Timeout)
	defer cancel()
	err := e.DB.Audit().Record(ctx, audit.Event{
		Kind: audit.EventRefresh, By: audit.ByServer, Outcome: audit.OutcomeRefused, Reason: audit.ReasonAppDead,
		Platform: p.User.Key.Platform, User: p.User.Key.ID, Account: p.User.Account,
	})
	if err != nil {
		e.Logger.WarnContext(ctx, "a failed refresh is not in the audit log", "platform", p.User.Key.Platform, "err", err)
	}
}
