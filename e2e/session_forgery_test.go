package e2e_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
)

// forgery is a token that the server did not issue, or that has ended. One that
// the session key signed is a ghost, or has ended.
type forgery struct {
	name, token string
	signed      bool
}

// forgeries returns forged tokens, made from Ada's valid token, its claims, and the sid of another person.
func forgeries(t *testing.T, token string, good map[string]any, othersSID string) []forgery {
	t.Helper()
	const hs256 = `{"alg":"HS256","typ":"JWT"}`
	parts := strings.Split(token, ".")
	header, claims, signature := parts[0], parts[1], parts[2]
	raw, err := base64.RawURLEncoding.DecodeString(claims)
	edgetest.Must(t, err)
	payload := string(raw)
	flip := func(s string, i int) string { return s[:i] + string(rune(s[i]^1)) + s[i+1:] }
	headed := func(h string) string { return sign(sha256.New, sessionKey, h, payload) }
	claimed := func(c string) string { return sign(sha256.New, sessionKey, hs256, c) }
	changed := func(name, value string) string {
		c := map[string]json.RawMessage{}
		for k, v := range good {
			c[k], _ = json.Marshal(v)
		}
		c[name] = json.RawMessage(value)
		if value == "" {
			delete(c, name)
		}
		var b strings.Builder // json.Marshal refuses some of these values
		for k, v := range c {
			fmt.Fprintf(&b, "%c%q:%s", map[bool]rune{true: '{', false: ','}[b.Len() == 0], k, v)
		}
		return claimed(b.String() + "}")
	}
	now := time.Now().Unix()
	at := func(d int64) string { return fmt.Sprint(now + d) }

	var standard string // a valid token with a character of standard base64 in its signature
	for i := 0; !strings.ContainsAny(standard, "+/"); i++ {
		s := changed("n", fmt.Sprint(i))
		end := strings.LastIndexByte(s, '.')
		standard = s[:end] + strings.NewReplacer("-", "+", "_", "/").Replace(s[end:])
	}

	// The attacker's keys.
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	edgetest.Must(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	edgetest.Must(t, err)
	public, edKey, err := ed25519.GenerateKey(rand.Reader)
	edgetest.Must(t, err)
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	edgetest.Must(t, err)
	publicPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	b64 := base64.RawURLEncoding.EncodeToString
	signedBy := func(h string, s func(signed string) ([]byte, error)) string {
		signed := b64([]byte(h)) + "." + claims
		sig, err := s(signed)
		edgetest.Must(t, err)
		return signed + "." + b64(sig)
	}
	byRSA := func(signed string) ([]byte, error) {
		sum := sha256.Sum256([]byte(signed))
		return rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, sum[:])
	}
	byEC := func(signed string) ([]byte, error) {
		sum := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, ecKey, sum[:])
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), err
	}
	attacker := "an attacker's key of at least thirty-two bytes"
	keySum := sha256.Sum256([]byte(sessionKey))

	all := []forgery{
		// Texts that are not tokens.
		{name: "garbage", token: "garbage"}, {name: "the text undefined", token: "undefined"}, {name: "the text null", token: "null"},
		{name: "8 KB of dots", token: strings.Repeat(".", 8<<10)}, {name: "two dots", token: ".."},
		{name: "one part", token: header}, {name: "two parts", token: header + "." + claims}, {name: "four parts", token: token + "." + signature},
		{name: "five parts, as JWE has", token: b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAAAAAAAAAAAAAA." + claims + "." + signature},
		{name: "a dot before", token: "." + token}, {name: "a dot after", token: token + "."}, {name: "two dots between", token: header + ".." + claims + "." + signature},
		{name: "no header", token: "." + claims + "." + signature}, {name: "no claims", token: header + ".." + signature}, {name: "no signature", token: header + "." + claims + "."},
		{name: "twice", token: token + token}, {name: "twice with a comma", token: token + "," + token}, {name: "in quotes", token: `"` + token + `"`},
		{name: "a space before", token: " " + token}, {name: "a space after", token: token + " "}, {name: "a space within", token: header + ". " + claims + "." + signature},
		{name: "a line break after", token: token + "\n"}, {name: "a line break in the signature", token: header + "." + claims + "." + signature[:9] + "\r\n" + signature[9:]},
		{name: "a NUL after", token: token + "\x00"}, {name: "a NUL within", token: header + "\x00." + claims + "." + signature},
		{name: "a zero-width space", token: token + "\u200b"}, {name: "full-width dots", token: strings.ReplaceAll(token, ".", "．")}, {name: "encoded dots", token: strings.ReplaceAll(token, ".", "%2E")},
		{name: "not UTF-8", token: token + "\xff"}, {name: "in capitals", token: strings.ToUpper(token)}, {name: "in lower case", token: strings.ToLower(token)},
		{name: "padding after the signature", token: token + "="}, {name: "padding after the claims", token: header + "." + claims + "=." + signature}, {name: "padding after the header", token: header + "==." + claims + "." + signature},
		{name: "standard base64", token: standard},

		// Signatures.
		{name: "cut by one", token: token[:len(token)-1]}, {name: "cut by four", token: token[:len(token)-4]}, {name: "half a signature", token: header + "." + claims + "." + signature[:21]},
		{name: "longer by one", token: token + "A"}, {name: "longer by four", token: token + "AAAA"}, {name: "zeros", token: header + "." + claims + "." + b64(make([]byte, 32))},
		{name: "unused bits", token: flip(token, len(token)-1)},
		{name: "another claim, the old signature", token: header + "." + b64([]byte(strings.Replace(payload, "1-practice", "2-practice", 1))) + "." + signature},
		{name: "another key", token: sign(sha256.New, attacker, hs256, payload)}, {name: "an empty key", token: sign(sha256.New, "", hs256, payload)},
		{name: "the key with a line end", token: sign(sha256.New, sessionKey+"\n", hs256, payload)}, {name: "the key in hexadecimal", token: sign(sha256.New, fmt.Sprintf("%x", sessionKey), hs256, payload)},
		{name: "the key hashed", token: sign(sha256.New, string(keySum[:]), hs256, payload)},

		// Algorithms.
		{name: "HS384", token: sign(sha512.New384, sessionKey, `{"alg":"HS384"}`, payload)}, {name: "HS512", token: sign(sha512.New, sessionKey, `{"alg":"HS512"}`, payload)},
		{name: "HS256, signed with HS512", token: sign(sha512.New, sessionKey, hs256, payload)}, {name: "HS512, signed with HS256", token: headed(`{"alg":"HS512"}`)},
		{name: "RS256 with the HMAC key", token: headed(`{"alg":"RS256"}`)}, {name: "RS256 by an attacker", token: signedBy(`{"alg":"RS256"}`, byRSA)},
		{name: "HS256 with a public key", token: sign(sha256.New, publicPEM, hs256, payload)}, {name: "PS256", token: signedBy(`{"alg":"PS256"}`, byRSA)},
		{name: "ES256", token: signedBy(`{"alg":"ES256"}`, byEC)}, {name: "ES256, zeros", token: b64([]byte(`{"alg":"ES256"}`)) + "." + claims + "." + b64(make([]byte, 64))},
		{name: "EdDSA", token: signedBy(`{"alg":"EdDSA"}`, func(s string) ([]byte, error) { return ed25519.Sign(edKey, []byte(s)), nil })},
		{name: "no alg", token: headed(`{"typ":"JWT"}`)}, {name: "alg null", token: headed(`{"alg":null}`)},
		{name: "alg a number", token: headed(`{"alg":256}`)}, {name: "alg a list", token: headed(`{"alg":["HS256"]}`)}, {name: "alg in lower case", token: headed(`{"alg":"hs256"}`)},
		{name: "alg with a space", token: headed(`{"alg":"HS256 "}`)}, {name: "alg with a NUL", token: headed(`{"alg":"HS256\u0000"}`)}, {name: "alg twice, then none", token: sign(nil, "", `{"alg":"HS256","alg":"none"}`, payload)},

		// Headers with their own keys, signed with these.
		{name: "kid of a path", token: sign(sha256.New, "", `{"alg":"HS256","kid":"../../../../dev/null"}`, payload)},
		{name: "kid of a query", token: sign(sha256.New, attacker, `{"alg":"HS256","kid":"x' UNION SELECT '`+attacker+`"}`, payload)},
		{name: "jku", token: signedBy(`{"alg":"RS256","jku":"https://evil.example/jwks.json","kid":"1"}`, byRSA)},
		{name: "x5u", token: signedBy(`{"alg":"RS256","x5u":"https://evil.example/x.pem"}`, byRSA)},
		{name: "x5c", token: signedBy(`{"alg":"RS256","x5c":["`+base64.StdEncoding.EncodeToString(der)+`"]}`, byRSA)},
		{name: "jwk, symmetric", token: sign(sha256.New, attacker, `{"alg":"HS256","jwk":{"kty":"oct","k":"`+b64([]byte(attacker))+`"}}`, payload)},
		{name: "jwk, Ed25519", token: signedBy(`{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+b64(public)+`"}}`, func(s string) ([]byte, error) { return ed25519.Sign(edKey, []byte(s)), nil })},
		{name: "crit", token: headed(`{"alg":"HS256","crit":["exp"],"exp":1}`)}, {name: "crit of nothing", token: headed(`{"alg":"HS256","crit":[]}`)},
		{name: "crit b64", token: headed(`{"alg":"HS256","b64":false,"crit":["b64"]}`)},
		{name: "header a list", token: headed(`["HS256"]`)}, {name: "header a text", token: headed(`"HS256"`)}, {name: "header null", token: headed(`null`)}, {name: "header cut", token: headed(`{"alg":"HS256"`)},

		// Claims, signed with the right key.
		{name: "claims null", token: claimed("null")}, {name: "claims empty", token: claimed("{}")}, {name: "claims a list", token: claimed("[" + payload + "]")}, {name: "claims a text", token: claimed(`"1-practice"`)},
		{name: "a token in a token", token: claimed(token)}, {name: "text after the claims", token: claimed(payload + "{}")}, {name: "claims cut", token: claimed(payload[:len(payload)-1])},
		{name: "huge", token: changed("x", `"`+strings.Repeat("x", 6000)+`"`)}, {name: "deep", token: changed("x", strings.Repeat("[", 2000)+strings.Repeat("]", 2000))},
		{name: "no id", token: changed("id", "")}, {name: "id empty", token: changed("id", `""`)}, {name: "id null", token: changed("id", "null")}, {name: "id a number", token: changed("id", "1"), signed: true},
		{name: "id a list", token: changed("id", `["1-practice"]`)}, {name: "id an object", token: changed("id", `{"$ne":null}`)}, {name: "id true", token: changed("id", "true")},
		{name: "id twice", token: claimed(`{"id":"9-practice",` + payload[1:])}, {name: "id twice, once in capitals", token: claimed(payload[:len(payload)-1] + `,"ID":"1-practice"}`)},
		{name: "no platform", token: changed("platform", "")}, {name: "platform empty", token: changed("platform", `""`)}, {name: "platform a path", token: changed("platform", `"../practice"`)},
		{name: "platform a number", token: changed("platform", "7")}, {name: "platform with a NUL", token: changed("platform", `"practice\u0000"`)},
		{name: "no exp", token: changed("exp", "")}, {name: "exp null", token: changed("exp", "null")}, {name: "exp in the past", token: changed("exp", at(-1))}, {name: "exp now", token: changed("exp", at(0))},
		{name: "exp a text", token: changed("exp", `"`+at(3600)+`"`)}, {name: "exp negative", token: changed("exp", "-1")}, {name: "exp zero", token: changed("exp", "0")},
		{name: "exp huge", token: changed("exp", "1e300")}, {name: "exp beyond 64 bits", token: changed("exp", "18446744073709551616")}, {name: "exp NaN", token: changed("exp", "NaN")}, {name: "exp Infinity", token: changed("exp", "Infinity")},
		{name: "exp a list", token: changed("exp", "["+at(3600)+"]")}, {name: "exp true", token: changed("exp", "true")}, {name: "exp twice", token: claimed(payload[:len(payload)-1] + `,"exp":` + at(3600) + `}`)},
		{name: "nbf in the future", token: changed("nbf", at(600))}, {name: "nbf a text", token: changed("nbf", `"0"`)}, {name: "iat a text", token: changed("iat", `"now"`)}, {name: "sid a number", token: changed("sid", "7")},

		// Signed with the right key, but without a live session.
		{name: "no sid", token: changed("sid", ""), signed: true}, {name: "sid empty", token: changed("sid", `""`), signed: true},
		{name: "another sid", token: changed("sid", `"AAAAAAAAAAAAAAAAAAAAAA"`), signed: true}, {name: "another person's sid", token: changed("sid", `"`+othersSID+`"`), signed: true},
		{name: "sid with padding", token: changed("sid", `"`+good["sid"].(string)+`=="`), signed: true}, {name: "sid in lower case", token: changed("sid", `"`+strings.ToLower(good["sid"].(string))+`"`), signed: true},
		{name: "an unknown person", token: changed("id", `"9-practice"`), signed: true}, {name: "another person", token: changed("id", `"3-practice"`), signed: true},
		{name: "id in capitals", token: changed("id", `"1-PRACTICE"`), signed: true}, {name: "id with a space", token: changed("id", `"1-practice "`), signed: true},
		{name: "id with a NUL", token: changed("id", `"1-practice\u0000"`), signed: true}, {name: "id that looks alike", token: changed("id", `"1-prаctice"`), signed: true}, {name: "id in other digits", token: changed("id", `"１-practice"`), signed: true},
		{name: "another platform", token: changed("platform", `"practicekey"`), signed: true}, {name: "platform in capitals", token: changed("platform", `"Practice"`), signed: true}, {name: "an unknown platform", token: changed("platform", `"nowhere"`), signed: true},
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", "null", ""} {
		all = append(all, forgery{name: fmt.Sprintf("alg %q, unsigned", alg), token: sign(nil, "", `{"alg":"`+alg+`"}`, payload)})
		all = append(all, forgery{name: fmt.Sprintf("alg %q, signed", alg), token: headed(`{"alg":"` + alg + `"}`)})
	}
	for part, i := range map[string]int{"header": 5, "claims": len(header) + 9, "signature": len(header) + len(claims) + 9} {
		all = append(all, forgery{name: "a bit of the " + part, token: flip(token, i)})
	}
	return all
}

// TestForgedTokens sends each forgery to session routes, in the header and in the query. The server treats it as a missing,
// undecodable, ghost or ended token, and nothing changes for the people who are signed in. The long form sends each to all routes,
// the short form to two.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	g := newGate(t, withKey)
	token, other := g.oauth("ada"), g.oauth("alan")
	all := forgeries(t, token, claimsOf(t, token), claimsOf(t, other)["sid"].(string))
	ended := g.oauth("grace")
	g.do("POST", "/unAuthorize", "", bearer(ended)...)
	all = append(all, forgery{"of a session that was logged out", ended, true})
	old := g.oauth("emmy")
	g.do("POST", "/unAuthorize", "", bearer(old)...)
	g.oauth("emmy")
	all = append(all, forgery{"older than the latest logout", old, true})
	deleted := g.oauth("robert")
	g.forget("practice", "6-practice")
	all = append(all, forgery{"of a deleted person", deleted, true})

	ada := crmgate.UserKey{Platform: "practice", ID: "1-practice"}
	person, err := g.Edge.DB().Person(t.Context(), ada)
	edgetest.Must(t, err)
	before, counts := fmt.Sprintf("%+v %s", person, person.Grant.AccessToken.Reveal()), g.CRM.Counts()
	hostname := g.get("/hostname", bearer(token)...)
	if hostname.status != 200 {
		t.Fatalf("the good token: %d %s", hostname.status, hostname.body)
	}
	requests, seen := 0, map[string]bool{}
	for i, f := range all {
		if seen[f.token] {
			t.Errorf("the name %s is used twice", f.name)
		}
		seen[f.token] = true
		t.Run(f.name, func(t *testing.T) {
			for j, route := range sessionRoutes {
				if !soak() && j != i%len(sessionRoutes) && route.path != "/hostname" {
					continue
				}
				none, undecodable := route.none, route.undecodable
				if f.signed {
					none = route.ended
					if sid := claimsOf(t, f.token)["sid"]; sid == nil || sid == "" {
						none = route.ghost
					}
					undecodable = none
					if p := claimsOf(t, f.token)["platform"]; p != "practice" && route.path == "/user/refreshInfo" {
						continue // a connector without refreshUserInfo gives every request the same answer
					}
				}
				g.do(route.method, route.path+"?jwtToken="+url.QueryEscape(f.token), "").want(t, undecodable.status, undecodable.body)
				requests++
				// A header cannot hold the rest, or begin or end with spaces.
				if strings.ContainsAny(f.token, "\r\n\x00") || strings.TrimSpace(f.token) != f.token {
					continue
				}
				a := g.do(route.method, route.path, "", bearer(f.token)...)
				a.want(t, none.status, none.body)
				requests++
				if a.header.Get("X-Refreshed-Jwt-Token") != "" {
					t.Error("it was renewed")
				}
				if !f.signed && route.path == "/hostname" { // a bad bearer token takes precedence over the query
					g.do(route.method, route.path+"?jwtToken="+token, "", bearer(f.token)...).want(t, route.none.status, route.none.body)
					requests++
				}
			}
		})
	}
	t.Logf("%d forged tokens in %d requests", len(all), requests)
	if len(all) < 60 {
		t.Errorf("only %d forgeries", len(all))
	}
	if got := g.CRM.Counts(); got != counts {
		t.Errorf("the CRM was asked: %+v, before %+v", got, counts)
	}
	if person, err = g.Edge.DB().Person(t.Context(), ada); err != nil || fmt.Sprintf("%+v %s", person, person.Grant.AccessToken.Reveal()) != before {
		t.Errorf("Ada was changed: %+v, %v; before %s", person, err, before)
	}
	g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
	g.get("/authValidation?jwtToken="+other).want(t, 200, `{"successful":true}`)
}
