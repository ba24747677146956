package authflow

import (
	"context"

	"github.com/crmgate/crmgate"
)

// identity is whom a request's token (docs/wire.md, 1.2) belongs to.
type identity struct {
	Account   crmgate.AccountID
	Extension crmgate.ExtensionID
	Admin     bool // of the account
}

// identifier says whose token it is. A token that is nobody's is a Refusal. Safe for concurrent use.
type identifier interface {
	identify(ctx context.Context, token crmgate.Secret) (identity, error)
}

// somebody is who holds a token that must be given.
func (f *Flows) somebody(ctx context.Context, token crmgate.Secret) (identity, error) {
	if token.IsZero() {
		return identity{}, crmgate.RefusePlain("Missing RingCentral access token")
	}
	return f.who.identify(ctx, token)
}

// admin is who holds a token that must be an admin's. Without one it refuses as RingCentral would refuse an empty one.
func (f *Flows) admin(ctx context.Context, token crmgate.Secret) (identity, error) {
	if token.IsZero() {
		return identity{}, crmgate.Refuse("Request failed with status code 401")
	}
	who, err := f.who.identify(ctx, token)
	if err == nil && !who.Admin {
		err = &crmgate.Refusal{Kind: crmgate.Forbidden, Plain: true, Message: "Admin validation failed"}
	}
	return who, err
}
