package session_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/session"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// FuzzSessionToken: only a token that was issued is valid, byte for byte.
func FuzzSessionToken(f *testing.F) {
	issue, good := session.SessionTokens(strings.Repeat("k", 32), func() time.Time { return noon })
	issued := map[string]bool{}
	for _, id := range []crmgate.UserID{"1-clio", "2-clio", "आर्यभट"} {
		t := issue(crmgate.UserKey{Platform: "clio", ID: id}, "AAAAAAAAAAAAAAAAAAAAAA").Reveal()
		issued[t] = true
		f.Add(t)
		f.Add(t + "\n")
		f.Add(t[:len(t)-1] + string(t[len(t)-1]^1))
		head, rest, _ := strings.Cut(t, ".")
		f.Add(head + "=." + rest)
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + rest)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if good(token) != issued[token] {
			t.Errorf("%q: valid is %v", token, good(token))
		}
	})
}

// FuzzSessionClaims signs any header and claims with the right key. A valid token has an id, a platform and an expiry, once each.
func FuzzSessionClaims(f *testing.F) {
	const key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
	_, good := session.SessionTokens(key, func() time.Time { return noon })
	claims := `{"id":"1-clio","platform":"clio","iat":1795521600,"exp":1796731200,"sid":"AAAAAAAAAAAAAAAAAAAAAA"}`
	for _, h := range []string{`{"alg":"HS256","typ":"JWT"}`, `{"alg":"hs256"}`, `{"alg":"HS512"}`, `{"alg":"HS256","crit":["x"],"x":1}`, `{"alg":"none","alg":"HS256"}`, `[]`} {
		f.Add(h, claims)
	}
	for _, c := range []string{`{"id":"a","id":"b"}`, `{"id":7,"platform":"clio","exp":1e300}`, `{"id":"a","platform":"clio","exp":"1796731200"}`, `null`, `{"ID":"a"}`} {
		f.Add(`{"alg":"HS256"}`, c)
	}
	f.Fuzz(func(t *testing.T, header, claims string) {
		part := base64.RawURLEncoding.EncodeToString
		signed := part([]byte(header)) + "." + part([]byte(claims))
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(signed))
		if !good(signed + "." + part(mac.Sum(nil))) {
			return
		}
		var h map[string]any
		var c struct {
			ID, Platform string
			Exp          float64
		}
		if json.Unmarshal([]byte(header), &h) != nil || h["alg"] != "HS256" || h["crit"] != nil {
			t.Errorf("accepted the header %s", header)
		}
		if json.Unmarshal([]byte(claims), &c) != nil || c.ID == "" || !crmgate.Platform(c.Platform).Valid() || c.Exp <= float64(noon.Unix()) {
			t.Errorf("accepted the claims %s", claims)
		}
		names := map[string]bool{}
		d := json.NewDecoder(strings.NewReader(claims))
		_, _ = d.Token()
		for d.More() {
			name, _ := d.Token()
			lower := strings.ToLower(name.(string))
			if names[lower] {
				t.Errorf("accepted %q twice: %s", lower, claims)
			}
			names[lower] = true
			var skip json.RawMessage
			_ = d.Decode(&skip)
		}
	})
}

// FuzzBearer: a bearer token is everything after the scheme and one space.
func FuzzBearer(f *testing.F) {
	for _, s := range []string{"Bearer a", "bEARER a b", "Bearer  a", "Bearer", "Basic a", " Bearer a", "Bearer\ta", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, ok := session.Bearer(header)
		want := len(header) > 7 && strings.EqualFold(header[:6], "bearer") && header[6] == ' ' && header[7] != ' '
		if ok != want || ok && header[7:] != token {
			t.Errorf("%q: %q, %v", header, token, ok)
		}
	})
}
