package proxy

import (
	"context"

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

// refusals are the answers of a session route to a token that has ended (a ghost) and to one that cannot be decoded. A
// request without a token gets errNoSession on every route.
type refusals struct {
	ghost, undecodable error
	ghostOf            func(crmgate.Platform) any // replaces ghost if the answer depends on the platform
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
		ses, err := c.sessions.Check(ctx, r.header("Authorization"), r.joined("jwtToken"))
		if err != nil {
			return nil, err
		}
		switch ses.State {
		case session.NoSession:
			return nil, errNoSession
		case session.Undecodable:
			return nil, no.undecodable
		case session.Ghost:
			if no.ghostOf != nil {
				return no.ghostOf(ses.Key.Platform), nil
			}
			return nil, no.ghost
		}
		if ses.Unproven {
			if err := c.sessions.Prove(ctx, ses, proof(r)); err != nil {
				return nil, err
			}
		}
		if !ses.Renewed.IsZero() {
			r.fc.Response.Header.Set("X-Refreshed-Jwt-Token", ses.Renewed.Reveal())
		}
		return run(ctx, r, ses)
	}
}
