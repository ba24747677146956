package authflow

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/storage"
)

const (
	stateLife = 10 * time.Minute
	// statePrefix distinguishes bound states from those of manifests and CRMs.
	statePrefix = "cg."
	stateLabel  = "state"

	// maxShortStates bounds the stored states, for CRMs that do not accept a long state. Of these, a client may store
	// shortStateBurst at once, and one more in every shortStateEvery.
	maxShortStates  = 40_000
	shortStateBurst = 1000
	shortStateEvery = time.Second
)

// state is a bound state: what a callback needs from the request for its authorization URL. It is sealed into the state
// parameter, so composing a URL writes nothing. Only the id of a spent state is stored.
type state struct {
	ID       string            `json:"i"`
	Platform crmgate.Platform  `json:"p"`
	Account  crmgate.AccountID `json:"a,omitempty"`
	// Extension is the RingCentral user who proved Account.
	Extension   crmgate.ExtensionID `json:"x,omitempty"`
	Hostname    string              `json:"h,omitempty"`
	Username    string              `json:"u,omitempty"` // that the person entered on the connect page
	ClientID    string              `json:"c"`
	Entry       string              `json:"n,omitempty"` // of the organisation's application
	RedirectURI string              `json:"r"`
	Origin      string              `json:"o"`
	Verifier    string              `json:"v,omitempty"` // PKCE
	// Page says that one of this server's pages began the sign-in, and Admin that it was the organisation's. Session is the auth
	// session of a client that waits; empty if none does.
	Page    bool   `json:"w,omitempty"`
	Admin   bool   `json:"m,omitempty"`
	Session string `json:"l,omitempty"`
	// HashedExtension is copied from the auth session; empty without one.
	HashedExtension string `json:"y,omitempty"`
	SecretHash      []byte `json:"s"`
	Expires         int64  `json:"e"` // Unix seconds
}

// states makes, opens and spends bound states. Safe for concurrent use.
type states struct {
	db    *storage.DB
	now   func() time.Time
	short *limit.Rates[limit.Client]
}

// errStateUnusable is the refusal of every state that does not open: forged, or sealed with another key.
var errStateUnusable = crmgate.Refuse("This sign-in link is not valid. Please start again.")

// errStateSpent is the refusal of a state that was used.
var errStateSpent = &crmgate.Refusal{Kind: crmgate.Declined, Message: "This sign-in link was already used. Please start again.", Err: crmgate.ErrConflict}

// random returns n random bytes, encoded for URLs.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// bind makes the state parameter for s, and the login secret for the client that asked for it. If s has an expiry, the state
// lives no longer.
func (st *states) bind(ctx context.Context, s state, short bool) (param string, loginSecret crmgate.Secret, err error) {
	loginSecret = crmgate.NewSecret(random(32))
	s.ID, s.SecretHash = random(16), hashOf(loginSecret)
	if end := st.now().Add(stateLife).Unix(); s.Expires == 0 || s.Expires > end {
		s.Expires = end
	}
	handle := s.ID
	if short {
		err = st.keep(ctx, s)
	} else {
		handle, err = sealedText(st.db, stateLabel, s)
	}
	return statePrefix + handle + ",platform=" + string(s.Platform), loginSecret, err
}

// keep stores a state for a CRM that does not accept a long one.
func (st *states) keep(ctx context.Context, s state) error {
	plain, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if !st.short.Allow(limit.ClientOf(ctx, s.Account)) {
		return &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many sign-ins were started from your address. Please try again in a few minutes."}
	}
	return tooManySignIns(st.db.States().Put(ctx, s.ID, plain, stateLife, maxShortStates))
}

// sealedText seals a value for use in a URL.
func sealedText(db *storage.DB, label string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	sealed, err := db.Seal(label, plain)
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// openText opens what sealedText has made. The error matches crmgate.ErrSealed for any other text.
func openText(db *storage.DB, label, text string, v any) error {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	// Go's base64 ignores line breaks and unused bits. Only one spelling is accepted.
	if err != nil || base64.RawURLEncoding.EncodeToString(sealed) != text {
		return crmgate.ErrSealed
	}
	plain, err := db.Unseal(label, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// isBound reports whether a state parameter has the form of a bound state.
func isBound(param string) bool { return strings.HasPrefix(param, statePrefix) }

func tookTooLong() error {
	return &crmgate.Refusal{Kind: crmgate.Declined, Message: fmt.Sprintf("This sign-in took longer than %d minutes. Please start again.", int(stateLife.Minutes())), Err: crmgate.ErrExpired}
}

// open opens a bound state without spending it. A state that is forged, changed or expired is a Refusal. For an expired one,
// open also returns the content.
func (st *states) open(ctx context.Context, param string) (state, error) {
	var s state
	handle, named, _ := strings.Cut(strings.TrimPrefix(param, statePrefix), ",")
	var err error
	if len(handle) == base64.RawURLEncoding.EncodedLen(16) {
		var plain []byte
		if plain, err = st.db.States().Get(ctx, handle); err == nil {
			err = json.Unmarshal(plain, &s)
		}
	} else {
		err = openText(st.db, stateLabel, handle, &s)
	}
	switch {
	case errors.Is(err, crmgate.ErrNotFound): // the record of a short state has expired
		return s, &crmgate.Refusal{Kind: crmgate.Declined, Message: "This sign-in link is not valid, or it has expired. Please start again.", Err: crmgate.ErrExpired}
	case errors.Is(err, crmgate.ErrSealed):
		return s, errStateUnusable
	}
	if err != nil {
		return s, err
	}
	for name := range strings.SplitSeq(named, ",") { // some clients append a second state that names the platform
		if name != "platform="+string(s.Platform) {
			return s, errStateUnusable
		}
	}
	if st.now().Unix() >= s.Expires {
		return s, tookTooLong()
	}
	return s, nil
}

// heldBy refuses a callback without the login secret. The state can still be used.
func (s state) heldBy(secret crmgate.Secret) error {
	if !hashes(secret, s.SecretHash) {
		return &crmgate.Refusal{Message: "This sign-in was started by another browser, or the X-Crmgate-Login header is missing.", Err: crmgate.ErrOtherBrowser}
	}
	return nil
}

// hashOf is the stored form of a secret that is only compared.
func hashOf(secret crmgate.Secret) []byte {
	h := sha256.Sum256([]byte(secret.Reveal()))
	return h[:]
}

// hashes reports whether hash is hashOf the secret.
func hashes(secret crmgate.Secret, hash []byte) bool {
	return subtle.ConstantTimeCompare(hashOf(secret), hash) == 1
}

// spend makes the state unusable. Of concurrent callers, exactly one succeeds.
func (st *states) spend(ctx context.Context, s state) error {
	left := time.Unix(s.Expires, 0).Sub(st.now())
	err := st.db.SpendState(ctx, s.ID, left+time.Minute)
	if errors.Is(err, crmgate.ErrConflict) {
		return errStateSpent
	}
	return err
}
