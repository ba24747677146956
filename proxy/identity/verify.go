package identity

import (
	"context"
	"fmt"

	"github.com/crmgate/crmgate"
)

// Identity is the RingCentral account and extension behind a token.
type Identity struct {
	Account   crmgate.AccountID
	Extension crmgate.ExtensionID
	Admin     bool // of the account
}

// Verify returns the identity behind a RingCentral token, or behind an admin token. An invalid token is a Refusal. A
// Verify is safe for concurrent use.
type Verify func(ctx context.Context, token crmgate.Secret) (Identity, error)

// Either returns the Verify of a server. A token with the form of an admin token is one of tokens, and is never sent to
// RingCentral. rc verifies all others; if rc is nil, they are Refusals.
func Either(tokens *AdminTokens, rc *RingCentral) Verify {
	return func(ctx context.Context, token crmgate.Secret) (Identity, error) {
		switch {
		case hasForm(token):
			return tokens.Verify(ctx, token)
		case rc == nil:
			return Identity{}, &crmgate.Refusal{Message: "This is not an admin token, and this server does not accept tokens of RingCentral.", Err: crmgate.ErrInvalidToken}
		}
		return rc.Verify(ctx, token)
	}
}

// Required verifies a token that the request must have.
func (v Verify) Required(ctx context.Context, token crmgate.Secret) (Identity, error) {
	if token.IsZero() {
		return Identity{}, crmgate.RefusePlain("Missing RingCentral access token")
	}
	return v(ctx, token)
}

// rejected is the Refusal of an invalid token. It has RingCentral's text.
func rejected(status int) error {
	r := &crmgate.Refusal{Message: fmt.Sprintf("Request failed with status code %d", status)}
	if status == 401 || status == 403 {
		r.Err = crmgate.ErrInvalidToken
	}
	return r
}

// Admin verifies a token that must be an admin's. A missing token gets the text that RingCentral gives an empty one.
func (v Verify) Admin(ctx context.Context, token crmgate.Secret) (Identity, error) {
	if token.IsZero() {
		return Identity{}, rejected(401)
	}
	who, err := v(ctx, token)
	if err == nil && !who.Admin {
		err = &crmgate.Refusal{Kind: crmgate.Forbidden, Plain: true, Message: "Admin validation failed", Err: crmgate.ErrNotAdmin}
	}
	return who, err
}
