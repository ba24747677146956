package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strings"
	"testing"
	"time"
)

const (
	sessionKey = "a key that the operator has set, long enough"
	noSession  = "Please go to Settings and authorize CRM platform"
)

// forge makes a token; alg names what the header says, h what really signs it.
func forge(alg string, h func() hash.Hash, key string, claims map[string]any) string {
	header, _ := json.Marshal(map[string]string{"alg": alg, "typ": "JWT"})
	b, _ := json.Marshal(claims)
	return sign(h, key, string(header), string(b))
}

// sign makes a token of any header and claims; without h, with an empty signature.
func sign(h func() hash.Hash, key, header, claims string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	signed := part(header) + "." + part(claims)
	if h == nil {
		return signed + "."
	}
	mac := hmac.New(h, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + part(string(mac.Sum(nil)))
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	var c map[string]any
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	must(t, err)
	must(t, json.Unmarshal(b, &c))
	return c
}

func TestSessions(t *testing.T) {
	t.Setenv("CRMGATE_SESSION_KEY", sessionKey)
	g := newGate(t)
	token := g.apiKey()
	good := claimsOf(t, token)
	if len(good) != 5 || good["id"] != "2-practicekey" || good["platform"] != "practicekey" || good["exp"].(float64)-good["iat"].(float64) != 1209600 {
		t.Fatalf("claims %v", good)
	}
	if a := g.get("/hostname", bearer(token)...); a.status != 200 || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the good token: %d %s", a.status, a.body)
	}
	if a := g.get("/hostname", "Authorization", "bEARER "+token); a.status != 200 {
		t.Errorf("the scheme in another case: %d", a.status)
	}
	g.get("/hostname", "Authorization", "Bearer  "+token).want(t, 400, noSession)
	g.get("/hostname", "Authorization", "Basic "+token).want(t, 400, noSession)
	if a := g.get("/HOSTNAME/?jwtToken=" + token); a.status != 200 {
		t.Errorf("path in capitals with a slash: %d", a.status)
	}
	g.get("/hostname?jwtToken=undefined").want(t, 400, "User not found")
	g.get("/hostname").want(t, 400, noSession)
}

func TestSlidingRenewal(t *testing.T) {
	t.Setenv("CRMGATE_SESSION_KEY", sessionKey)
	g := newGate(t)
	token := g.apiKey()
	if r := g.get("/hostname", bearer(token)...).header.Get("X-Refreshed-Jwt-Token"); r != "" {
		t.Error("a fresh token was renewed")
	}
	c := claimsOf(t, token)
	c["exp"] = time.Now().Unix() + 604_700
	old := forge("HS256", sha256.New, sessionKey, c)
	renewed := g.get("/hostname", bearer(old)...).header.Get("X-Refreshed-Jwt-Token")
	if renewed == "" {
		t.Fatal("a token in its second week was not renewed")
	}
	if r := claimsOf(t, renewed); r["sid"] != c["sid"] || r["id"] != c["id"] {
		t.Errorf("renewed into %v", r)
	}
	if g.get("/isAlive", bearer(old)...).header.Get("X-Refreshed-Jwt-Token") != "" {
		t.Error("a public route renewed a token")
	}
	g.do("POST", "/unAuthorize", "", bearer(old)...)
	if g.get("/hostname", bearer(old)...).header.Get("X-Refreshed-Jwt-Token") != "" {
		t.Error("a token was renewed after logout")
	}
}

const (
	license = `{"isLicenseValid":false,"licenseStatus":"Invalid (%)","licenseStatusDescription":""}`
	failure = `{"successful":false,"returnMessage":{"message":"Error performing refreshUserInfo","messageType":"warning","ttl":5000,` +
		`"details":[{"items":[{"id":1,"text":"Please check if your account has the necessary permissions.","type":"text"}],"title":"Details"}]}}`
)

// sessionRoutes are the routes that need a session, and how they refuse.
var sessionRoutes = []struct {
	method, path             string
	none, undecodable, ghost answer
}{
	{"GET", "/authValidation", answer{400, nil, noSession}, answer{400, nil, "Invalid JWT token"}, answer{200, nil, `{"successful":false}`}},
	{"GET", "/licenseStatus", answer{200, nil, strings.Replace(license, "%", "Invalid user session", 1)}, answer{400, nil, "Invalid JWT token"},
		answer{200, nil, strings.Replace(license, "%", "User not found", 1)}},
	{"GET", "/hostname", answer{400, nil, noSession}, answer{400, nil, "User not found"}, answer{400, nil, "User not found"}},
	{"POST", "/unAuthorize", answer{400, nil, noSession}, answer{400, nil, "User not found"}, answer{400, nil, "User not found"}},
	{"POST", "/user/refreshInfo", answer{400, nil, noSession}, answer{200, nil, failure},
		answer{200, nil, `{"successful":false,"returnMessage":{"message":"User not found","messageType":"warning","ttl":5000}}`}},
}

func TestRefusalsBySessionRoute(t *testing.T) {
	g := newGate(t)
	token := g.oauth("ada")
	g.do("POST", "/unAuthorize", "", bearer(token)...)
	for _, c := range sessionRoutes {
		t.Run(c.path, func(t *testing.T) {
			g.do(c.method, c.path, "").want(t, c.none.status, c.none.body)
			g.do(c.method, c.path+"?jwtToken=undefined", "").want(t, c.undecodable.status, c.undecodable.body)
			g.do(c.method, c.path, "", bearer(token)...).want(t, c.ghost.status, c.ghost.body)
		})
	}
}

func TestLogoutEndsEveryTokenForGood(t *testing.T) {
	g := newGate(t)
	first := g.oauth("ada")
	second := g.oauth("ada") // another browser: the first goes on
	for _, token := range []string{first, second} {
		if a := g.get("/authValidation", bearer(token)...); a.body != `{"successful":true}` {
			t.Fatalf("before logout: %s", a.body)
		}
	}
	a := g.do("POST", "/unAuthorize", "", bearer(first)...)
	if a.status != 200 || !strings.Contains(a.body, `"messageType":"success"`) {
		t.Errorf("logout: %d %s", a.status, a.body)
	}
	third := g.oauth("ada")
	for name, token := range map[string]string{"first": first, "second": second} {
		if a := g.get("/authValidation", bearer(token)...); a.body != `{"successful":false}` {
			t.Errorf("the %s token came back to life: %s", name, a.body)
		}
	}
	if a := g.get("/authValidation", bearer(third)...); a.body != `{"successful":true}` {
		t.Errorf("after signing in again: %s", a.body)
	}
}
