package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// standardTexts are the texts of RFC 6749, sections 4.1.2.1 and 5.2, in the wording of App Connect's server.
var standardTexts = map[string]string{
	"invalid_request":           "The request is missing a required parameter, includes an invalid parameter value, includes a parameter more than once, or is otherwise malformed.",
	"invalid_client":            "Client authentication failed (e.g., unknown client, no client authentication included, or unsupported authentication method).",
	"invalid_grant":             "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.",
	"unauthorized_client":       "The client is not authorized to request an authorization code using this method.",
	"unsupported_grant_type":    "The authorization grant type is not supported by the authorization server.",
	"access_denied":             "The resource owner or authorization server denied the request.",
	"unsupported_response_type": "The authorization server does not support obtaining an authorization code using this method.",
	"invalid_scope":             "The requested scope is invalid, unknown, or malformed.",
	"server_error":              "The authorization server encountered an unexpected condition that prevented it from fulfilling the request. (This error code is needed because a 500 Internal Server Error HTTP status code cannot be returned to the client via an HTTP redirect.)",
	"temporarily_unavailable":   "The authorization server is currently unable to handle the request due to a temporary overloading or maintenance of the server.",
}

// appRejected is what a person is told whose sign-in fails because the CRM rejects the application.
const appRejected = "The CRM rejects the application. Please tell your administrator."

// notAnAddress is what a person is told about a host or URL that the manifest of a CRM does not allow.
func notAnAddress(address, title string) string {
	return strconv.Quote(address) + " is not an address of " + title + ". Please check it, or ask your administrator."
}

// errorBody is {"error": text} as the server writes it.
func errorBody(text string) string {
	b, _ := crmgate.EncodeJSON(map[string]string{"error": text}) // never fails
	return string(b)
}

func TestWireCallbackShapes(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"googleSheets": {}, "netsuite": {}, "pipedrive": {}, "clio": {}}, func(f *edgetest.Options) { f.PublicURL = "https://connect.example.com" })
	const at = "/oauth-callback?callbackUri="
	for _, c := range []struct{ name, request, platform, hostname string }{
		{"3.1.0a not encoded, code first", at + wireRedirect + "?code=ABC&state=platform=clio&hostname=app.clio.example&rcAccountId=123", "clio", "app.clio.example"},
		{"3.1.0a not encoded, state first", at + wireRedirect + "?state=platform=clio&code=ABC&hostname=undefined", "clio", ""},
		{"3.1.0a encoded", at + url.QueryEscape(wireRedirect+"?code=ABC&state=platform%3Dclio%26hostname%3Deu.clio.example"), "clio", "eu.clio.example"},
		{"3.1.0a encoded, the state not once more", at + url.QueryEscape(wireRedirect+"?state=platform=clio&code=ABC") + "&hostname=app.clio.example", "clio", "app.clio.example"},
		{"3.1.0a state encoded twice", at + wireRedirect + "?code=ABC&state=platform%253Dclio%2526hostname%253Deu.clio.example", "clio", "eu.clio.example"},
		{"3.1.0a Pipedrive's state", at + wireRedirect + "?code=ABC&state=platform=pipedrive", "pipedrive", ""},
		{"3.1.0a Pipedrive's state beside its own", at + wireRedirect + "?code=ABC&state=platform=pipedrive&hostname=undefined&state=platform=pipedrive", "pipedrive", ""},
		{"3.1.0a Pipedrive's state beside another", at + wireRedirect + "?code=ABC&state=abc&state=platform=pipedrive", "pipedrive", ""},
		{"3.1.0a customState of googleSheets", at + wireRedirect + "?state=platform=googleSheets&code=ABC&scope=a%20b&hostname=docs.google.example", "googleSheets", "docs.google.example"},
		{"3.1.0a customState of netsuite", at + wireRedirect + "?state=fillerString,platform=netsuite&code=ABC&hostname=7.app.netsuite.example", "netsuite", "7.app.netsuite.example"},
		{"3.1.0a customState of netsuite, encoded", at + url.QueryEscape(wireRedirect+"?state=fillerString%2Cplatform%3Dnetsuite&role=3&code=ABC&company=7"), "netsuite", ""},
		{"3.1.4a no state, a platform in the URI", at + url.QueryEscape(wireRedirect+"?code=ABC&platform=clio"), "clio", ""},
		{"3.1.4a the state's platform before the URI's", at + url.QueryEscape(wireRedirect+"?platform=netsuite&code=ABC&state=platform%3Dclio"), "clio", ""},
		{"3.1.4a a name ends where its letters end", at + url.QueryEscape(wireRedirect+"?code=ABC&state=x,platform=clio/y"), "clio", ""},
		{"3.1.5a the query's host before the state's", at + wireRedirect + "?code=ABC&state=platform%3Dclio%26hostname%3Deu.clio.example&hostname=au.clio.example", "clio", "au.clio.example"},
		{"3.1.5a the text undefined counts as missing", at + wireRedirect + "?code=ABC&state=platform%3Dclio%26hostname%3Deu.clio.example&hostname=undefined", "clio", "eu.clio.example"},
		{"3.1.6a the code beside it", at + wireRedirect + "?x=1&code=ABC&state=platform=clio", "clio", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.endpoint.asked()
			code := w.code()
			claims := claimsOf(t, w.token(w.get(strings.Replace(c.request, "ABC", code, 1))))
			if claims["platform"] != c.platform {
				t.Errorf("platform %v, want %s", claims["platform"], c.platform)
			}
			w.wantGot(c.platform, "getUserInfo", `"hostname":"`+c.hostname+`"`)
			if asked := w.endpoint.asked(); len(asked) != 1 || asked[0].PostForm.Get("code") != code || asked[0].PostForm.Get("redirect_uri") != wireRedirect {
				t.Errorf("asked %d times, with %v", len(asked), asked[0].PostForm)
			}
		})
	}
	t.Run("oauthCallback: an agent's session", func(t *testing.T) {
		a := w.get(at + wireRedirect + "?code=" + w.code() + "&state=sessionId%253D7%2526platform%253Dclio%2526hostname%253Dapp.clio.example")
		a.want(t, 200, "Authentication successful. Please go back to AI Agent and confirm it.")
		a.wantHeader(t, "Content-Type", "text/html; charset=utf-8")
		w.wantGot("clio", "getUserInfo", `"hostname":"app.clio.example"`)
	})
}

func TestWireCallbackWithoutURI(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wire": {"getOauthInfo": `{"clientId":"x","clientSecret":"wire-secret","accessTokenUri":"$CRM/token","redirectUri":"https://connect.example.com/oauth-callback"}`}},
		func(f *edgetest.Options) { f.PublicURL = "https://connect.example.com" })
	for _, c := range []struct{ name, callbackURI string }{{"missing", ""}, {"empty", "callbackUri=&"}, {"undefined", "callbackUri=undefined&"}} {
		t.Run("3.1.1a "+c.name, func(t *testing.T) {
			w.endpoint.asked()
			w.token(w.get("/oauth-callback?" + c.callbackURI + query("code", "A&B=C"+c.name, "state", "platform=wire")))
			if form := w.endpoint.asked()[0].PostForm; form.Get("code") != "A&B=C"+c.name || form.Get("redirect_uri") != "https://connect.example.com/oauth-callback" {
				t.Errorf("asked with %v", form)
			}
		})
		t.Run("oauthCallback: no callbackUri "+c.name, func(t *testing.T) {
			for _, code := range []string{"", "code=&", "code=undefined&"} {
				a := w.get("/oauth-callback?" + c.callbackURI + code + "state=platform%zz") // this error comes before errors about the state
				a.want(t, 400, "Missing callbackUri")
				a.wantHeader(t, "Content-Type", "text/html; charset=utf-8")
			}
		})
	}
}

// TestWireCallbackRefusals: each callback also has a fault with a later check, to show the order.
func TestWireCallbackRefusals(t *testing.T) {
	t.Parallel()
	const uri = `"accessTokenUri":"$CRM/token"`
	w := newWired(t, map[string]guest{
		"wire":          {},
		"wirenoclient":  {"getOauthInfo": `{` + uri + `}`},
		"wirenotoken":   {"getOauthInfo": `{"clientId":"x"}`},
		"wirenothing":   {"getOauthInfo": `{}`},
		"wirefail":      {"getOauthInfo": `{"failMessage":"Ask your administrator."}`},
		"wireoutside":   {"getOauthInfo": `{"clientId":"x","accessTokenUri":"https://elsewhere.example/token"}`},
		"wireoauthdown": {"getOauthInfo": `!{"message":"No configuration."}`},
		"wiredeclined":  {"getOauthInfo": ""},
	})
	const at = "/oauth-callback?callbackUri="
	const good = at + wireRedirect + "?code=ABC&state=platform=wire"
	const path = "Redirected path should match configured path, but got: "
	for _, c := range []struct {
		name, request string
		want          answer
	}{
		{"3.1.2a relative", at + "/redirect.html?code=A&state=platform=x%25zz", answer{400, nil, errorBody("Invalid URL")}},
		{"3.1.2a no host", at + "https://?code=A&state=platform=x%25zz", answer{400, nil, errorBody("Invalid URL")}},
		{"3.1.3a a stray percent sign", at + wireRedirect + "?code=A&state=%25zz", answer{400, nil, errorBody("URI malformed")}},
		{"3.1.3a not UTF-8", at + wireRedirect + "?code=A&state=platform=wire%25ff", answer{400, nil, errorBody("URI malformed")}},
		{"3.1.3a the state in the URI takes precedence", at + url.QueryEscape(wireRedirect+"?code=A&state=%25zz") + "&state=platform=wire", answer{400, nil, errorBody("URI malformed")}},
		{"3.1.4b 7.4 no state", at + wireRedirect + "?code=A", answer{400, nil, errorBody("The callback has no state, so its CRM is unknown.")}},
		{"3.1.4b no platform", at + wireRedirect + "?code=A&state=abc", answer{400, nil, "Missing platform name"}},
		{"3.1.4b the state undefined", at + wireRedirect + "?code=A&state=undefined", answer{400, nil, "Missing platform name"}},
		{"3.1.4b an empty platform", at + wireRedirect + "?code=A&state=platform=", answer{400, nil, "Missing platform name"}},
		{"3.1.4b unknown", at + "https://other.example/?error=access_denied&state=platform=nowhere", answer{400, nil, errorBody("Connector not found for platform: nowhere")}},
		{"3.1.4b another case", at + wireRedirect + "?code=A&state=platform=Wire", answer{400, nil, errorBody("Connector not found for platform: Wire")}},
		{"3.1.4c an API key's platform", at + wireRedirect + "?code=A&state=platform=practicekey", answer{400, nil, errorBody("practicekey signs people in with an API key, not by OAuth: post its form to /apiKeyLogin")}},
		{"3.1.7a declined", at + wireRedirect + "?code=A&state=platform=wiredeclined", answer{400, nil, errorBody("The CRM's connector does not do this.")}},
		{"3.1.7b failMessage", at + "https://other.example/?error=access_denied&state=platform=wirefail", answer{200, nil, `{"returnMessage":{"messageType":"danger","message":"Ask your administrator."},"successful":false}`}},
		{"3.1.7a an error", at + wireRedirect + "?code=A&state=platform=wireoauthdown", answer{200, nil, told("danger", "No configuration.")}},
		{"3.1.8a no client id", at + "https://other.example/x?error=access_denied&state=platform=wirenoclient", answer{200, nil, told("danger", `Expected "clientId" to exist`)}},
		{"3.1.8a no token URL", at + "https://other.example/x?error=access_denied&state=platform=wirenotoken", answer{200, nil, told("danger", `Expected "accessTokenUri" to exist`)}},
		{"3.1.8a neither", at + "https://other.example/x?code=A&state=platform=wirenothing", answer{200, nil, told("danger", `Expected "clientId" to exist`)}},
		{"3.1.8b another path", at + "https://other.example/other.html?error=access_denied&state=platform=wire", answer{400, nil, errorBody(path + "/other.html")}},
		{"3.1.8b no path", at + "https://app.example?error=access_denied&state=platform=wire", answer{400, nil, errorBody(path + "/")}},
		{"3.1.8b 3.1.6a without a question mark", at + wireRedirect + "&code=ABC&state=platform=wire", answer{400, nil, errorBody(path + "/redirect.html&code=ABC")}},
		{"3.1.8c 7.2 another host", at + "https://evil.example/redirect.html?error=access_denied&state=platform=wire", answer{400, nil, errorBody("Redirected origin should match configured origin, but got: https://evil.example")}},
		{"3.1.8c 7.2 another scheme", at + "http://app.example/redirect.html?code=A&state=platform=wire", answer{400, nil, errorBody("Redirected origin should match configured origin, but got: http://app.example")}},
		{"3.1.8d denied", at + wireRedirect + "?error=access_denied&state=platform=wire", answer{200, nil, told("warning", standardTexts["access_denied"])}},
		{"3.1.8d denied, with a code", at + url.QueryEscape(wireRedirect+"?error=access_denied&code=A&state=platform%3Dwire"), answer{200, nil, told("warning", standardTexts["access_denied"])}},
		{"3.1.8d denied, cut off", at + wireRedirect + "?state=platform=wire&error=access_denied", answer{200, nil, told("warning", standardTexts["access_denied"])}},
		{"3.1.8d an error of the CRM's own", at + url.QueryEscape(wireRedirect+"?error=odd&error_description=Odd+day&state=platform%3Dwire"), answer{200, nil, told("danger", "Odd day")}},
		{"3.1.8d without a description", at + url.QueryEscape(wireRedirect+"?error=odd&state=platform%3Dwire"), answer{200, nil, told("danger", "odd")}},
		{"3.1.8e 3.1.6a no code", at + wireRedirect + "?state=platform=wire", answer{400, nil, errorBody("Missing code, unable to request token")}},
		{"3.1.8e empty", at + wireRedirect + "?code=&state=platform=wire", answer{400, nil, errorBody("Missing code, unable to request token")}},
		{"3.1.8e undefined", at + wireRedirect + "?state=platform=wire&code=undefined", answer{400, nil, errorBody("Missing code, unable to request token")}},
		{"3.1.5a 7.15 an invalid host", good + "&hostname=a%20b", answer{200, nil, told("danger", notAnAddress("a b", "Wire CRM"))}},
		{"7.15 tokenUrl", good + "&tokenUrl=https://evil.example/", answer{200, nil, told("danger", notAnAddress("evil.example", "Wire CRM"))}},
		{"7.15 apiUrl", good + "&apiUrl=http://169.254.169.254/", answer{200, nil, told("danger", notAnAddress("169.254.169.254", "Wire CRM"))}},
		{"7.15 the connector's own token URL", at + wireRedirect + "?code=A&state=platform=wireoutside", answer{200, nil, told("danger", notAnAddress("elsewhere.example", "Wire CRM"))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.endpoint.asked()
			a := w.get(c.request)
			a.want(t, c.want.status, c.want.body)
			if n := len(w.endpoint.asked()); n != 0 {
				t.Errorf("%d token requests", n)
			}
		})
	}
	for _, member := range []string{"tokenUrl: https://evil", "accessTokenUri: https://elsewhere"} {
		if advice := member + ".example is not on a host that the manifest declares: add "; !strings.Contains(w.Log.String(), advice) {
			t.Errorf("7.15 the log lacks %q", advice)
		}
	}
}

func TestWireTokenRequest(t *testing.T) {
	t.Parallel()
	const public = `{"clientId":"wire client","accessTokenUri":"$CRM/token"}`
	w := newWired(t, map[string]guest{
		"wire": {}, "wireraw": {"basicRaw": ""}, "wirepublic": {"getOauthInfo": public},
		"wireover": {"getOverridingOAuthOption": `{"headers":{"X-Own":"h"},"query":{"own":"q"},"body":{"own":"b","redirect_uri":"replaced"}}`},
	})
	ask := func(platform, more string) *http.Request {
		t.Helper()
		w.endpoint.asked()
		w.token(w.in(platform, more))
		asked := w.endpoint.asked()
		if len(asked) != 1 {
			t.Fatalf("%d token requests", len(asked))
		}
		return asked[0]
	}
	t.Run("3.1.9a the request", func(t *testing.T) {
		r := ask("wire", "")
		want := url.Values{"code": {r.PostForm.Get("code")}, "grant_type": {"authorization_code"}, "redirect_uri": {wireRedirect}}.Encode()
		if r.Method != "POST" || r.URL.String() != "/token" || r.PostForm.Encode() != want {
			t.Errorf("%s %s %s", r.Method, r.URL, r.PostForm.Encode())
		}
		for name, want := range map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json, application/x-www-form-urlencoded"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
	t.Run("3.1.9b 7.19 Basic, encoded first", func(t *testing.T) {
		if id, secret, _ := ask("wire", "").BasicAuth(); id != url.QueryEscape(wireID) || secret != url.QueryEscape(wireSecret) {
			t.Errorf("%s:%s", id, secret)
		}
	})
	t.Run("3.1.9b 7.19 basicRaw", func(t *testing.T) {
		if id, secret, _ := ask("wireraw", "").BasicAuth(); id != wireID || secret != wireSecret {
			t.Errorf("%s:%s", id, secret)
		}
	})
	t.Run("3.1.9b without a secret", func(t *testing.T) {
		r := ask("wirepublic", "")
		if _, _, basic := r.BasicAuth(); basic || r.PostForm.Get("client_id") != "wire client" || r.PostForm.Has("client_secret") {
			t.Errorf("%v %v", r.Header, r.PostForm)
		}
	})
	t.Run("3.1.9c overrides", func(t *testing.T) {
		r := ask("wireover", "")
		if r.Header.Get("X-Own") != "h" || r.URL.Query().Get("own") != "q" || r.PostForm.Get("own") != "b" || r.PostForm.Get("redirect_uri") != "replaced" || !strings.HasPrefix(r.PostForm.Get("code"), "ABC") {
			t.Errorf("%s %v %v", r.URL, r.Header, r.PostForm)
		}
	})
	t.Run("3.1.7a the input of getOauthInfo", func(t *testing.T) {
		ask("wire", "&"+query("hostname", "h.example", "tokenUrl", w.endpoint.URL+"/other", "rcAccountId", "123", "userEmail", "a@b.example", "proxyId", "9"))
		var got, want any
		edgetest.Must(t, json.Unmarshal([]byte(w.got("wire", "getOauthInfo")), &got))
		want = map[string]any{"hostname": "h.example", "tokenUrl": w.endpoint.URL + "/other", "rcAccountId": "123", "userEmail": "a@b.example"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("3.1.10a the input of getUserInfo", func(t *testing.T) {
		w.token(w.in("wire", "&"+query("hostname", "h.example", "apiUrl", w.endpoint.URL+"/api", "username", "ada")))
		w.wantGot("wire", "getUserInfo", `"authHeader":"Bearer [secret]"`, `"hostname":"h.example"`, `"platform":"wire"`, `"apiUrl":"`+w.endpoint.URL+`/api"`,
			`"username":"ada"`, `"data":{"expires_in":3600,"scope":"all"}`, `"callbackUri":"`+wireRedirect)
		w.token(w.get("/oauth-callback?callbackUri=" + url.QueryEscape(wireRedirect+"?code="+w.code()+"&state=platform%3Dwire&location=eu&jwtToken=theirs&rcAccessToken=theirs")))
		w.wantGot("wire", "getUserInfo", `"query":{"location":"eu"}`)
		if in := w.got("wire", "getUserInfo"); strings.Contains(in, "ABC") || strings.Contains(in, "theirs") {
			t.Errorf("the connector got the code or a token: %s", in)
		}
	})
	t.Run("3.1.10a the parameters that an unencoded callback loses", func(t *testing.T) {
		w.token(w.get("/oauth-callback?callbackUri=" + wireRedirect + "?state=platform=wire&role=3&entity=12&company=T%26T&code=" + w.code() + "&hostname=h.example" +
			"&accounts-server=https%3A%2F%2Feu.example&location=eu&userEmail=a@b.example&rcAccountId=1&rcAccessToken=" + practicecrm.RCUserToken + "&jwtToken=x"))
		w.wantGot("wire", "getUserInfo", `"query":{"accounts-server":"https://eu.example","company":"T&T","entity":"12","location":"eu","role":"3","userEmail":"a@b.example"}`)
	})
}

// TestWireCodes: the CRM gets back the code that it gave out, whatever its characters are and however the client forwards the
// callback.
func TestWireCodes(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wire": {}})
	w.Freeze()
	w.endpoint.says(200, goodTokens)
	random := rand.New(rand.NewPCG(1, 2))
	classes := []string{"abcXYZ019", "+", "#", "&", "%", "=", "/?:", ";,", "-._~", `"'<>`, "!*()$@[]^|{}\\`", "% +", "%2B", "%26x"}
	forwards := map[string]func(uri string) string{
		"3.1.0a unencoded": func(uri string) string { return uri }, "3.1.0a encoded": url.QueryEscape,
		"3.1.0a encoded like encodeURIComponent": func(uri string) string { return strings.ReplaceAll(url.QueryEscape(uri), "+", "%20") },
	}
	orders := map[string]func(code string) string{
		"code first":              func(code string) string { return "?code=" + code + "&state=platform%3Dwire" },
		"code first, plain state": func(code string) string { return "?code=" + code + "&state=platform=wire&location=eu" },
		"state first":             func(code string) string { return "?state=platform%3Dwire&code=" + code },
		"between others":          func(code string) string { return "?location=eu&code=" + code + "&state=platform=wire&x=" },
	}
	for range 8 {
		var code string
		for range 1 + random.IntN(6) {
			code += classes[random.IntN(len(classes))]
		}
		for forwarded, forward := range forwards {
			for order, uri := range orders {
				w.Pass(3 * time.Minute) // until the code is forgotten
				w.endpoint.asked()
				w.token(w.get("/oauth-callback?callbackUri=" + forward(wireRedirect+uri(strings.ReplaceAll(url.QueryEscape(code), "+", "%20")))))
				if asked := w.endpoint.asked(); len(asked) != 1 || asked[0].PostForm.Get("code") != code {
					t.Errorf("%s, %s: the CRM gave out %q and got back %q", forwarded, order, code, asked[0].PostForm.Get("code"))
				}
			}
		}
	}
}

func TestWireTokenAnswers(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wire": {}})
	w.Freeze()
	for name, want := range standardTexts {
		for _, status := range []int{200, 400, 401, 503} {
			t.Run(fmt.Sprintf("3.1.9e 3.1.9f %s with %d", name, status), func(t *testing.T) {
				text := want
				if strings.HasSuffix(name, "_client") && status != 503 {
					text = appRejected // 3.1.9j
				}
				w.endpoint.says(status, `{"error":"`+name+`","error_description":"In other words."}`)
				w.in("wire", "").want(t, 200, told("danger", text))
			})
		}
	}
	for _, c := range []struct {
		name, body, want string
		status           int
	}{
		{"a word of a CRM", `{"error":"incorrect_client_credentials","error_description":"In other words."}`, appRejected, 200},
		{"an unknown word with 401", `{"error":"who_are_you"}`, appRejected, 401},
		{"an unknown word with 400", `{"error":"who_are_you"}`, "who_are_you", 400},
		{"401 without a word", ``, appRejected, 401},
		{"a refused code with 401", `{"error":"bad_verification_code"}`, "bad_verification_code", 401},
	} {
		t.Run("3.1.9j "+c.name, func(t *testing.T) {
			w.endpoint.says(c.status, c.body)
			w.in("wire", "").want(t, 200, told("danger", c.want))
		})
	}
	t.Run("3.1.9e the practice connector", func(t *testing.T) {
		landed := w.land(w.compose("compat"), "ada")
		w.callback(strings.Replace(landed, "code=", "code=x", 1), "").want(t, 200, told("danger", standardTexts["invalid_grant"]))
		w.token(w.callback(landed, ""))
	})
	good := []struct{ name, kind, body string }{
		{"3.1.9d JSON as text", "text/plain", goodTokens},
		{"3.1.9d a form as JSON", "application/json", "access_token=access-token-1&refresh_token=refresh-token-1&expires_in=3600"},
		{"3.1.9d a lifetime in a text", "application/json", strings.Replace(goodTokens, "3600", `"3600"`, 1)},
	}
	for _, c := range good {
		t.Run(c.name, func(t *testing.T) {
			w.endpoint.does(func(r http.ResponseWriter) {
				r.Header().Set("Content-Type", c.kind)
				fmt.Fprint(r, c.body)
			})
			w.token(w.in("wire", ""))
			if g := w.person("wire").Grant; g.AccessToken.Reveal() != "access-token-1" || g.RefreshToken.Reveal() != "refresh-token-1" || g.Expiry.Sub(g.Issued) != time.Hour {
				t.Errorf("stored: expires %v after %v", g.Expiry, g.Issued)
			}
		})
	}
	t.Run("3.1.9d no lifetime", func(t *testing.T) {
		w.endpoint.says(200, `{"access_token":"access-token-2"}`)
		w.token(w.in("wire", ""))
		if g := w.person("wire").Grant; !g.Expiry.IsZero() || g.AccessToken.Reveal() != "access-token-2" {
			t.Errorf("stored: expires %v", g.Expiry)
		}
	})
	before := w.person("wire")
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"3.1.9e a code of the CRM's own", 400, `{"error":"odd","error_description":"Odd day"}`, "Odd day"},
		{"3.1.9e without a description", 400, `{"error":"odd"}`, "odd"},
		{"3.1.9e as a form", 200, `error=access_denied`, standardTexts["access_denied"]},
		{"3.1.9g 500", 500, "<h1>Oops</h1>", "HTTP status 500"},
		{"3.1.9g 404", 404, "", "HTTP status 404"},
		{"3.1.9g 301", 301, goodTokens, "HTTP status 301"},
		{"3.1.9i no token", 200, `{"expires_in":3600}`, "The CRM answered the token request with status 200 and no token."},
		{"3.1.9i an empty token", 200, `{"access_token":"","expires_in":3600}`, "The CRM answered the token request with status 200 and no token."},
		{"3.1.9i a blank token", 200, `{"access_token":" ","refresh_token":"r"}`, "The CRM answered the token request with status 200 and no token."},
		{"3.1.9i the token null", 200, `{"access_token":null}`, "The CRM answered the token request with status 200 and no token."},
		{"3.1.9i an empty token in a form", 200, `access_token=&token_type=Bearer`, "The CRM answered the token request with status 200 and no token."},
		{"3.1.9i a page", 200, `<html>`, "The CRM answered the token request with status 200 and no token."},
		{"3.1.9i nothing", 200, ``, "The CRM answered the token request with status 200 and no token."},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.endpoint.says(c.status, c.body)
			w.in("wire", "").want(t, 200, told("danger", c.want))
		})
	}
	t.Run("3.1.9h the connection is lost", func(t *testing.T) {
		w.endpoint.does(func(http.ResponseWriter) { panic(http.ErrAbortHandler) })
		w.in("wire", "").want(t, 200, told("danger", `Unable to connect to "`+w.endpoint.URL+`/token"`))
	})
	if after := w.person("wire"); !after.User.SignedIn.Equal(before.User.SignedIn) || !after.Grant.AccessToken.Equal(before.Grant.AccessToken) {
		t.Error("a sign-in that failed was stored")
	}
}

func TestWireWhatASignInStores(t *testing.T) {
	t.Parallel()
	first := `{"successful":true,"platformUserInfo":{"id":"7-wire","name":"Ada","timezoneName":"Europe/London","timezoneOffset":"+01:00",` +
		`"platformAdditionalInfo":{"a":1,"b":{"c":2}},"overridingHostname":"own.example"},"returnMessage":{"message":"Hello","ttl":1}}`
	const refused = `{"successful":false,"returnMessage":{"messageType":"warning","message":"No such person.","ttl":5000}}`
	w := newWired(t, map[string]guest{
		"wire": {"getUserInfo": first}, "wirerefused": {"getUserInfo": refused}, "wiremute": {"getUserInfo": `{"successful":false}`},
		"wirebroken":  {"getUserInfo": `!{"message":"Request failed with status code 500","status":500}`},
		"wirehostile": {"getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7","overridingHostname":"<script>alert(1)</script>"}}`},
		"wireurl":     {"getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-wireurl","overridingHostname":"https://Own.example/x"}}`},
	})
	w.Freeze()
	t.Run("3.1.11a an invalid host", func(t *testing.T) {
		w.in("wirehostile", "").wantTold(t, "invalid overridingHostname")
	})
	t.Run("3.1.10a refused", func(t *testing.T) {
		w.in("wirerefused", "").want(t, 200, `{"returnMessage":{"messageType":"warning","message":"No such person.","ttl":5000},"successful":false}`)
	})
	t.Run("3.1.10a refused without a message", func(t *testing.T) {
		w.in("wiremute", "").want(t, 200, `{"returnMessage":{"message":"The CRM did not accept this sign-in.","messageType":"warning","ttl":3000},"successful":false}`)
	})
	t.Run("3.1.10b an error", func(t *testing.T) {
		w.in("wirebroken", "").want(t, 200, told("danger", "Request failed with status code 500"))
	})
	if all, err := w.directory().Entries(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("a sign-in that failed was stored: %v, %v", all, err)
	}
	t.Run("oauthCallback: the answer", func(t *testing.T) {
		a := w.in("wire", "&hostname=asked.example&rcAccountId=123", "rc-extension-id", "hash")
		a.want(t, 200, `{"jwtToken":"`+w.token(a)+`","name":"Ada","returnMessage":{"message":"Hello","ttl":1},"successful":true}`)
	})
	t.Run("3.1.11a a host in a URL", func(t *testing.T) {
		w.get("/hostname", bearer(w.token(w.in("wireurl", "")))...).want(t, 200, "own.example")
	})
	t.Run("3.1.11a stored", func(t *testing.T) {
		p := w.person("wire")
		u, g := p.User, p.Grant
		if u.Key.Hostname != "own.example" || u.Name != "Ada" || u.TimezoneName != "Europe/London" || string(u.TimezoneOffset) != `"+01:00"` || u.Account != "123" ||
			u.HashedExtension != "hash" || string(u.AdditionalInfo) != `{"a":1,"b":{"c":2}}` {
			t.Errorf("user %+v", u)
		}
		if g.AccessToken.Reveal() != "access-token-1" || g.RefreshToken.Reveal() != "refresh-token-1" || !g.Expiry.Equal(g.Issued.Add(time.Hour)) || g.App.ClientID != wireID {
			t.Errorf("grant %+v", g)
		}
	})
	// The same person signs in again, by a connector that returns less about them.
	w.swap("wire", guest{"getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-wire","platformAdditionalInfo":{"b":3,"d":4}}}`})
	t.Run("3.1.11a 3.1.11b 3.1.11c a second sign-in", func(t *testing.T) {
		w.endpoint.says(200, `{"access_token":"access-token-2"}`)
		w.token(w.in("wire", "&hostname=own.example"))
		p := w.person("wire")
		u, g := p.User, p.Grant
		if u.Key.Hostname != "own.example" || u.Name != "Ada" || u.TimezoneName != "Europe/London" || string(u.TimezoneOffset) != `"+01:00"` || u.Account != "123" ||
			u.HashedExtension != "hash" || string(u.AdditionalInfo) != `{"a":1,"b":3,"d":4}` {
			t.Errorf("user %+v", u)
		}
		if g.AccessToken.Reveal() != "access-token-2" || g.RefreshToken.Reveal() != "refresh-token-1" || !g.Expiry.IsZero() {
			t.Errorf("grant: refresh token kept: %v, expiry %v", g.RefreshToken.Reveal() == "refresh-token-1", g.Expiry)
		}
	})
	t.Run("3.1.11c 7.6 a dead refresh token is not kept", func(t *testing.T) {
		_, err := w.Edge.DB().UpdatePerson(t.Context(), w.person("wire").User.Key, func(p *crmgate.Person) error {
			p.Grant.Dead = "the CRM refused the refresh token"
			return nil
		})
		edgetest.Must(t, err)
		w.token(w.in("wire", "&hostname=own.example"))
		if !w.person("wire").Grant.RefreshToken.IsZero() {
			t.Error("the refresh token was kept")
		}
	})
	t.Run("3.1.11c 7.6 another client's refresh token is not kept", func(t *testing.T) {
		w.endpoint.says(200, goodTokens)
		w.token(w.in("wire", "&hostname=own.example"))
		w.swap("wire", guest{"getOauthInfo": `{"clientId":"another","clientSecret":"wire-secret","accessTokenUri":"$CRM/token"}`})
		w.endpoint.says(200, `{"access_token":"access-token-3"}`)
		w.token(w.in("wire", "&hostname=own.example"))
		if !w.person("wire").Grant.RefreshToken.IsZero() {
			t.Error("the refresh token was kept")
		}
	})
}

func TestWireAccountAndState(t *testing.T) {
	t.Parallel()
	account := func(g *gate) crmgate.AccountID {
		t.Helper()
		p, err := g.Edge.DB().Person(t.Context(), crmgate.UserKey{Platform: "practice", ID: "1-practice"})
		edgetest.Must(t, err)
		return p.User.Account
	}
	g := newGate(t)
	t.Run("7.1 RingCentral's account takes precedence over the query's", func(t *testing.T) {
		landed := g.land(g.compose("compat"), "ada")
		g.token(g.get("/oauth-callback?rcAccountId=999&callbackUri="+url.QueryEscape(landed), "X-RC-Access-Token", practicecrm.RCUserToken))
		if a := account(g); a != "1" {
			t.Errorf("account %q", a)
		}
	})
	t.Run("7.1 a bound state's account takes precedence over both", func(t *testing.T) {
		var c edgetest.Composed
		edgetest.Must(t, json.Unmarshal([]byte(g.get("/authUrl?platform=practice&mode=bound", "X-RC-Access-Token", practicecrm.RCAdminToken).body), &c))
		g.token(g.get("/oauth-callback?rcAccountId=999&callbackUri="+url.QueryEscape(g.land(c, "ada")), "X-Crmgate-Login", c.LoginSecret))
		if a := account(g); a != "1" {
			t.Errorf("account %q", a)
		}
	})
	t.Run("7.1 an account without proof", func(t *testing.T) {
		g.token(g.get("/oauth-callback?rcAccountId=999&callbackUri=" + url.QueryEscape(g.land(g.compose("compat"), "ada"))))
		if a := account(g); a != "999" {
			t.Errorf("account %q", a)
		}
	})
	t.Run("7.1 an invalid RingCentral token", func(t *testing.T) {
		landed := g.land(g.compose("compat"), "ada")
		g.get("/oauth-callback?rcAccessToken=stale&callbackUri="+url.QueryEscape(landed)).wantError(t, 400, "status code 401")
	})
	t.Run("7.2 a bound state works only in its browser", func(t *testing.T) {
		c := g.compose("bound")
		landed := g.land(c, "ada")
		g.callback(landed, "").wantError(t, 400, "started by another browser")
		g.token(g.callback(landed, c.LoginSecret))
	})
	t.Run("7.2 3.1.0a a bound state with a client's appended state", func(t *testing.T) {
		c := g.compose("bound")
		g.token(g.get("/oauth-callback?callbackUri="+g.land(c, "ada")+"&state=platform=practice", "X-Crmgate-Login", c.LoginSecret))
		c = g.compose("bound")
		g.get("/oauth-callback?callbackUri="+strings.Replace(g.land(c, "ada"), "platform%3Dpractice", "platform%3Dpracticekey", 1)+"&state=platform=practice",
			"X-Crmgate-Login", c.LoginSecret).wantError(t, 400, "not valid")
	})
}

// TestWireDeadline waits for the server's timeout.
func TestWireDeadline(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(o *edgetest.Options) { o.Timeout = 0 }) // the default
	t.Run("7.11 a CRM that does not answer", func(t *testing.T) {
		landed := g.land(g.compose("compat"), "ada")
		g.CRM.SetMood(practicecrm.Mood{Hang: true})
		defer g.CRM.SetMood(practicecrm.Mood{}) // ends the request, so the CRM can be closed
		began := time.Now()
		g.callback(landed, "").want(t, 200, told("danger", `Unable to connect to "`+g.CRMURL+`/oauth/token"`))
		if took := time.Since(began); took < 9*time.Second || soak() && took > 15*time.Second {
			t.Errorf("it took %v, want ten seconds", took)
		}
	})
}
