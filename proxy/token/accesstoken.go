package token

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
)

// Live returns the person with a credential that is valid now: an API key, or an access token, refreshed if it was due. No
// other function refreshes. The CRM sees one request, however many callers wait, and a caller that leaves does not cancel it.
// A caller waits at most for Config.Wait. If the refresh fails and the old access token is still valid, Live returns that,
// unless the CRM has ended the grant. Callers share the result and must not modify it.
//
// The error is an *Error, a *crmgate.Refusal, a connector's, the store's (crmgate.ErrNotFound for an unknown key), or the
// context's.
func (e *Engine) Live(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	p, err := e.DB.Person(ctx, key)
	if err != nil {
		return p, err
	}
	due, err := e.due(ctx, p)
	if err != nil || !due {
		return p, err
	}
	fresh, err := e.join(ctx, key)
	switch {
	case err == nil:
		return fresh, nil
	case errors.Is(err, errRefusedOften) && alive(p.Grant, e.Now()):
		return p, nil
	case ctx.Err() != nil, errors.Is(err, crmgate.ErrUserDead), errors.Is(err, crmgate.ErrNotFound), !alive(p.Grant, e.Now()):
		return crmgate.Person{}, err
	}
	return p, nil // the flight has logged why
}

// minTokenAge is the age from which a 401 for an access token means that it has expired. A newer one is refused for another
// reason, and so would be the next.
const minTokenAge = 2 * time.Minute

// Rejected replaces the access token of a person from Live after the CRM has answered 401 to it. It returns the person with a
// newer token that is stored already, or else with a refreshed one. This is how crmgate learns the end of a token without a
// lifetime. The error is crmgate.ErrConflict if the credential cannot be replaced: an API key, an access token without a
// refresh token, or a new one. Other errors are those of Live.
func (e *Engine) Rejected(ctx context.Context, was crmgate.Person) (crmgate.Person, error) {
	key := was.User.Key
	_, err := e.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		g := &now.Grant
		switch {
		case !g.AccessToken.Equal(was.Grant.AccessToken):
			return errSuperseded
		case !g.APIKey.IsZero(), g.RefreshToken.IsZero() && !e.ownRefresh(ctx, key.Platform), isNew(*g, e.Now()):
			return crmgate.ErrConflict
		}
		g.Expiry = e.Now()
		return nil
	})
	if err != nil && !errors.Is(err, errSuperseded) {
		return crmgate.Person{}, err
	}
	return e.Live(ctx, key)
}

// isNew reports whether an access token has just been issued. If that is in the future, a clock was wrong.
func isNew(g crmgate.Grant, now time.Time) bool {
	age := now.Sub(g.Issued)
	return age >= 0 && age < minTokenAge
}

// due reports whether the access token must be refreshed before use. The error says that the person must sign in again.
func (e *Engine) due(ctx context.Context, p crmgate.Person) (bool, error) {
	g := p.Grant
	switch {
	case !g.APIKey.IsZero():
		return false, nil
	case g.Dead != "":
		return false, signInAgain(g.Dead)
	case g.Empty():
		return false, signInAgain("logged out")
	case g.AccessToken.IsZero():
		return true, nil
	case g.Expiry.IsZero():
		return false, nil
	}
	left := g.Expiry.Sub(e.Now())
	if g.RefreshToken.IsZero() && !e.ownRefresh(ctx, p.User.Key.Platform) {
		if left <= 0 {
			return false, signInAgain("the access token has expired, and the CRM gave no refresh token")
		}
		return false, nil
	}
	return left < margin(g), nil
}

// margin is how long before its expiry a token is refreshed: two minutes, or a tenth of its lifetime if that is more. It is at
// most half the lifetime, so that a token of two minutes is not refreshed at every use.
func margin(g crmgate.Grant) time.Duration {
	const least = 2 * time.Minute
	life := g.Expiry.Sub(g.Issued)
	if g.Issued.IsZero() || life <= 0 {
		return least
	}
	return min(max(least, life/10), life/2)
}

// ownRefresh reports whether the platform's connector refreshes by itself. It may need no refresh token.
func (e *Engine) ownRefresh(ctx context.Context, p crmgate.Platform) bool {
	conn, err := e.Connector(ctx, p)
	return err == nil && conn.Implements("checkAndRefreshAccessToken")
}

// alive reports whether the access token has not expired.
func alive(g crmgate.Grant, now time.Time) bool {
	return !g.AccessToken.IsZero() && (g.Expiry.IsZero() || now.Before(g.Expiry))
}

// sessionExpired tells a person to sign in again.
const sessionExpired = "User session expired. Please connect again."

func signInAgain(why string) error {
	return &Error{Kind: crmgate.ErrUserDead, Message: sessionExpired, Err: errors.New(why)}
}
