package authflow

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

const (
	// redemptionLife is how long the result of a callback is remembered. A double click, a retried request and a prefetch repeat
	// it within seconds.
	redemptionLife = 2 * time.Minute
	// maxFailed bounds the results that are kept in memory. An application's refused codes are limited to about a hundred in this
	// time, so the bound is reached only with more than a hundred applications.
	maxFailed = 16 << 10
)

// claim identifies the redemption of a code, and the caller who asked for it.
type claim struct {
	// code is all that decides which code the CRM is sent. A bound state stands for its code: it is good for one only.
	code string
	// by is the caller, and zero for any. The browser that holds the login secret of a bound state is one caller, however it sends
	// the state's code. Others are known by their query, their address and their account.
	by [sha256.Size]byte
}

// claim returns the claim of a callback.
func (a *attempt) claim(r CallbackRequest) claim {
	if a.bound.ID != "" {
		return claim{code: stateCode(a.bound), by: sha256.Sum256([]byte(a.code.Reveal()))}
	}
	app := application{a.client.Platform, a.client.App.Account, a.client.ID}
	return claim{
		code: join("code", string(app.platform), string(app.account), app.clientID, a.client.RedirectURI, a.code.Reveal()),
		by:   sha256.Sum256([]byte(join(r.Query, r.Address.String(), string(a.account)))),
	}
}

// stateCode is what a claim has in place of a bound state's code.
func stateCode(s state) string { return join("state", s.ID) }

// join joins texts so that different lists have different results.
func join(parts ...string) string {
	b, _ := json.Marshal(parts) // strings always encode
	return string(b)
}

// errRedeemed refuses a caller who repeats the callback of another one.
var errRedeemed = &crmgate.Refusal{Message: errStateSpent.Message, Err: crmgate.ErrConflict}

// redemptions see to it that a code is exchanged once. What runs or failed is kept in memory, by a hash of the code. The answer
// to a sign-in that succeeded is kept in the store, sealed, by the transaction that stores the sign-in: every process on the
// store finds it. Safe for concurrent use.
type redemptions struct {
	db  *storage.DB
	now func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]*redemption // guarded by mu
	old   [][sha256.Size]byte               // those of known that failed, the oldest first; guarded by mu
}

// redemption is the exchange of one code, and what follows.
type redemption struct {
	by    [sha256.Size]byte
	done  chan struct{} // closed when the rest is set
	in    SignedIn
	err   error
	until time.Time // if it failed
}

func newRedemptions(db *storage.DB, now func() time.Time) *redemptions {
	return &redemptions{db: db, now: now, known: map[[sha256.Size]byte]*redemption{}}
}

// once calls redeem, unless the same code is being redeemed or was redeemed a short time ago. Then it waits, and returns what
// that redemption returned; repeated is true. Another caller than that of the redemption gets errRedeemed.
//
// redeem reports whether the CRM has accepted or refused the code. Only then is a failure remembered: the same callback may
// succeed later otherwise.
func (rs *redemptions) once(ctx context.Context, c claim, redeem func() (in SignedIn, settled bool, err error)) (in SignedIn, repeated bool, err error) {
	key := rs.hash(c.code)
	r, first := rs.begin(key, c.by)
	switch {
	case r.by != c.by:
		return SignedIn{}, true, errRedeemed
	case !first:
		select {
		case <-r.done:
			return r.in, true, r.err
		case <-ctx.Done():
			return SignedIn{}, true, ctx.Err()
		}
	}
	settled := false
	defer func() { rs.end(key, r, settled) }() // also if redeem panics
	if r.in, r.err = rs.answer(ctx, c); !errors.Is(r.err, crmgate.ErrNotFound) {
		return r.in, true, r.err
	}
	r.in, settled, r.err = redeem()
	if r.in.Token.IsZero() && (settled || errors.Is(r.err, crmgate.ErrConflict)) { // another process on the store may have been first
		if in, err := rs.answer(ctx, c); err == nil {
			r.in, r.err, settled = in, nil, false
			return in, true, nil
		}
	}
	return r.in, false, r.err
}

// hash is the name of a code in memory: a dump of the memory's table gives no codes. The store hashes the code itself.
func (rs *redemptions) hash(code string) [sha256.Size]byte { return rs.db.Redemptions().Hash(code) }

// begin returns the redemption of a code; first says that the caller must run it.
func (rs *redemptions) begin(key, by [sha256.Size]byte) (r *redemption, first bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for len(rs.old) > 0 && !rs.now().Before(rs.known[rs.old[0]].until) {
		rs.forget()
	}
	if r, ok := rs.known[key]; ok {
		return r, false
	}
	r = &redemption{by: by, done: make(chan struct{}), err: context.Canceled}
	rs.known[key] = r
	return r, true
}

// end ends a redemption, and remembers it if its failure is settled.
func (rs *redemptions) end(key [sha256.Size]byte, r *redemption, settled bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	defer close(r.done)
	if !settled || !r.in.Token.IsZero() { // the store has an answer with a token
		delete(rs.known, key)
		return
	}
	if len(rs.old) >= maxFailed {
		rs.forget()
	}
	r.until = rs.now().Add(redemptionLife)
	rs.old = append(rs.old, key)
}

// forget removes the oldest failure.
func (rs *redemptions) forget() {
	delete(rs.known, rs.old[0])
	rs.old = rs.old[1:]
}

// answerRecord is an answer with a session token. In the store, it is sealed.
type answerRecord struct {
	By      []byte                 `json:"b"`
	Token   string                 `json:"j"`
	ID      crmgate.UserID         `json:"i"`
	Name    string                 `json:"n,omitempty"`
	Message *crmgate.ReturnMessage `json:"m,omitempty"`
}

// keep makes the answer to a sign-in, and stores it for the caller of the claim together with the sign-in. The zero claim stores
// nothing.
func (c claim) keep(answer func(storage.Session) (SignedIn, error)) storage.With {
	return storage.Redeemed(c.code, redemptionLife, func(s storage.Session) ([]byte, error) {
		in, err := answer(s)
		if err != nil || c.code == "" {
			return nil, err
		}
		return crmgate.EncodeJSON(answerRecord{By: c.by[:], Token: in.Token.Reveal(), ID: in.ID, Name: in.Name, Message: in.Message})
	})
}

// answer returns the stored answer to the caller of a claim. The error matches crmgate.ErrNotFound if there is none.
func (rs *redemptions) answer(ctx context.Context, c claim) (SignedIn, error) {
	b, err := rs.db.Redemptions().Get(ctx, c.code)
	if errors.Is(err, crmgate.ErrNotFound) || errors.Is(err, crmgate.ErrSealed) {
		return SignedIn{}, crmgate.ErrNotFound
	}
	if err != nil {
		return SignedIn{}, err
	}
	var a answerRecord
	switch {
	case json.Unmarshal(b, &a) != nil:
		return SignedIn{}, crmgate.ErrNotFound
	case c.by != [sha256.Size]byte{} && string(a.By) != string(c.by[:]):
		return SignedIn{}, errRedeemed
	}
	return SignedIn{Token: crmgate.NewSecret(a.Token), ID: a.ID, Name: a.Name, Message: a.Message}, nil
}
