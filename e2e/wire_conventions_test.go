package e2e_test

import (
	"bufio"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

const notFoundBody = `{"error":"There is nothing at this address."}`

func TestWirePaths(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for path, want := range map[string]int{
		"/isAlive": 200, "/ISALIVE": 200, "/isalive/": 200, "/IsAlive/?x=1": 200, "/oAuth-Callback/": 400,
		"/isAlive//": 404, "//isAlive": 404, "/is%41live": 404, "/a/%2e%2e/isAlive": 404, "/./isAlive": 404, "/": 404, "/isAlive;x": 404,
	} {
		t.Run("path "+path, func(t *testing.T) {
			if a := g.get(path); a.status != want {
				t.Errorf("status %d, want %d", a.status, want)
			}
		})
	}
	t.Run("7.18 an unknown path", func(t *testing.T) {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
			a := g.do(method, "/nowhere", "")
			a.want(t, 404, notFoundBody)
			a.wantHeader(t, "Content-Type", "application/json; charset=utf-8")
		}
	})
	t.Run("7.18 pages for people", func(t *testing.T) {
		const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
		for path, want := range map[string]int{"/nowhere": 404, "/connect/a%20b": 404, "/apiKeyLogin": 405} {
			a := g.get(path, "Accept", browser)
			a.wantHeader(t, "Content-Type", "text/html; charset=utf-8")
			if a.status != want || !strings.Contains(a.body, "<h1>There is nothing here</h1>") || !strings.Contains(a.body, `href="/"`) {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		a := g.get("/", "Accept", browser)
		a.wantHeader(t, "Content-Type", "text/html; charset=utf-8")
		for _, want := range []string{"<h1>crmgate</h1>", `<li><a href="/connect/practice">`, `<li><a href="/connect/practicekey">`} {
			if a.status != 200 || !strings.Contains(a.body, want) {
				t.Errorf("%d, want %s: %s", a.status, want, a.body)
			}
		}
		g.get("/", "Accept", "application/json, text/plain, */*").want(t, 404, notFoundBody)
		g.do("POST", "/", "", "Accept", browser).wantError(t, 405, "/ takes GET only.")
		hidden := newGate(t, func(o *edgetest.Options) { o.HideIndex = true })
		if a := hidden.get("/", "Accept", browser); a.status != 200 || strings.Contains(a.body, "/connect/") {
			t.Errorf("without an index: %d %s", a.status, a.body)
		}
	})
	t.Run("7.18 a known path with another method", func(t *testing.T) {
		a := g.do("POST", "/isAlive", "")
		a.want(t, 405, `{"error":"/isAlive takes GET only."}`)
		a.wantHeader(t, "Allow", "GET, HEAD")
		a = g.do("HEAD", "/apiKeyLogin", "")
		a.want(t, 405, "")
		a.wantHeader(t, "Allow", "POST")
		a = g.do("DELETE", "/user/settings", "")
		a.want(t, 405, `{"error":"/user/settings takes GET and POST only."}`)
		a.wantHeader(t, "Allow", "GET, HEAD, POST")
	})
	t.Run("HEAD is GET without the body", func(t *testing.T) {
		for _, path := range []string{"/isAlive", "/hostname", "/serverVersionInfo", "/crmManifest?platformName=practice", "/nowhere"} {
			get, head := g.get(path), g.do("HEAD", path, "")
			head.want(t, get.status, "")
			for _, name := range []string{"Content-Type", "Content-Length"} {
				head.wantHeader(t, name, get.header.Get(name))
			}
		}
	})
	t.Run("7.24 a new id, and no revalidation", func(t *testing.T) {
		a, b := g.get("/isAlive"), g.get("/isAlive", "If-None-Match", "*")
		b.want(t, 200, "OK")
		b.wantHeader(t, "ETag", "", "X-Powered-By", "")
		if id := a.header.Get("X-Request-Id"); id == "" || id == b.header.Get("X-Request-Id") {
			t.Errorf("ids %q and %q", id, b.header.Get("X-Request-Id"))
		}
	})
	t.Run("7.21 one parameter, two values", func(t *testing.T) {
		g.get("/crmManifest?platformName=a&platformName=b").want(t, 400, `{"error":"The parameter platformName is given more than once."}`)
		g.get("/crmManifest?platformName=a&platformName=a").want(t, 400, "Platform not found")
		g.get("/oauth-callback?callbackUri=%ff").want(t, 400, `{"error":"The parameter callbackUri is not UTF-8 text."}`)
	})
	t.Run("7.22 a long address", func(t *testing.T) {
		a := g.get("/oauth-callback?state=" + strings.Repeat("x", 20<<10))
		a.wantError(t, 431, "too long")
	})
}

func TestWireReplies(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wirehost": {"getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-wirehost","overridingHostname":"eu.wire.example"}}`}})
	token := w.apiKey()
	for _, c := range []struct{ name, contentType, body string }{
		{"a text", "text/html; charset=utf-8", w.get("/hostname").body},
		{"an object", "application/json; charset=utf-8", w.get("/serverVersionInfo").body},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := map[bool]string{true: "/hostname", false: "/serverVersionInfo"}[strings.HasPrefix(c.contentType, "text")]
			w.get(path).wantHeader(t, "Content-Type", c.contentType)
		})
	}
	t.Run("isAlive's text", func(t *testing.T) { w.get("/isAlive").wantHeader(t, "Content-Type", "text/plain; charset=utf-8") })
	t.Run("4d null", func(t *testing.T) {
		a := w.get("/hostname", bearer(token)...)
		a.want(t, 200, "")
		a.wantHeader(t, "Content-Type", "", "Content-Length", "0")
	})
	t.Run("4d the host name", func(t *testing.T) {
		a := w.get("/hostname", bearer(w.token(w.in("wirehost", "")))...)
		a.want(t, 200, "eu.wire.example")
		a.wantHeader(t, "Content-Type", "text/html; charset=utf-8")
	})
	t.Run("no name, no message", func(t *testing.T) {
		a := w.in("wirehost", "")
		a.want(t, 200, `{"jwtToken":"`+w.token(a)+`","successful":true}`)
	})
	t.Run("a failure is an error object", func(t *testing.T) {
		w.get("/implementedInterfaces?platform=x").want(t, 400, `{"error":"Connector not found for platform: x"}`)
	})
}

func TestWireBodies(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	const missing = "Missing platform name"
	login := `{"platform":"practicekey","apiKey":"` + practicecrm.APIKey + `"}`
	for _, c := range []struct {
		name, kind, body string
		status           int
		want             string // the body of the answer; empty: a session
	}{
		{"an object", "application/json", login, 200, ""},
		{"an object, its type in capitals and with a charset", "Application/JSON; charset=UTF-8", " " + login + "\n", 200, ""},
		{"an array", "application/json", `[{"platform":"practicekey"}]`, 400, missing},
		{"no body", "application/json", "", 400, missing},
		{"no body and no type", "", "", 400, missing},
		{"a form", "application/x-www-form-urlencoded", "platform=practicekey&apiKey=" + practicecrm.APIKey, 200, ""},
		{"a form of objects", "application/x-www-form-urlencoded", "platform=practicekey&additionalInfo[apiKey]=" + practicecrm.APIKey, 200, ""},
		{"a form of objects, encoded", "application/x-www-form-urlencoded", "platform=practicekey&additionalInfo%5BapiKey%5D=" + practicecrm.APIKey, 200, ""},
		{"objects in objects, 9,000 deep", "application/json", `{"platform":"practicekey","apiKey":"x","additionalInfo":` + deep(9_000) + "}", 400, wrongKey},
		{"broken JSON", "application/json", `{"platform":`, 400, `{"error":"The body is not a JSON object."}`},
		{"two objects", "application/json", `{} {}`, 400, `{"error":"The body is not a JSON object."}`},
		{"a text", "application/json", `"platform"`, 400, `{"error":"The body is not a JSON object."}`},
		{"null", "application/json", `null`, 400, `{"error":"The body is not a JSON object."}`},
		{"blanks", "application/json", "  ", 400, `{"error":"The body is not a JSON object."}`},
		{"not UTF-8", "application/json", "{\"platform\":\"\xff\"}", 400, `{"error":"The body is not a JSON object."}`},
		{"objects in objects, 20,000 deep", "application/json", deep(20_000), 400, `{"error":"The body is not a JSON object."}`},
		{"a member of another type", "application/json", `{"platform":["practicekey"]}`, 400, `{"error":"The body's platform is of the wrong type."}`},
		{"7.42 a number keeps its digits", "application/json", `{"platform":12345678901234567890}`, 400, `{"error":"Connector not found for platform: 12345678901234567890"}`},
		{"7.42 a boolean", "application/json", `{"platform":true}`, 400, `{"error":"Connector not found for platform: true"}`},
		{"7.42 null", "application/json", `{"platform":null}`, 400, missing},
		{"7.42 a key of digits", "application/json", `{"platform":"practicekey","apiKey":12345678901234567890}`, 400, wrongKey},
		{"7.18 XML", "application/xml", "<platform>practicekey</platform>", 415, wrongType},
		{"7.18 a text type", "text/plain", login, 415, wrongType},
		{"7.18 no type", "", login, 415, wrongType},
		{"7.18 several parts", "multipart/form-data; boundary=x", "--x--", 415, wrongType},
		{"a million bytes", "application/json", `{"platform":"practicekey","apiKey":"` + practicecrm.APIKey + `","x":"` + strings.Repeat("x", 1_000_000) + `"}`, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := g.do("POST", "/apiKeyLogin", c.body, "Content-Type", c.kind)
			if c.want == "" {
				g.token(a)
				return
			}
			a.want(t, c.status, c.want)
		})
	}
	t.Run("a compressed body", func(t *testing.T) {
		g.postJSON("/apiKeyLogin", login, "Content-Encoding", "gzip").want(t, 415, wrongType)
		g.token(g.postJSON("/apiKeyLogin", login, "Content-Encoding", "Identity"))
	})
	t.Run("7.16 more than a megabyte", func(t *testing.T) {
		g.announce("/apiKeyLogin", 1<<20+1).want(t, 413, `{"error":"The body is too large."}`)
		g.chunks("/apiKeyLogin", 1<<20+1).want(t, 413, `{"error":"The body is too large."}`)
		g.do("POST", "/apiKeyLogin", strings.Repeat("x", 3<<20), "Content-Type", "application/json").want(t, 413, `{"error":"The body is too large."}`)
		a := g.do("POST", "/apiKeyLogin", login+strings.Repeat(" ", 1<<20-len(login)), "Content-Type", "application/json")
		g.token(a)
	})
	t.Run("7.23 a body that is not read", func(t *testing.T) {
		token := g.apiKey()
		g.do("POST", "/user/refreshInfo", `{"broken":`, append(bearer(token), "Content-Type", "application/json")...).want(t, 200, `{"successful":true}`)
		g.announce("/unAuthorize", 64<<10+1).wantError(t, 413, "too large")
		g.announce("/isAlive", 64<<10+1).wantError(t, 413, "too large")
	})
}

const wrongType = `{"error":"The body must be application/json or application/x-www-form-urlencoded, and not compressed."}`

// announce announces a body of n bytes and reads the answer without sending the body.
func (g *gate) announce(path string, n int) answer {
	g.t.Helper()
	return g.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, n))
}

// chunks sends a body in one chunk, without the final chunk.
func (g *gate) chunks(path string, n int) answer {
	g.t.Helper()
	return g.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", path, n, strings.Repeat("x", n)))
}

// raw sends bytes as they are and reads the answer.
func (g *gate) raw(request string) answer {
	g.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	edgetest.Must(g.t, err)
	defer c.Close()
	edgetest.Must(g.t, c.SetDeadline(time.Now().Add(inTime)))
	_, err = io.WriteString(c, request)
	edgetest.Must(g.t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	edgetest.Must(g.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	edgetest.Must(g.t, err)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// deep is an object in an object, n times.
func deep(n int) string {
	return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
}

func TestWireCORS(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	both := []string{"Access-Control-Allow-Origin", "*", "Access-Control-Expose-Headers", "x-refreshed-jwt-token", "Access-Control-Allow-Credentials", ""}
	for name, a := range map[string]answer{
		"200": g.get("/isAlive"), "200 with an origin": g.get("/isAlive", "Origin", "https://a.example"),
		"400 as text": g.get("/hostname"), "400 as JSON": g.get("/implementedInterfaces?platform=x"), "404": g.get("/nowhere"),
		"405": g.do("POST", "/isAlive", ""), "413": g.announce("/apiKeyLogin", 2<<20), "415": g.do("POST", "/apiKeyLogin", "x"),
		"431": g.get("/isAlive?" + strings.Repeat("x", 20<<10)), "malformed HTTP": g.raw("nonsense\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) { a.wantHeader(t, both...) })
	}
	for _, path := range []string{"/apiKeyLogin", "/no/such/path", "//", "/ISALIVE/?jwtToken=undefined"} {
		for _, origin := range []string{"", "https://a.example"} {
			for _, asked := range []string{"", "authorization,x-a", "Content-Type, X-RC-Access-Token"} {
				t.Run("OPTIONS "+path+" from "+origin+" for "+asked, func(t *testing.T) {
					a := g.do("OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Headers", asked)
					a.want(t, 204, "")
					a.wantHeader(t, append(both, "Access-Control-Allow-Methods", "GET,POST,PATCH,PUT,DELETE", "Vary", "Access-Control-Request-Headers",
						"Access-Control-Allow-Headers", asked, "Content-Type", "")...)
				})
			}
		}
	}
}

func TestWireDebug(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) {
		f.Debug = true
		f.Connectors = edgetest.Folder(t, strings.TrimPrefix(f.RingCentralURL, "http://"), map[string]string{"manifest.json": manyPlatforms})
	})
	t.Run("7.8 an object", func(t *testing.T) {
		c := g.compose("bound")
		a := g.callback(g.land(c, "ada"), c.LoginSecret, "is-debug", "true")
		for _, want := range []string{`"_debug":{`, `"requestId":"` + a.header.Get("X-Request-Id") + `"`, `"exchanged"`, `"stored"`} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s lacks %s", a.body, want)
			}
		}
		if a := g.get("/implementedInterfaces?platform=practice", "is-debug", "true"); !strings.HasPrefix(a.body, `{"getAuthType":true,`) || !strings.Contains(a.body, `"cacheCallNote":false,"_debug":{`) {
			t.Errorf("implementedInterfaces: %s", a.body)
		}
	})
	t.Run("7.8 a text stays a text", func(t *testing.T) { g.get("/hostname", "is-debug", "true").want(t, 400, noSession) })
	for _, path := range []string{"/isAlive", "/crmManifest", "/crmManifest?platformName=practice", "/serverVersionInfo", "/releaseNotes"} {
		t.Run("7.8 not "+path, func(t *testing.T) {
			a := g.get(path)
			g.get(path, "is-debug", "true").want(t, a.status, a.body)
		})
	}
	t.Run("7.8 only if the operator allows it", func(t *testing.T) {
		off := newGate(t)
		off.get("/userInfoHash", "is-debug", "true").want(t, 200, off.get("/userInfoHash").body)
	})
}

func TestWireSessionTokens(t *testing.T) {
	t.Parallel()
	g := newGate(t, withKey)
	token := g.apiKey()
	good := claimsOf(t, token)
	t.Run("1.1a claims", func(t *testing.T) {
		if len(good) != 5 || good["id"] != "2-practicekey" || good["platform"] != "practicekey" || good["exp"].(float64)-good["iat"].(float64) != 1209600 || good["sid"] == "" {
			t.Errorf("claims %v", good)
		}
		if again := forge("HS256", sha256.New, sessionKey, good); g.get("/hostname", bearer(again)...).status != 200 {
			t.Error("the token is not signed with HS256 and the operator's key")
		}
	})
	changed := func(name string, v any) map[string]any {
		c := map[string]any{}
		for k, old := range good {
			c[k] = old
		}
		c[name] = v
		if v == nil {
			delete(c, name)
		}
		return c
	}
	signed := func(name string, v any) string { return forge("HS256", sha256.New, sessionKey, changed(name, v)) }
	now := time.Now().Unix()
	for _, c := range []struct {
		name, token string
		signed      bool
	}{
		{"1.1b garbage", "garbage", false},
		{"1.1b 8 KB of dots", strings.Repeat(".", 8<<10), false},
		{"1.1b 7.3 alg none", forge("none", nil, "", good), false},
		{"1.1b alg none, signed", forge("none", sha256.New, sessionKey, good), false},
		{"1.1b 7.3 HS384", forge("HS384", sha512.New384, sessionKey, good), false},
		{"1.1b 7.3 HS512", forge("HS512", sha512.New, sessionKey, good), false},
		{"1.1b other key", forge("HS256", sha256.New, "another key of at least thirty-two bytes", good), false},
		{"1.1b cut", token[:len(token)-4], false},
		{"1.1b expired", signed("exp", now-1), false},
		{"1.1b not yet", signed("nbf", now+600), false},
		{"1.1b 7.3 no exp", signed("exp", nil), false},
		{"1.1b no id", signed("id", nil), false},
		{"1.1b an id that is true", signed("id", true), false},
		{"1.1b an invalid platform", signed("platform", "../x"), false},
		{"1.1c 7.3 no sid", signed("sid", nil), true},
		{"1.1c other sid", signed("sid", "AAAAAAAAAAAAAAAAAAAAAA"), true},
		{"1.1c 4g other platform", signed("platform", "practice"), true},
		{"1.1c an unknown person", signed("id", "9-practicekey"), true},
		{"1.1c 1.1i an id that is a number", signed("id", 2), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			none, undecodable := answer{400, nil, noSession}, answer{400, nil, "Invalid JWT token"}
			if c.signed {
				none = answer{200, nil, endedBody}
				if claimsOf(t, c.token)["sid"] == nil {
					none = answer{200, nil, unsuccessful}
				}
				undecodable = none
			}
			g.get("/authValidation", bearer(c.token)...).want(t, none.status, none.body)
			g.get("/authValidation?jwtToken="+url.QueryEscape(c.token)).want(t, undecodable.status, undecodable.body)
		})
	}
	live, none, undecodable := answer{200, nil, `{"successful":true}`}, answer{400, nil, noSession}, answer{400, nil, "Invalid JWT token"}
	for _, c := range []struct {
		name, header, query string
		want                answer
	}{
		{"1.1d bearer", "Bearer " + token, "", live},
		{"1.1d bearer in any case", "bEARER " + token, "", live},
		{"1.1d a bad query beside it", "Bearer " + token, "jwtToken=undefined", live},
		{"1.1d 1.1f a bad bearer", "Bearer undefined", "", none},
		{"1.1d 1.1f a bad bearer, a good query", "Bearer undefined", "jwtToken=" + token, none},
		{"1.1e query", "", "jwtToken=" + token, live},
		{"1.1e another scheme", "Basic " + token, "", none},
		{"1.1e another scheme, a good query", "Basic " + token, "jwtToken=" + token, live},
		{"1.1e two spaces", "Bearer  " + token, "", none},
		{"1.1e two spaces, a good query", "Bearer  " + token, "jwtToken=" + token, live},
		{"1.1e no scheme", token, "", none},
		{"1.1e the scheme alone, a good query", "Bearer", "jwtToken=" + token, live},
		{"1.1f neither", "", "", none},
		{"1.1f empty", "", "jwtToken=", none},
		{"1.1f undefined", "", "jwtToken=undefined", undecodable},
		{"1.1f two, one good", "", "jwtToken=" + token + "&jwtToken=undefined", undecodable},
		{"1.1f two, the other good", "", "jwtToken=undefined&jwtToken=" + token, undecodable},
		{"1.1f twice the same", "", "jwtToken=" + token + "&jwtToken=" + token, live},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.get("/authValidation?"+c.query, "Authorization", c.header).want(t, c.want.status, c.want.body)
		})
	}
}

func TestWireSlidingRenewal(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wirenumber": {"getUserInfo": `{"successful":true,"platformUserInfo":{"id":77}}`}}, withKey)
	w.Freeze()
	renewed := func(a answer) string { return a.header.Get("X-Refreshed-Jwt-Token") }
	left := func(token string, seconds int64) string {
		c := claimsOf(t, token)
		c["exp"] = w.Now().Unix() + seconds
		return forge("HS256", sha256.New, sessionKey, c)
	}
	token := w.oauth("ada")
	for seconds, want := range map[int64]bool{1209600: false, 604802: false, 604801: false, 604800: true, 604799: true, 1: true} {
		t.Run(fmt.Sprintf("1.1g %d seconds left", seconds), func(t *testing.T) {
			if got := renewed(w.get("/hostname", bearer(left(token, seconds))...)) != ""; got != want {
				t.Errorf("renewed: %v, want %v", got, want)
			}
		})
	}
	t.Run("1.1g the new one", func(t *testing.T) {
		was, is := claimsOf(t, token), claimsOf(t, renewed(w.get("/hostname?jwtToken="+left(token, 604800))))
		if is["id"] != was["id"] || is["platform"] != was["platform"] || is["sid"] != was["sid"] || is["exp"].(float64)-is["iat"].(float64) != 1209600 || is["iat"].(float64) != float64(w.Now().Unix()) {
			t.Errorf("%v became %v", was, is)
		}
	})
	t.Run("1.1g with an error too", func(t *testing.T) {
		w.CRM.SetMood(practicecrm.Mood{Me: "500"})
		defer w.CRM.SetMood(practicecrm.Mood{})
		if a := w.get("/authValidation", bearer(left(token, 604800))...); a.status != 400 || renewed(a) == "" {
			t.Errorf("%d %s %v", a.status, a.body, a.header)
		}
	})
	t.Run("1.1i a number becomes a text", func(t *testing.T) {
		c := claimsOf(t, w.token(w.in("wirenumber", "")))
		if c["id"] != "77" {
			t.Fatalf("claims %v", c)
		}
		c["id"], c["exp"] = 77, w.Now().Unix()+604800
		if is := claimsOf(t, renewed(w.get("/hostname", bearer(forge("HS256", sha256.New, sessionKey, c))...))); is["id"] != "77" {
			t.Errorf("renewed into %v", is)
		}
	})
	old := left(token, 604800)
	for _, path := range []string{"/isAlive", "/serverVersionInfo", "/crmManifest", "/implementedInterfaces?platform=practice", "/userInfoHash", "/releaseNotes", "/nowhere", "/authUrl?platform=practice", "/oauth-callback"} {
		t.Run("1.1h 7.3 public "+path, func(t *testing.T) {
			if renewed(w.get(path, bearer(old)...)) != "" {
				t.Error("the route renewed a token")
			}
		})
	}
	t.Run("1.1h 7.3 ended", func(t *testing.T) {
		w.do("POST", "/unAuthorize", "", bearer(token)...)
		for _, path := range []string{"/authValidation", "/licenseStatus", "/hostname"} {
			if renewed(w.get(path, bearer(old)...)) != "" {
				t.Errorf("%s renewed a token after logout", path)
			}
		}
	})
}

func TestWireRingCentralToken(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	const refused = `{"error":"Request failed with status code 401"}`
	login := func(member, query string, header ...string) answer {
		t.Helper()
		return g.postJSON("/apiKeyLogin"+query, `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"`+member+`}`, header...)
	}
	const good, bad = practicecrm.RCUserToken, "wrong"
	for _, c := range []struct {
		name, header, body, query string
		ok                        bool
	}{
		{"header", good, "", "", true},
		{"body", "", good, "", true},
		{"query", "", "", good, true},
		{"header before body", bad, good, good, false},
		{"body before query", "", bad, good, false},
		{"header before body, good", good, bad, bad, true},
		{"body before query, good", "", good, bad, true},
		{"blanks", "", " \t" + good + "\n ", "", true},
		{"Bearer", "Bearer " + good, "", "", true},
		{"bearer in any case", "", "", " bEARer  " + good, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			member, q := "", ""
			if c.body != "" {
				b, _ := json.Marshal(c.body)
				member = `,"rcAccessToken":` + string(b)
			}
			if c.query != "" {
				q = "?" + query("rcAccessToken", c.query)
			}
			a := login(member, q, "X-RC-Access-Token", c.header)
			if c.ok {
				g.token(a)
				return
			}
			a.want(t, 400, refused)
		})
	}
	t.Run("1.2c account", func(t *testing.T) {
		p, err := g.Edge.DB().Person(t.Context(), crmgate.UserKey{Platform: "practicekey", ID: "2-practicekey"})
		if err != nil || p.User.Account != "1" {
			t.Errorf("%+v, %v; want account 1", p.User, err)
		}
	})
	for mood, want := range map[string]answer{"401": {400, nil, refused}, "403": {400, nil, `{"error":"Request failed with status code 403"}`}, "500": {400, nil, `{"error":"Request failed with status code 500"}`}} {
		t.Run("1.2d "+mood, func(t *testing.T) {
			g.CRM.SetMood(practicecrm.Mood{RingCentral: mood})
			defer g.CRM.SetMood(practicecrm.Mood{})
			login(`,"rcAccessToken":"token of `+mood+`"`, "").want(t, 400, `{"error":"The RingCentral access token is malformed."}`) // the token contains a space
			login(`,"rcAccessToken":"token-of-`+mood+`"`, "").want(t, want.status, want.body)
		})
	}
	for _, mood := range []string{"html", "empty", "cut"} {
		t.Run("1.2e "+mood, func(t *testing.T) {
			g.CRM.SetMood(practicecrm.Mood{RingCentral: mood})
			defer g.CRM.SetMood(practicecrm.Mood{})
			a := login(`,"rcAccessToken":"token-of-`+mood+`"`, "")
			a.want(t, 503, `{"error":"RingCentral could not verify who you are. Please try again."}`)
			a.wantHeader(t, "Retry-After", "5")
		})
	}
	t.Run("1.2e malformed", func(t *testing.T) {
		before := g.CRM.Counts().RingCentral
		login(`,"rcAccessToken":"a\u0000b"`, "").want(t, 400, `{"error":"The RingCentral access token is malformed."}`)
		if g.CRM.Counts().RingCentral != before {
			t.Error("the token was sent")
		}
	})
	t.Run("1.2f remembered", func(t *testing.T) {
		before := g.CRM.Counts().RingCentral
		for range 3 {
			g.token(login(`,"additionalInfo":{"x":"y"},"rcAccessToken":"`+practicecrm.RCAdminToken+`"`, ""))
		}
		if n := g.CRM.Counts().RingCentral - before; n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
		g.Pass(time.Minute)
		g.token(login(`,"rcAccessToken":"`+practicecrm.RCAdminToken+`"`, ""))
		if n := g.CRM.Counts().RingCentral - before; n != 2 {
			t.Errorf("%d calls after a minute, want 2", n)
		}
	})
	t.Run("1.2f a refusal remembered", func(t *testing.T) {
		before := g.CRM.Counts().RingCentral
		for range 200 {
			if a := login(`,"rcAccessToken":"junk"`, ""); a.status != 400 {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		if n := g.CRM.Counts().RingCentral - before; n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

func TestWireMessagesAndHeaders(t *testing.T) {
	t.Parallel()
	const own = `{"ttl":1,"message":"A & <b>","messageType":"danger","details":[{"title":"T","items":[{"id":"1","type":"text","text":"x"}]}],"odd":{"z":1,"a":2}}`
	w := newWired(t, map[string]guest{
		"wireown":  {"getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-wireown"},"returnMessage":` + own + `}`},
		"wirefail": {"getOauthInfo": `{"failMessage":"Tom & <Jerry>"}`},
	})
	t.Run("a connector's", func(t *testing.T) {
		a := w.in("wireown", "")
		a.want(t, 200, `{"jwtToken":"`+w.token(a)+`","returnMessage":`+own+`,"successful":true}`)
	})
	t.Run("3.1.7b the server's", func(t *testing.T) {
		w.in("wirefail", "").want(t, 200, `{"returnMessage":{"messageType":"danger","message":"Tom & <Jerry>"},"successful":false}`)
	})
	t.Run("rc-extension-id", func(t *testing.T) {
		stored := func(want string) {
			t.Helper()
			if got := w.person("wireown").User.HashedExtension; got != want {
				t.Errorf("stored: %q, want %q", got, want)
			}
		}
		w.in("wireown", "", "rc-extension-id", "hash-1")
		stored("hash-1")
		w.in("wireown", "")
		stored("hash-1")
		w.in("wireown", "", "rc-extension-id", "hash-2")
		stored("hash-2")
	})
	t.Run("others", func(t *testing.T) {
		before := w.person("wireown").User
		w.in("wireown", "", "rc-account-id", "9", "developer-author-name", "Eve", "user-agent", "x", "x-forwarded-for", "1.2.3.4", "eventAddedVia", "y")
		after := w.person("wireown").User
		after.SignedIn = before.SignedIn
		if b, _ := json.Marshal(before); fmt.Sprintf("%+v", before) != fmt.Sprintf("%+v", after) {
			t.Errorf("%s became %+v", b, after)
		}
	})
}
