package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// Config is what New needs. Fields without a default are required.
type Config struct {
	DB          *storage.DB
	Tokens      *token.Engine
	Connectors  connector.Registry
	Revocations *revoke.Worker
	// Verify verifies the RingCentral tokens that prove the accounts of sessions.
	Verify identity.Verify
	// RequireAccountProof has Prove refuse sessions whose account is unproven. Default false.
	RequireAccountProof bool
	// Key signs session tokens (HS256); at least 32 bytes.
	Key crmgate.Secret
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Logger gets the details that clients do not see; default slog.Default().
	Logger *slog.Logger
	// Count, if set, is called for every logout with flow, platform and outcome.
	Count func(flow string, platform crmgate.Platform, outcome string)
}

// Sessions checks session tokens and serves signed-in people. Safe for concurrent use.
type Sessions struct {
	Config
	signer *signer
}

// New checks the configuration and returns Sessions.
func New(c Config) (*Sessions, error) {
	if n := len(c.Key.Reveal()); n < 32 {
		return nil, fmt.Errorf("the session key has %d bytes: it must have at least 32", n)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Count == nil {
		c.Count = func(string, crmgate.Platform, string) {}
	}
	return &Sessions{c, newSigner(c.Key, c.Now)}, nil
}

// Issue makes a session token for a person. sid is the id in their session record.
func (ss *Sessions) Issue(key crmgate.UserKey, sid string) (crmgate.Secret, error) {
	return ss.signer.issue(key, sid)
}

// State is the result of checking a request's session token.
type State int

// Upstream App Connect refuses the first two with different texts.
const (
	NoSession   State = iota // no token, or an invalid one in the Authorization header
	Undecodable              // an invalid token in the query
	Ghost                    // a valid token that names no session: this server issues no such token
	Ended                    // a token of this server whose session has ended
	Live
)

// Session is a checked session.
type Session struct {
	State State
	Key   crmgate.UserKey // for Ghost, Ended and Live; only Live has the host
	// Unproven says that nothing has proved the person's account; only for Live. See Prove.
	Unproven bool
	// Renewed is a new token, if the one presented has passed half its life; only for Live.
	Renewed crmgate.Secret

	id string // of the session record; for Live
}

// Check checks a request's session token. header is the Authorization header. query is the jwtToken parameter, which is read
// only if there is no bearer token. Check opens only the session record. The error is the store's.
func (ss *Sessions) Check(ctx context.Context, header string, query *string) (Session, error) {
	bad := NoSession
	raw, ok := bearer(header)
	if !ok {
		if query == nil || *query == "" {
			return Session{}, nil
		}
		raw, bad = *query, Undecodable
	}
	c, err := ss.signer.verify(raw)
	if err != nil {
		return Session{State: bad}, nil
	}
	s := Session{State: Ghost, Key: crmgate.UserKey{Platform: c.Platform, ID: crmgate.UserID(c.ID)}}
	if c.SID == "" {
		return s, nil
	}
	s.State = Ended // a token is issued after its session was stored, so a session that is not there now has been removed
	r, err := ss.DB.SessionByID(ctx, c.Platform, s.Key.ID, c.SID)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return s, nil
	case err != nil:
		return Session{}, err
	case r.Ended:
		return s, nil
	}
	s.State, s.Key.Hostname, s.Unproven, s.id = Live, r.Hostname, r.Unproven, r.ID
	crmgate.TraceOf(ctx).SetPerson(s.Key)
	if c.Expires.Sub(ss.Now()) <= sessionRenew {
		s.Renewed, err = ss.signer.issue(s.Key, r.ID)
	}
	return s, err
}

// bearer returns the token of "Bearer <token>": the scheme in any case, exactly one space. ok is false for any other header.
func bearer(header string) (token string, ok bool) {
	scheme, token, found := strings.Cut(header, " ")
	return token, found && strings.EqualFold(scheme, "bearer") && token != "" && token[0] != ' '
}
