package token

import (
	"context"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
)

// Call runs an operation on a signed-in person with the stored credential. rejected, if not nil, is called when the CRM
// answers 401 to that credential.
func Call[T any](ctx context.Context, op func(context.Context, connector.UserRequest) (T, error), conn connector.Connector, p crmgate.Person, rejected func()) (T, error) {
	req, err := UserRequest(ctx, conn, p)
	if err != nil {
		var none T
		return none, err
	}
	req.Rejected = rejected
	return op(ctx, req)
}

// CallLive runs an operation on a person that Live returned. If the CRM rejects the access token, CallLive refreshes it
// and runs the operation once more. The operation must therefore be safe to repeat. If the CRM has ended the grant, the error
// is crmgate.ErrUserDead.
func CallLive[T any](ctx context.Context, e *Engine, op func(context.Context, connector.UserRequest) (T, error), conn connector.Connector, p crmgate.Person) (T, error) {
	rejected := false
	out, err := Call(ctx, op, conn, p, func() { rejected = true })
	if !rejected {
		return out, err
	}
	switch fresh, failure := e.Rejected(ctx, p); {
	case failure == nil:
		return Call(ctx, op, conn, fresh, nil)
	case errors.Is(failure, crmgate.ErrUserDead):
		var none T
		return none, failure
	case !errors.Is(failure, crmgate.ErrConflict):
		e.Logger.Log(ctx, LogLevel(failure), "the CRM rejects an access token, and it cannot be replaced", "platform", p.User.Key.Platform, "err", failure)
	}
	return out, err
}

// Apply stores what an operation changed about the user.
func (e *Engine) Apply(ctx context.Context, key crmgate.UserKey, out connector.Outcome) error {
	if len(out.AdditionalInfo) == 0 {
		return nil
	}
	_, err := e.DB.UpdatePerson(ctx, key, func(p *crmgate.Person) (err error) {
		p.User.AdditionalInfo, err = connector.MergeInfo(p.User.AdditionalInfo, out.AdditionalInfo)
		return err
	})
	return err
}

// CRMStatus is the CRM's HTTP status behind an error; 0 if there is none.
func CRMStatus(err error) int {
	var te *Error
	var ce *crmgate.ConnectorError
	switch {
	case errors.As(err, &te):
		return te.Status
	case errors.As(err, &ce):
		return ce.Status
	}
	return 0
}
