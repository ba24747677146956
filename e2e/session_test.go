package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

const (
	sessionKey = "a key that the operator has set, long enough"
	noSession  = "Please go to Settings and authorize CRM platform"
)

// forge makes a token with alg in the header; h signs it.
func forge(alg string, h func() hash.Hash, key string, claims map[string]any) string {
	header, _ := json.Marshal(map[string]string{"alg": alg, "typ": "JWT"})
	b, _ := json.Marshal(claims)
	return sign(h, key, string(header), string(b))
}

// sign makes a token from any header and claims. Without h the signature is empty.
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
	edgetest.Must(t, err)
	edgetest.Must(t, json.Unmarshal(b, &c))
	return c
}

// sessionRoutes are the routes that need a session, and their refusals.
var sessionRoutes = []struct {
	method, path                    string
	none, undecodable, ghost, ended answer
}{
	{"GET", "/authValidation", answer{400, nil, noSession}, answer{400, nil, "Invalid JWT token"}, answer{200, nil, unsuccessful}, answer{200, nil, endedBody}},
	{"GET", "/licenseStatus", answer{200, nil, license("Invalid user session")}, answer{400, nil, "Invalid JWT token"}, answer{200, nil, license("User not found")}, answer{200, nil, endedLicense}},
	{"GET", "/hostname", answer{400, nil, noSession}, answer{400, nil, "User not found"}, answer{400, nil, "User not found"}, answer{400, nil, noSession}},
	{"POST", "/unAuthorize", answer{400, nil, noSession}, answer{400, nil, "User not found"}, answer{400, nil, "User not found"}, answer{400, nil, noSession}},
	{"POST", "/user/refreshInfo", answer{400, nil, noSession}, answer{200, nil, genericFailure}, answer{200, nil, notFoundUser}, answer{200, nil, endedBody}},
	{"GET", "/user/settings", answer{400, nil, noSession}, answer{400, nil, noSession}, answer{400, nil, "User not found"}, answer{400, nil, noSession}},
	{"POST", "/user/settings", answer{400, nil, noSession}, answer{400, nil, "Unknown platform"}, answer{400, nil, "User not found"}, answer{400, nil, noSession}},
	{"GET", "/admin/settings", answer{400, nil, noSession}, answer{400, nil, "User not found"}, answer{400, nil, "User not found"}, answer{400, nil, noSession}},
}

func TestLogoutEndsEveryTokenForGood(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	first := g.oauth("ada")
	second := g.oauth("ada") // another browser: the first session continues
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
		if a := g.get("/authValidation", bearer(token)...); a.body != endedBody {
			t.Errorf("the %s token is accepted again: %s", name, a.body)
		}
	}
	if a := g.get("/authValidation", bearer(third)...); a.body != `{"successful":true}` {
		t.Errorf("after signing in again: %s", a.body)
	}
}

// TestAccessTokenThatEndsEarly: the CRM ends an access token without a stated lifetime. The person need not sign in again.
func TestAccessTokenThatEndsEarly(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.CRM.SetMood(practicecrm.Mood{Token: "expires_in missing"})
	session := g.oauth("ada")
	for range 2 {
		g.Pass(72 * time.Hour)
		g.CRM.ExpireAccess()
		before := g.CRM.Counts().Refreshes
		for range 2 {
			a := g.get("/authValidation", bearer(session)...)
			if n := g.CRM.Counts().Refreshes - before; a.status != 200 || !strings.Contains(a.body, `"successful":true`) || n != 1 {
				t.Errorf("%d %s after %d refreshes", a.status, a.body, n)
			}
		}
	}
}

// TestLeaseLeftBehind: a process died while it held a lease. The next process does not wait for the lease to expire.
func TestLeaseLeftBehind(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	session := g.oauth("ada")
	g.Pass(2 * time.Hour)
	_, err := g.Edge.DB().TakeLease(t.Context(), crmgate.UserKey{Platform: "practice", ID: "1-practice"}, "the one before", time.Hour, false)
	edgetest.Must(t, err)
	a := g.get("/authValidation", bearer(session)...)
	a.want(t, 200, `{"successful":true}`)
}

// TestPeopleInTheMetrics: the metrics count people by state.
func TestPeopleInTheMetrics(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	sessions := map[string]string{}
	for _, person := range []string{"ada", "grace", "alan"} {
		sessions[person] = g.oauth(person)
	}
	g.apiKey()
	g.do("POST", "/unAuthorize", "", bearer(sessions["alan"])...)
	g.Pass(2 * time.Hour)
	g.CRM.EndGrants("grace")
	g.get("/authValidation", bearer(sessions["grace"])...)
	g.CRM.SetMood(practicecrm.Mood{Error: "invalid_client"})
	g.get("/authValidation", bearer(sessions["ada"])...)
	text := g.Metrics()
	for line, n := range map[string]int{
		`{platform="practice",state="active"}`: 0, `{platform="practice",state="paused"}`: 1, `{platform="practice",state="needs_login"}`: 1,
		`{platform="practice",state="logged_out"}`: 1, `{platform="practicekey",state="active"}`: 1,
	} {
		if want := fmt.Sprintf("crmgate_people%s %d\n", line, n); !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	for _, want := range []string{`crmgate_build_info{goversion="go`, "crmgate_disk_free_bytes "} {
		if !strings.Contains(text, want) || strings.Contains(text, want+"0\n") {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if !strings.Contains(text, "crmgate_refreshes_running 0\n") {
		t.Error("the refreshes under way are not shown")
	}
	g.CRM.SetMood(practicecrm.Mood{})
	g.oauth("ada") // counted at most every ten seconds
	if again := g.Metrics(); !strings.Contains(again, `crmgate_people{platform="practice",state="paused"} 1`) {
		t.Error("people are counted again for each request")
	}
}
