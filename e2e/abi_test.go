package e2e_test

import (
	"strings"
	"testing"
)

// wireApp is the application of wired connectors; more is added to it.
func wireApp(more string) string {
	return `{"clientId":"` + wireID + `","clientSecret":"` + wireSecret + `","accessTokenUri":"$CRM/token"` + more + `}`
}

// TestRevocationURI: a connector names the revocation endpoint. It must be on a host of the manifest, before a code is sent.
func TestRevocationURI(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{
		"named":     {"getOauthInfo": wireApp(`,"revocationUri":"$CRM/revoke?a=b"`)},
		"elsewhere": {"getOauthInfo": wireApp(`,"revocationUri":"https://other.example/revoke"`)},
		"none":      {},
	})
	for platform, want := range map[string]int{"named": 2, "none": 0} {
		token := w.token(w.in(platform, "&username=ada%20l"))
		w.wantGot(platform, "getOauthInfo", `"username":"ada l"`)
		w.wantGot(platform, "getUserInfo", `"username":"ada l"`)
		w.endpoint.asked()
		w.do("POST", "/unAuthorize", "", bearer(token)...)
		asked := w.endpoint.asked()
		if len(asked) != want {
			t.Fatalf("%s: %d requests, want %d", platform, len(asked), want)
		}
		for i, r := range asked {
			token := []string{"refresh-token-1", "access-token-1"}[i]
			if _, secret, _ := r.BasicAuth(); r.RequestURI != "/revoke?a=b" || r.PostForm.Get("token") != token || secret == "" {
				t.Errorf("%s: asked %s %v, want a revocation of %s", platform, r.RequestURI, r.PostForm, token)
			}
		}
		if in := w.got(platform, "getOauthInfo"); strings.Contains(in, "username") {
			t.Errorf("%s: the connector got a user name for a stored grant: %s", platform, in)
		}
	}
	if a := w.in("elsewhere", ""); !strings.Contains(a.body, `\"other.example\" is not an address of Wire CRM`) {
		t.Errorf("a host that is not declared: got %d %s", a.status, a.body)
	}
	if asked := w.endpoint.asked(); len(asked) > 0 {
		t.Errorf("a code was sent: %s", asked[0].RequestURI)
	}
}

// TestHeaderOfAnotherScheme: getBasicAuth answers the whole header. It reaches the CRM's operations, and logs do not contain it.
func TestHeaderOfAnotherScheme(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{
		"whole":   {"getBasicAuth": `{"header":"Token token=\"key-123456\", user=\"ada-lovelace\""}`, "authValidation": `{"successful":true}`, "fields": `{"const":"apiKey","required":true}`},
		"neither": {"getBasicAuth": `{}`, "fields": `{"const":"apiKey","required":true}`},
		"both":    {"getBasicAuth": `{"basic":"a","header":"Token b"}`, "fields": `{"const":"apiKey","required":true}`},
	})
	in := w.postJSON("/apiKeyLogin", `{"platform":"whole","apiKey":"key-123456"}`)
	w.get("/authValidation", bearer(w.token(in))...).want(t, 200, `{"successful":true}`)
	for _, operation := range []string{"getUserInfo", "authValidation"} {
		w.wantGot("whole", operation, `"authHeader":"Token token=\"[secret]\", user=\"[secret]\""`)
	}
	for platform, want := range map[string]string{"neither": "basic is missing", "both": "basic and header are both given"} {
		w.postJSON("/apiKeyLogin", `{"platform":"`+platform+`","apiKey":"key-123456"}`).wantError(t, 400, want)
	}
}

// TestUnAuthorizeGetsTheRefreshToken: the manifest of wired connectors reveals it. No other operation on a person gets it.
func TestUnAuthorizeGetsTheRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wire": {"unAuthorize": `{"successful":true}`, "authValidation": `{"successful":true}`}})
	token := w.token(w.in("wire", ""))
	w.get("/authValidation", bearer(token)...)
	w.do("POST", "/unAuthorize", "", bearer(token)...)
	w.wantGot("wire", "unAuthorize", `"refreshToken":"[secret]"`)
	if in := w.got("wire", "authValidation"); in == "" || strings.Contains(in, "refreshToken") {
		t.Errorf("authValidation got %s", in)
	}
}
