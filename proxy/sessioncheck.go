package proxy

import (
	"context"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/session"
)

// Refusals of session routes, in upstream's words.
var (
	errNoSession       = crmgate.RefusePlain("Please go to Settings and authorize CRM platform")
	errInvalidToken    = crmgate.RefusePlain("Invalid JWT token")
	errUserNotFound    = crmgate.RefusePlain("User not found")
	errUnknownPlatform = crmgate.RefusePlain("Unknown platform")
)

// refusals are the answers of a session route to a token without a live session. A request without a token gets errNoSession
// on every route.
type refusals struct {
	ghost, undecodable error
	// ended is the answer to a token whose session has ended; default errNoSession, for which clients forget the token.
	ended error
	// anyway, if set, answers some platforms without a live session. It returns nil for others.
	anyway func(crmgate.Platform) any
}

// of returns the answer to a session that is not live.
func (no refusals) of(s session.Session) (any, error) {
	if s.State == session.Ghost || s.State == session.Ended {
		if no.anyway != nil {
			if body := no.anyway(s.Key.Platform); body != nil {
				return body, nil
			}
		}
	}
	switch {
	case s.State == session.Undecodable:
		return nil, no.undecodable
	case s.State == session.Ghost:
		return nil, no.ghost
	case s.State == session.Ended && no.ended != nil:
		return nil, no.ended
	}
	return nil, errNoSession
}

// earlyReply is an error that is answered with status 200 and a body. Some routes report a bad session this way.
type earlyReply struct{ body any }

func (earlyReply) Error() string { return "answered without a session" }

func reply(body any) error { return earlyReply{body} }

// sessionHandler is a handler that needs a live session.
type sessionHandler func(context.Context, *request, session.Session) (any, error)

// sessionCheck runs handlers that need a live session.
type sessionCheck struct{ sessions *session.Sessions }

// live runs a handler for a live session, and adds a renewed session token to the answer if one is due. A RingCentral token in
// the header or in the query proves the account of the session. A malformed token proves nothing; routes that need one refuse
// it.
func (c sessionCheck) live(run sessionHandler, no refusals) handler {
	return c.with(func(r *request) crmgate.Secret {
		rc, _ := r.rcToken("")
		return rc
	}, run, no)
}

// quickly is live for a quick route. It has no deadline, and no source to limit requests to RingCentral by, so it proves nothing.
func (c sessionCheck) quickly(run sessionHandler, no refusals) handler {
	return c.with(func(*request) crmgate.Secret { return crmgate.Secret{} }, run, no)
}

func (c sessionCheck) with(proof func(*request) crmgate.Secret, run sessionHandler, no refusals) handler {
	return func(ctx context.Context, r *request) (any, error) {
		ses, err := c.check(ctx, r)
		if err != nil {
			return nil, err
		}
		if ses.State != session.Live {
			return no.of(ses)
		}
		if ses.Unproven {
			if err := c.sessions.Prove(ctx, ses, proof(r)); err != nil {
				return nil, err
			}
		}
		if !ses.Renewed.IsZero() {
			r.fc.Response.Header.Set("X-Refreshed-Jwt-Token", ses.Renewed.Reveal())
		}
		reply, err := run(ctx, r, ses)
		if (errors.Is(err, crmgate.ErrNotFound) || saysFailed(reply)) && c.endedMeanwhile(ctx, r) {
			return no.of(session.Session{State: session.Ended, Key: ses.Key})
		}
		return reply, err
	}
}

// saysFailed reports whether an answer with status 200 says that the request failed.
func saysFailed(reply any) bool {
	switch answer := reply.(type) {
	case outcome:
		return !answer.Successful
	case license:
		return !answer.Valid
	}
	return false
}

// endedMeanwhile reports whether a session that was live has ended while its request ran.
func (c sessionCheck) endedMeanwhile(ctx context.Context, r *request) bool {
	ses, err := c.check(ctx, r)
	return err == nil && ses.State == session.Ended
}

func (c sessionCheck) check(ctx context.Context, r *request) (session.Session, error) {
	return c.sessions.Check(ctx, r.header("Authorization"), r.joined("jwtToken"))
}
