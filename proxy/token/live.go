package token

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
)

// Live returns a person whose credential can be used now: an API key, or an access token that was refreshed if it was
// due. It is the one place that refreshes. However many callers wait, the CRM sees one request, and none of them ends
// it by leaving; each waits for Config.Wait at most. A refresh that is due early and does not work out leaves the
// callers the token that they have, unless the CRM says that the sign-in is over. What is returned is shared: it is
// not to be modified.
//
// Errors are *Error, *crmgate.Refusal, a connector's, the store's (crmgate.ErrNotFound if there is nobody of that key),
// or the caller's context's.
func (e *Engine) Live(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	p, err := e.DB.Person(ctx, key)
	if err != nil {
		return p, err
	}
	due, err := e.due(p)
	if err != nil || !due {
		return p, err
	}
	fresh, err := e.join(ctx, key)
	switch {
	case err == nil:
		return fresh, nil
	case ctx.Err() != nil, errors.Is(err, crmgate.ErrUserDead), errors.Is(err, crmgate.ErrNotFound), !e.alive(p.Grant):
		return crmgate.Person{}, err
	}
	return p, nil // the flight has logged why
}

// rejectable is how old an access token is at least whose rejection means that it has ended. One that is refused when it is
// new is refused for another reason, and so would be the next.
const rejectable = 2 * time.Minute

// Rejected is told that the CRM has answered 401 to the access token of a person whom Live returned, and returns the
// person with another one, as Live does: one that is stored meanwhile, else a refreshed one. Where CRMs say nothing of a
// lifetime, or end a token early, this is how it is learned. crmgate.ErrConflict if there is nothing to replace it with:
// an API key, a token without a refresh token, or one that is new. Errors are otherwise those of Live.
func (e *Engine) Rejected(ctx context.Context, was crmgate.Person) (crmgate.Person, error) {
	key := was.User.Key
	_, err := e.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		g := &now.Grant
		switch {
		case !g.AccessToken.Equal(was.Grant.AccessToken):
			return errSuperseded
		case !g.APIKey.IsZero(), g.RefreshToken.IsZero() && !e.ownRefresh(key.Platform), e.isNew(*g):
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

// isNew reports whether an access token has just been issued. One of the future was issued by a clock that was wrong.
func (e *Engine) isNew(g crmgate.Grant) bool {
	age := e.Now().Sub(g.Issued)
	return age >= 0 && age < rejectable
}

// due reports whether the access token must be refreshed before it is used. The error says that the person must sign in again.
func (e *Engine) due(p crmgate.Person) (bool, error) {
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
	if g.RefreshToken.IsZero() && !e.ownRefresh(p.User.Key.Platform) {
		if left <= 0 {
			return false, signInAgain("the access token has expired, and the CRM gave no refresh token")
		}
		return false, nil
	}
	return left < margin(g), nil
}

// margin is how long before its end a token is refreshed: two minutes, or a tenth of its lifetime if that is more, but
// never more than half of it, lest a token of two minutes be refreshed at every use.
func margin(g crmgate.Grant) time.Duration {
	const least = 2 * time.Minute
	life := g.Expiry.Sub(g.Issued)
	if g.Issued.IsZero() || life <= 0 {
		return least
	}
	return min(max(least, life/10), life/2)
}

// ownRefresh reports whether the platform's connector refreshes by itself, which may take no refresh token.
func (e *Engine) ownRefresh(p crmgate.Platform) bool {
	conn, err := e.Connector(p)
	return err == nil && conn.Implements("checkAndRefreshAccessToken")
}

// alive reports whether the access token can still be used.
func (e *Engine) alive(g crmgate.Grant) bool {
	return !g.AccessToken.IsZero() && (g.Expiry.IsZero() || e.Now().Before(g.Expiry))
}

func signInAgain(why string) error {
	return &Error{Kind: crmgate.ErrUserDead, Message: "User session expired. Please connect again.", Err: errors.New(why)}
}
