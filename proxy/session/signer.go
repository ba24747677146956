package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
)

const (
	sessionLife  = 14 * 24 * time.Hour
	sessionRenew = 7 * 24 * time.Hour
	// maxSessionToken bounds what is parsed before the signature is verified. An issued token has about 300 bytes.
	maxSessionToken = 4096
)

// signer issues and verifies session tokens: HS256, with the claims id, platform, iat, exp and sid. Upstream also accepts
// HS384, HS512, and tokens without exp. It never issues such tokens.
type signer struct {
	key    crmgate.Secret
	now    func() time.Time
	parser *jwt.Parser

	// known holds the claims of tokens with a valid signature, by the hash of the token. Times are checked at each use. Without
	// this cache, a third of a session check was parsing JSON.
	known *lru.Cache[[sha256.Size]byte, claims]
}

// maxKnown bounds known. An entry has about 200 bytes.
const maxKnown = 16 << 10

func newSigner(key crmgate.Secret, now func() time.Time) *signer {
	known, _ := lru.New[[sha256.Size]byte, claims](maxKnown) // fails only for a size of 0
	return &signer{key: key, now: now, known: known, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())}
}

type claims struct {
	ID       identity.ID      `json:"id"` // upstream turns numbers into strings
	Platform crmgate.Platform `json:"platform"`
	Issued   *jwt.NumericDate `json:"iat"`
	Expires  *jwt.NumericDate `json:"exp"`
	Earliest *jwt.NumericDate `json:"nbf,omitempty"`
	SID      string           `json:"sid,omitempty"`
}

// golang-jwt requires these methods. The tokens have no issuer, subject and audience.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.Expires, nil }

func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.Issued, nil }

func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.Earliest, nil }

func (c *claims) GetIssuer() (string, error) { return "", nil }

func (c *claims) GetSubject() (string, error) { return "", nil }

func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return nil, nil }

// lastSecond is the end of the year 9999. Later times have no JSON form, and some overflow.
const lastSecond = 253402300799

// UnmarshalJSON refuses duplicate claims and times that are not numbers. encoding/json takes the last of two equal claims, and
// "ID" for "id". golang-jwt accepts a time that is a string.
func (c *claims) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("the claims are not an object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		var v any
		if err := d.Decode(&v); err != nil {
			return err
		}
		name := strings.ToLower(t.(string)) // a member's name is a string
		if seen[name] {
			return errors.New("a claim is there twice")
		}
		seen[name] = true
		switch name {
		case "exp", "iat", "nbf":
			if s, ok := v.(float64); !ok || s < 0 || s > lastSecond {
				return errors.New("a time is not a number of seconds")
			}
		}
	}
	type plain claims
	return json.Unmarshal(b, (*plain)(c))
}

func (t *signer) issue(key crmgate.UserKey, sid string) (crmgate.Secret, error) {
	now := t.now()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{
		ID: identity.ID(key.ID), Platform: key.Platform, SID: sid,
		Issued: jwt.NewNumericDate(now), Expires: jwt.NewNumericDate(now.Add(sessionLife)),
	}).SignedString([]byte(t.key.Reveal()))
	return crmgate.NewSecret(s), err
}

// verify returns the claims of a token that issue made and that is valid now.
func (t *signer) verify(raw string) (claims, error) {
	if len(raw) > maxSessionToken {
		return claims{}, errors.New("longer than a session token can be")
	}
	sum := sha256.Sum256([]byte(raw))
	c, ok := t.known.Get(sum)
	if !ok {
		var err error
		if c, err = t.authentic(raw); err != nil {
			return c, err
		}
		t.known.Add(sum, c)
	}
	now := t.now()
	if !now.Before(c.Expires.Time) {
		t.known.Remove(sum)
	}
	if !now.Before(c.Expires.Time) || c.Earliest != nil && now.Before(c.Earliest.Time) {
		return c, errors.New("not valid at this time")
	}
	return c, nil
}

// authentic returns the claims of a token with a valid signature, whatever its times.
func (t *signer) authentic(raw string) (claims, error) {
	var c claims
	if strings.ContainsAny(raw, "\r\n") { // Go's base64 ignores them
		return c, errors.New("has line breaks")
	}
	parsed, err := t.parser.ParseWithClaims(raw, &c, func(*jwt.Token) (any, error) { return []byte(t.key.Reveal()), nil })
	switch {
	case err != nil:
		return c, err
	case parsed.Header["crit"] != nil: // RFC 7515, 4.1.11: unknown critical parameters are refused; golang-jwt ignores them
		return c, errors.New("has critical parameters")
	case c.ID == "" || !c.Platform.Valid() || c.Expires == nil:
		return c, errors.New("lacks id, platform or exp")
	}
	return c, nil
}
