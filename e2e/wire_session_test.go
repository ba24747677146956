package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

const (
	expiredBody  = `{"successful":false,"returnMessage":{"message":"User session expired. Please connect again.","messageType":"warning","ttl":5000}}`
	notFoundUser = `{"successful":false,"returnMessage":{"message":"User not found","messageType":"warning","ttl":5000}}`
	rejectedBody = `{"successful":false,"returnMessage":{"message":"The CRM rejects the application that signed you in. Please tell your administrator.","messageType":"warning","ttl":5000}}`
	good         = `{"successful":true}`
	unsuccessful = `{"successful":false}`
)

// The answers to a token whose session has ended.
const (
	connectAgain = `"returnMessage":{"message":"User session expired. Please connect again.","messageType":"warning","ttl":5000},"errorCode":"CRM_SESSION_INVALID"}`
	endedBody    = `{"successful":false,` + connectAgain
	endedLicense = `{"isLicenseValid":false,"licenseStatus":"Invalid (User not found)","licenseStatusDescription":"",` + connectAgain
)

func license(why string) string {
	return `{"isLicenseValid":false,"licenseStatus":"Invalid (` + why + `)","licenseStatusDescription":""}`
}

// refreshFailure is the answer of /user/refreshInfo to a failure.
func refreshFailure(message, id, text string) string {
	return `{"successful":false,"returnMessage":{"message":"` + message + `","messageType":"warning","ttl":5000,"details":[{"title":"Details","items":[{"id":` + id + `,"type":"text","text":"` + text + `"}]}]}}`
}

var genericFailure = refreshFailure("Error performing refreshUserInfo", "1", "Please check if your account has the necessary permissions.")

func TestWireSessionRoutes(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{
		"wire":        {"refreshUserInfo": good, "authValidation": good},
		"wirelicense": {"getLicenseStatus": `{"isLicenseValid":true,"own":[1],"licenseStatus":"R&D"}`},
		"wirefailing": {"getLicenseStatus": `!{"message":"No."}`}, "wireodd": {"getLicenseStatus": `[]`}, "wiredeclined": {"getLicenseStatus": ""},
	}, withKey)
	ended := w.token(w.in("wire", ""))
	w.do("POST", "/unAuthorize", "", bearer(ended)...)
	c := claimsOf(t, ended)
	delete(c, "sid")
	ghost := forge("HS256", sha256.New, sessionKey, c)
	text := func(status int, body string) answer { return answer{status, nil, body} }
	p, invalid, notFound := text(400, noSession), text(400, "Invalid JWT token"), text(400, "User not found")
	for _, c := range []struct {
		id, method, path                string
		none, undecodable, ghost, ended answer
	}{
		{"4a ", "GET", "/authValidation", p, invalid, text(200, unsuccessful), text(200, endedBody)},
		{"4b ", "GET", "/licenseStatus", text(200, license("Invalid user session")), invalid, text(200, license("User not found")), text(200, endedLicense)},
		{"4d ", "GET", "/hostname", p, notFound, notFound, p},
		{"4e ", "POST", "/unAuthorize", p, notFound, notFound, p},
		{"4f ", "POST", "/user/refreshInfo", p, text(200, genericFailure), text(200, notFoundUser), text(200, endedBody)},
		{"4h ", "GET", "/user/settings", p, p, notFound, p},
		{"4i ", "POST", "/user/settings", p, text(400, "Unknown platform"), notFound, p},
		{"4j ", "GET", "/admin/settings", p, notFound, notFound, p},
	} {
		for _, r := range []struct {
			what, query, bearer string
			want                answer
		}{
			{"none", "", "", c.none}, {"undecodable", "?jwtToken=undefined", "", c.undecodable},
			{"ghost", "", ghost, c.ghost}, {"ghost in the query", "?jwtToken=" + ghost, "", c.ghost},
			{"ended", "", ended, c.ended}, {"ended, in the query", "?jwtToken=" + ended, "", c.ended},
		} {
			t.Run(c.id+r.what, func(t *testing.T) {
				header := bearer(r.bearer)
				if r.bearer == "" {
					header = nil
				}
				a := w.do(c.method, c.path+r.query, "", header...)
				a.want(t, r.want.status, r.want.body)
				kind := "text/html; charset=utf-8"
				if r.want.body[0] == '{' {
					kind = "application/json; charset=utf-8"
				}
				a.wantHeader(t, "Content-Type", kind)
			})
		}
	}
	for platform, want := range map[string]string{
		"wirelicense": `{"isLicenseValid":true,"own":[1],"licenseStatus":"R&D"}`, "wire": license("Connect to get license status"),
		"wirefailing": license("Connect to get license status"), "wireodd": license("Connect to get license status"), "wiredeclined": license("Connect to get license status"),
	} {
		t.Run("licenseStatus: "+platform, func(t *testing.T) { w.get("/licenseStatus", bearer(w.token(w.in(platform, "")))...).want(t, 200, want) })
	}
	t.Run("4g 7.9 4.2d another platform's token", func(t *testing.T) {
		c := claimsOf(t, w.token(w.in("wire", "")))
		c["platform"] = "wirelicense"
		w.do("POST", "/unAuthorize", "", bearer(forge("HS256", sha256.New, sessionKey, c))...).want(t, 400, noSession)
		if w.person("wire").Grant.Empty() {
			t.Error("the request logged another person out")
		}
	})
}

// TestConnectorMeetsADeadGrant: the CRM ends a grant whose access token is not due. The connector is the first to notice.
func TestConnectorMeetsADeadGrant(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.Freeze()
	for name, path := range map[string]string{"4.1e the connector notices": "GET /authValidation", "4.3a the connector notices": "POST /user/refreshInfo"} {
		t.Run(name, func(t *testing.T) {
			session := g.oauth("ada")
			g.Pass(10 * time.Minute)
			g.CRM.EndGrants("ada")
			method, path, _ := strings.Cut(path, " ")
			for range 2 {
				g.do(method, path, "", bearer(session)...).want(t, 200, expiredBody)
			}
		})
	}
}

// TestSessionEndsMeanwhile: while a request of a session runs, the operator deletes the person, or the person logs out elsewhere.
func TestSessionEndsMeanwhile(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.Freeze()
	for _, c := range []struct {
		name, method, path, body string
		want                     answer
	}{
		{"4i ended meanwhile", "POST", "/user/settings", `{"userSettings":{"a":1}}`, answer{400, nil, noSession}},
		{"4e ended meanwhile", "POST", "/unAuthorize", "", answer{400, nil, noSession}},
		{"4a ended meanwhile", "GET", "/authValidation", "", answer{200, nil, endedBody}},
		{"4b ended meanwhile", "GET", "/licenseStatus", "", answer{200, nil, endedLicense}},
		{"4f ended meanwhile", "POST", "/user/refreshInfo", "", answer{200, nil, endedBody}},
	} {
		for how, end := range map[string]func(session string){
			"deleted":    func(string) { g.forget("practice", "1-practice") },
			"logged out": func(session string) { g.do("POST", "/unAuthorize", "", bearer(session)...) },
		} {
			if how == "logged out" && (c.path == "/unAuthorize" || c.path == "/user/settings") {
				continue // these need no grant
			}
			t.Run(c.name+", "+how, func(t *testing.T) {
				session := g.unproven("ada", "1")
				g.Pass(2 * time.Minute) // RingCentral's answer is remembered for one
				var asked atomic.Bool
				g.WhenAsked(func(*http.Request) { // RingCentral for proof, then the CRM to revoke
					if asked.CompareAndSwap(false, true) {
						end(session)
					}
				})
				defer g.WhenAsked(nil)
				header := append(bearer(session), "X-RC-Access-Token", practicecrm.RCAdminToken, "Content-Type", "application/json")
				g.do(c.method, c.path, c.body, header...).want(t, c.want.status, c.want.body)
			})
		}
	}
}

// inFor signs in with an access token that expires in some seconds, and returns the session token.
func (w *wired) inFor(platform string, seconds int) string {
	w.t.Helper()
	w.endpoint.says(200, fmt.Sprintf(`{"access_token":"access-token-1","refresh_token":"refresh-token-1","expires_in":%d}`, seconds))
	token := w.token(w.in(platform, ""))
	w.endpoint.says(200, `{"access_token":"access-token-2","refresh_token":"refresh-token-2","expires_in":3600}`)
	w.endpoint.asked()
	return token
}

func TestWireAuthValidation(t *testing.T) {
	t.Parallel()
	const warning = `{"successful":false,"returnMessage":{"message":"Your licence & more.","ttl":9,"messageType":"warning"}}`
	w := newWired(t, map[string]guest{
		"wire": {"authValidation": good}, "wireno": {"authValidation": warning}, "wirebroken": {"authValidation": `!{"message":"Odd day.","status":500}`},
		"wirebare": {}, "wireown": {"authValidation": good, "checkAndRefreshAccessToken": `{"accessToken":"own-access-token","refreshToken":"own-refresh-token","expiresIn":60}`},
		"wirekey": {"getBasicAuth": `{"basic":"x"}`},
	})
	w.Freeze()
	validate := func(token string) answer {
		t.Helper()
		return w.get("/authValidation", bearer(token)...)
	}
	for _, c := range []struct {
		name          string
		lives, passed int // seconds
		refreshed     bool
	}{
		{"4.1a two minutes left", 1200, 1080, false},
		{"4.1a less than two minutes", 1200, 1081, true},
		{"4.1a a tenth left", 36000, 32400, false},
		{"4.1a less than a tenth", 36000, 32401, true},
		{"4.1a more than half of a minute left", 60, 29, false},
		{"4.1a less than half of a minute", 60, 31, true},
		{"4.1a new", 3600, 0, false},
		{"4.1a ended", 3600, 3600, true},
		{"4.1a no expiry", 0, 1_000_000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := w.inFor("wire", c.lives)
			w.Pass(time.Duration(c.passed) * time.Second)
			validate(token).want(t, 200, good)
			if n := len(w.endpoint.asked()); n != map[bool]int{true: 1}[c.refreshed] {
				t.Errorf("%d token requests", n)
			}
		})
	}
	ended := func(platform string) string {
		token := w.inFor(platform, 3600)
		w.Pass(time.Hour)
		return token
	}
	t.Run("4.1b the request", func(t *testing.T) {
		token := ended("wire")
		w.endpoint.says(200, `{"access_token":"access-token-2","expires_in":3600}`)
		validate(token).want(t, 200, good)
		r := w.endpoint.asked()[0]
		if form := r.PostForm.Encode(); r.Method != "POST" || form != "grant_type=refresh_token&refresh_token=refresh-token-1" {
			t.Errorf("%s %s", r.Method, form)
		}
		if _, secret, _ := r.BasicAuth(); secret == "" {
			t.Errorf("the client did not authenticate: %v", r.Header)
		}
		if g := w.person("wire").Grant; g.AccessToken.Reveal() != "access-token-2" || g.RefreshToken.Reveal() != "refresh-token-1" || !g.Expiry.Equal(w.Now().Add(time.Hour)) {
			t.Error("the access token was not stored, or the refresh token was not kept")
		}
	})
	t.Run("4.1c 7.5 at the same time", func(t *testing.T) {
		token := ended("wire")
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { w.get("/authValidation", bearer(token)...).want(t, 200, good) })
		}
		wg.Wait()
		if n := len(w.endpoint.asked()); n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
	})
	t.Run("4.1d a connector's own refresh", func(t *testing.T) {
		validate(ended("wireown")).want(t, 200, good)
		if n := len(w.endpoint.asked()); n != 0 {
			t.Errorf("%d token requests, want none", n)
		}
		if g := w.person("wireown").Grant; g.AccessToken.Reveal() != "own-access-token" || g.RefreshToken.Reveal() != "own-refresh-token" {
			t.Error("the connector's answer was not stored")
		}
	})
	for _, status := range []int{200, 400, 401} {
		t.Run(fmt.Sprintf("4.1e invalid_grant with %d", status), func(t *testing.T) {
			for _, platform := range []string{"wire", "wirebare"} {
				token := ended(platform)
				w.endpoint.says(status, `{"error":"invalid_grant"}`)
				validate(token).want(t, 200, expiredBody)
				validate(token).want(t, 200, expiredBody)
				if n := len(w.endpoint.asked()); n != 1 {
					t.Errorf("%d token requests, want 1", n)
				}
			}
		})
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"4.1f another error", 400, `{"error":"weather"}`, "weather"},
		{"4.1f a status", 503, `Busy`, "HTTP status 503"},
		{"4.1f the connection is lost", 0, "", `Unable to connect to "` + w.endpoint.URL + `/token"`},
		{"4.1g 7.6 no token", 200, `{"expires_in":3600}`, "The CRM answered the token request with status 200 and no token."},
		{"4.1g a page", 200, `<html>`, "The CRM answered the token request with status 200 and no token."},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := ended("wire")
			w.endpoint.says(c.status, c.body)
			if c.status == 0 {
				w.endpoint.does(func(http.ResponseWriter) { panic(http.ErrAbortHandler) })
			}
			if a := validate(token); a.status != 503 || a.body != errorBody(c.want) || a.header.Get("Retry-After") == "" {
				t.Errorf("got %d %s, Retry-After %q", a.status, a.body, a.header.Get("Retry-After"))
			}
			if g := w.person("wire").Grant; g.RefreshToken.Reveal() != "refresh-token-1" || g.AccessToken.Reveal() != "access-token-1" || g.Dead != "" {
				t.Error("something was stored")
			}
			w.endpoint.says(200, goodTokens)
			w.endpoint.asked()
			if a := validate(token); a.status != 503 || a.header.Get("Retry-After") == "" || len(w.endpoint.asked()) != 0 {
				t.Errorf("a second request at once: %d %s", a.status, a.body)
			}
			w.Pass(10 * time.Minute)
			validate(token).want(t, 200, good)
		})
	}
	for platform, status := range map[string]int{"wire": 503, "wirebare": 200} {
		t.Run("4.1f all that wait get one answer: "+platform, func(t *testing.T) {
			token := ended(platform)
			logged := len(w.Log.String())
			w.endpoint.does(func(rw http.ResponseWriter) {
				time.Sleep(100 * time.Millisecond)
				rw.Header().Set("Retry-After", "77")
				rw.WriteHeader(429)
			})
			check := func() {
				t.Helper()
				if a := validate(token); a.status != status || status == 503 && a.header.Get("Retry-After") != "77" {
					t.Errorf("got %d %s, Retry-After %q", a.status, a.body, a.header.Get("Retry-After"))
				}
			}
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(check)
			}
			wg.Wait()
			check() // before the next attempt
			if n := strings.Count(w.Log.String()[logged:], `"level":"WARN"`); n != 1 || len(w.endpoint.asked()) != 1 {
				t.Errorf("%d warnings, want 1: %s", n, w.Log.String()[logged:])
			}
			w.endpoint.says(200, goodTokens)
			w.Pass(10 * time.Minute)
		})
	}
	t.Run("4.1j the application is rejected", func(t *testing.T) {
		token := ended("wire")
		w.endpoint.says(401, `{"error":"invalid_client"}`)
		validate(token).want(t, 200, rejectedBody)
		w.endpoint.says(200, goodTokens)
		w.endpoint.asked()
		w.Pass(59 * time.Minute)
		validate(token).want(t, 200, rejectedBody)
		if n := len(w.endpoint.asked()); n != 0 {
			t.Errorf("%d token requests for a paused application", n)
		}
		validate(w.inFor("wire", 3600)).want(t, 200, good) // a person signs in with the application
		token = ended("wire")
		w.endpoint.says(200, goodTokens)
		validate(token).want(t, 200, good)
	})
	t.Run("4.1f while the access token is good", func(t *testing.T) {
		token := w.inFor("wire", 3600)
		w.Pass(59 * time.Minute)
		w.endpoint.says(503, "")
		validate(token).want(t, 200, good)
		if n := len(w.endpoint.asked()); n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
	})
	t.Run("4.1h the connector's answer", func(t *testing.T) {
		validate(w.inFor("wireno", 3600)).want(t, 200, warning)
		w.wantGot("wireno", "authValidation", `"authHeader":"Bearer [secret]"`, `"id":"7-wireno"`, `"platform":"wireno"`, `"tokenExpiry":"`)
	})
	t.Run("4.1h its error", func(t *testing.T) { validate(w.inFor("wirebroken", 3600)).want(t, 400, errorBody("Odd day.")) })
	t.Run("4.1i 7.17 without the interface", func(t *testing.T) {
		validate(w.inFor("wirebare", 3600)).want(t, 200, good)
		w.endpoint.says(200, goodTokens)
		validate(ended("wirebare")).want(t, 200, good)
	})
	t.Run("4.1i 7.17 without the interface or a live token", func(t *testing.T) {
		token := ended("wirebare")
		w.endpoint.says(503, "")
		validate(token).want(t, 200, `{"successful":false,"returnMessage":{"message":"The CRM cannot be reached at the moment. Please try again later.","messageType":"warning","ttl":5000}}`)
		w.Pass(10 * time.Minute)
		w.endpoint.says(400, `{"error":"invalid_client"}`)
		validate(token).want(t, 200, rejectedBody)
	})
	t.Run("4.1i 7.17 API keys", func(t *testing.T) {
		validate(w.token(w.postJSON("/apiKeyLogin", `{"platform":"wirekey","apiKey":"x"}`))).want(t, 200, good)
	})
}

func TestWireUnAuthorize(t *testing.T) {
	t.Parallel()
	const own = `{"ttl":1,"message":"Bye & thanks","messageType":"success","own":true}`
	w := newWired(t, map[string]guest{
		"wire": {"unAuthorize": `{"returnMessage":` + own + `}`}, "wirebare": {}, "wiresilent": {"unAuthorize": `{}`},
		"wirefailing": {"unAuthorize": `!{"message":"Request failed with status code 500","status":500}`},
		"wireno":      {"unAuthorize": `{"successful":false,"returnMessage":{"messageType":"warning","message":"No."}}`},
		"wirekey":     {"getBasicAuth": `{"basic":"x"}`},
	})
	const standard = `{"message":"Logged out of Wire CRM","messageType":"success","ttl":3000}`
	for _, c := range []struct{ name, platform, want string }{
		{"unAuthorize: the connector's message", "wire", own},
		{"unAuthorize: no message", "wiresilent", standard},
		{"unAuthorize: no unAuthorize", "wirebare", standard},
		{"unAuthorize: an API key", "wirekey", standard},
		{"4.2c 7.7 the CRM fails", "wirefailing", standard},
		{"4.2c the connector refuses", "wireno", standard},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a answer
			if c.platform != "wirekey" {
				a = w.in(c.platform, "&hostname=a.example")
			} else {
				a = w.postJSON("/apiKeyLogin", `{"platform":"wirekey","apiKey":"x","hostname":"a.example"}`)
			}
			token := w.token(a)
			w.do("POST", "/unAuthorize", "", bearer(token)...).want(t, 200, c.want)
			t.Run("4.2b 7.3 the rest stays", func(t *testing.T) {
				p := w.person(c.platform)
				if !p.Grant.Empty() || p.User.Key.Hostname != "a.example" || p.User.Name != "Wired" {
					t.Errorf("the grant is empty: %v; user %+v", p.Grant.Empty(), p.User)
				}
				w.get("/hostname", bearer(token)...).want(t, 400, noSession)
			})
			t.Run("4.2c a second time", func(t *testing.T) {
				w.do("POST", "/unAuthorize", "", bearer(token)...).want(t, 400, noSession)
			})
		})
	}
	t.Run("4.2d the connector's input", func(t *testing.T) {
		w.wantGot("wire", "unAuthorize", `"id":"7-wire"`, `"platform":"wire"`, `"hostname":"a.example"`, `"authHeader":"Bearer [secret]"`)
	})
	t.Run("4.2b the CRM is told afterwards", func(t *testing.T) {
		token := w.oauth("ada")
		var told atomic.Int64
		w.WhenAsked(func(r *http.Request) {
			if r.URL.Path == "/oauth/revoke" {
				told.Add(1)
				w.get("/hostname", bearer(token)...).want(t, 400, noSession)
			}
		})
		defer w.WhenAsked(nil)
		w.do("POST", "/unAuthorize", "", bearer(token)...).want(t, 200, `{"message":"Logged out of Practice CRM","messageType":"success","ttl":3000}`)
		if n := told.Load(); n != 1 {
			t.Errorf("the CRM was told %d times", n)
		}
	})
}

func TestWireRefreshInfo(t *testing.T) {
	t.Parallel()
	fails := func(status string) guest { return guest{"refreshUserInfo": `!{"message":"x"` + status + `}`} }
	w := newWired(t, map[string]guest{
		"wire":     {"refreshUserInfo": `{"successful":true,"returnMessage":{"message":"Done","own":1},"user":{"platformAdditionalInfo":{"b":2}}}`},
		"wireno":   {"refreshUserInfo": `{"successful":false,"returnMessage":{"message":"No"}}`},
		"wirebare": {}, "wiregone": {"refreshUserInfo": good},
		"fail399": fails(`,"status":399`), "fail400": fails(`,"status":400`), "fail401": fails(`,"status":401`), "fail409": fails(`,"status":409`),
		"fail410": fails(`,"status":410`), "fail429": fails(`,"status":429`), "fail500": fails(`,"status":500`), "failnone": fails(""),
	})
	w.Freeze()
	refresh := func(token string) answer {
		t.Helper()
		return w.do("POST", "/user/refreshInfo", "", bearer(token)...)
	}
	t.Run("refreshInfo: without the interface", func(t *testing.T) {
		token := w.token(w.in("wirebare", ""))
		refresh(token).want(t, 200, good)
		w.do("POST", "/unAuthorize", "", bearer(token)...)
		refresh(token).want(t, 200, good) // the session has ended
	})
	t.Run("refreshInfo: refreshed first", func(t *testing.T) {
		token := w.inFor("wire", 3600)
		w.Pass(time.Hour)
		refresh(token).want(t, 200, `{"successful":true,"returnMessage":{"message":"Done","own":1}}`)
		if n := len(w.endpoint.asked()); n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
	})
	t.Run("4.3a over", func(t *testing.T) {
		token := w.inFor("wire", 3600)
		w.Pass(time.Hour)
		w.endpoint.says(400, `{"error":"invalid_grant"}`)
		refresh(token).want(t, 200, expiredBody)
	})
	t.Run("refreshInfo: the connector's answer", func(t *testing.T) {
		refresh(w.inFor("wireno", 3600)).want(t, 200, `{"successful":false,"returnMessage":{"message":"No"}}`)
	})
	t.Run("refreshInfo: the changes", func(t *testing.T) {
		token := w.inFor("wire", 3600)
		_, err := w.Edge.DB().UpdatePerson(t.Context(), crmgate.UserKey{Platform: "wire", ID: "7-wire"}, func(p *crmgate.Person) error {
			p.User.AdditionalInfo = []byte(`{"a":1,"b":1}`)
			return nil
		})
		edgetest.Must(t, err)
		refresh(token)
		if got := string(w.person("wire").User.AdditionalInfo); got != `{"a":1,"b":2}` {
			t.Errorf("stored: %s", got)
		}
	})
	authorization := func(p string) string {
		return refreshFailure("Authorization error", `"1"`, "It seems like there's something wrong with your authorization of "+p+". Please Logout and then Connect your "+p+" account within this extension.")
	}
	for platform, want := range map[string]string{
		"fail399": genericFailure, "fail400": authorization("fail400"), "fail401": authorization("fail401"), "fail409": authorization("fail409"),
		"fail410": genericFailure, "fail500": genericFailure, "failnone": genericFailure,
		"fail429": refreshFailure("Rate limit exceeded", `"1"`, "You have exceeded the maximum number of requests allowed by fail429. Please try again in the next minute. If the problem persists please contact support."),
	} {
		t.Run("refreshInfo: "+platform, func(t *testing.T) { refresh(w.inFor(platform, 3600)).want(t, 200, want) })
	}
	t.Run("refreshInfo: the token endpoint's status", func(t *testing.T) {
		token := w.inFor("wire", 3600)
		w.Pass(time.Hour)
		w.endpoint.says(429, "")
		if a := refresh(token); a.status != 200 || !strings.Contains(a.body, "Rate limit exceeded") {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("refreshInfo: the connector is gone", func(t *testing.T) {
		token := w.inFor("wiregone", 3600)
		w.Stop()
		w.remove("wiregone.wasm")
		w.Start()
		refresh(token).want(t, 200, genericFailure)
	})
}
