package wasmhost_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
)

// acmeData is a platform that is its manifest alone, by OAuth.
const acmeData = `"hosts": ["*.acme.example"], "config": ["ACME_CLIENT_ID", "ACME_CLIENT_SECRET", "ACME_TENANT"],
  "token": {"auth": "body"}, "tokenUrl": "https://{hostname}/oauth/token",
  "userInfo": {
    "request": {"url": "https://{data.api|host}/me?tenant={config.ACME_TENANT}&of={query.of}", "headers": {"Authorization": "{authHeader}", "X-Tenant": "{config.ACME_TENANT|lower}"}},
    "id": "{body.users.0.id}-acme", "name": "{body.users.0.first} {body.users.0.last|or:body.users.0.email|upper}", "timezoneName": "{body.users.0.zone|default:UTC}",
    "overridingHostname": "{body.site|host}",
    "additionalInfo": {"number": "{body.users.0.number}", "scopes": "{body.scopes|join:,}", "nothing": "{body.nothing}", "code": "{body.site|base64}"}
  },
  "validate": {"request": {"url": "https://{hostname}/me/{additionalInfo.number}", "headers": {"Authorization": "{authHeader}"}}, "rejected": [401], "id": "{body.id}-acme"},
  "revoke": {"request": {"url": "https://{hostname}/logout", "body": {"token": "{refreshToken}", "all": true, "of": ["{id}", {"n": "{additionalInfo.number}"}]}}},
  "reveal": ["refreshToken"]`

// crm answers requests, and notes them as "METHOD URL header body".
func crm(t *testing.T, answers map[string]string, seen *[]string) crmgate.Fetch {
	return func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		*seen = append(*seen, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL, r.Header.Get("Authorization"), r.Header.Get("X-Tenant"), body)))
		answer, ok := answers[r.URL.Path]
		if !ok {
			return answering(404, "{}"), nil
		}
		if status := 0; !strings.HasPrefix(answer, "{") {
			_, _ = fmt.Sscan(answer, &status)
			return answering(status, "{}"), nil
		}
		return answering(200, answer), nil
	}
}

func settings(values map[string]string) func(string) (crmgate.Secret, bool) {
	return func(name string) (crmgate.Secret, bool) { v, ok := values[name]; return crmgate.NewSecret(v), ok }
}

// A platform that is its manifest alone signs a person in, validates and revokes, in both isolations.
func TestData(t *testing.T) {
	t.Parallel()
	eachIsolation(t, func(t *testing.T, processes int) {
		var seen []string
		answers := map[string]string{
			"/me":   `{"site": "https://App.acme.example/home", "scopes": ["a", "b"], "users": [{"id": 42, "first": "Ada", "email": "ada@x", "number": 7}]}`,
			"/me/7": `{"id": 42}`, "/me/other": `{"id": 43}`, "/me/page": `{}`,
			"/me/denied": "401", "/me/down": "503", "/logout": "{}",
		}
		h := newHost(t, wasmhost.Config{Processes: processes, Fetch: crm(t, answers, &seen),
			Setting: settings(map[string]string{"ACME_CLIENT_ID": "the-client", "ACME_CLIENT_SECRET": "the-secret-of-acme", "ACME_TENANT": "T 1"})})
		f := load(t, h, map[string]string{"acme.json": manifestOf("acme", acmeData), "other.json": manifestOf("other", strings.ReplaceAll(acmeData, "ACME_", "OTHER_"))})
		c := mustConnector(t, f, "acme")
		info, err := c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{Hostname: "eu.acme.example"})
		if err != nil || info.ClientID != "the-client" || info.ClientSecret.Reveal() != "the-secret-of-acme" || info.AccessTokenURI != "https://eu.acme.example/oauth/token" {
			t.Errorf("the application is %+v, %v", info, err)
		}
		for stored, want := range map[string]string{"https://old.acme.example/oauth/token": "https://old.acme.example/oauth/token", "https://old.acme.example/other": "https://eu.acme.example/oauth/token"} {
			info, err := c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{Hostname: "eu.acme.example", TokenURL: stored})
			if err != nil || info.AccessTokenURI != want {
				t.Errorf("with the stored %s, the endpoint is %s, %v", stored, info.AccessTokenURI, err)
			}
		}
		got, err := c.UserInfo(t.Context(), connector.UserInfoRequest{AuthHeader: crmgate.NewSecret("Bearer top-secret-token"), Data: json.RawMessage(`{"api": "https://api.acme.example/v1"}`), Query: map[string]string{"of": "a b&c"}})
		if err != nil || !got.Successful || got.ID != "42-acme" || got.Name != "Ada ADA@X" || got.TimezoneName != "UTC" || got.OverridingHostname != "app.acme.example" {
			t.Fatalf("got %+v, %v", got, err)
		}
		if want := `{"code":"aHR0cHM6Ly9BcHAuYWNtZS5leGFtcGxlL2hvbWU=","number":7,"scopes":"a,b"}`; string(got.AdditionalInfo) != want {
			t.Errorf("the additional info is %s, want %s", got.AdditionalInfo, want)
		}
		for data, want := range map[string]string{
			`{"api":"https://evil.example"}`:                  "may not be sent in the header to evil.example",
			`{"api":"https://api.acme.example@evil.example"}`: "is not a host",
			`{"api":"api.acme.example\\evil.example"}`:        "is not a host",
			`{"api":["api.acme.example"]}`:                    "data.api is missing",
			`{}`:                                              "data.api is missing",
			`{"api":{"a":1}}`:                                 "data.api is missing",
		} {
			_, err := c.UserInfo(t.Context(), connector.UserInfoRequest{AuthHeader: crmgate.NewSecret("Bearer top-secret-token"), Data: json.RawMessage(data), Query: map[string]string{"of": "x"}})
			wantError(t, err, want)
		}
		person := func(number string) connector.UserRequest {
			u := crmgate.User{Key: crmgate.UserKey{ID: "42-acme", Platform: "acme", Hostname: "eu.acme.example"}, AdditionalInfo: json.RawMessage(`{"number":"` + number + `"}`)}
			return connector.UserRequest{User: u, AuthHeader: crmgate.NewSecret("Bearer top-secret-token"), RefreshToken: crmgate.NewSecret("the-refresh-token")}
		}
		for number, want := range map[string]bool{"7": true, "denied": false, "other": false} {
			if out, err := c.AuthValidation(t.Context(), person(number)); err != nil || out.Successful != want {
				t.Errorf("validation with %s: got %+v, %v", number, out, err)
			}
		}
		for number, want := range map[string]string{"down": "503", "page": "crmgate.validate.id found nothing"} {
			_, err := c.AuthValidation(t.Context(), person(number))
			wantError(t, err, want)
		}
		seen = seen[:1]
		if _, err := c.UnAuthorize(t.Context(), person(`9\"`)); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"GET https://api.acme.example/me?tenant=T%201&of=a%20b%26c Bearer top-secret-token t 1",
			`POST https://eu.acme.example/logout   {"all":true,"of":["42-acme",{"n":"9\""}],"token":"the-refresh-token"}`,
		}
		if strings.Join(seen, "\n") != strings.Join(want, "\n") {
			t.Errorf("the CRM got\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
		}
		other, err := mustConnector(t, f, "other").OAuthInfo(t.Context(), connector.OAuthInfoRequest{Hostname: "eu.acme.example"})
		if err != nil || other.ClientID != "" {
			t.Errorf("the other platform has %+v, %v", other, err)
		}
		all := f.Describe()
		if len(all) != 2 || all[0].Language != "data" || all[0].Size == 0 || !all[0].InMemory || all[0].Pid != all[1].Pid || all[0].Module == all[1].Module {
			t.Errorf("they are described as %+v", all)
		}
	})
}

// keyData is a platform that is its manifest alone, with an API key.
const keyData = `{"platforms": {"acme": {"auth": {"type": "apiKey", "apiKey": {"page": {"content": [{"const": "apiKey", "required": true}]}}}, "crmgate": {"hosts": ["api.acme.example"], %s,
  "userInfo": {"request": {"url": "https://api.acme.example/me", "headers": {"Authorization": "{authHeader}"}}, "id": "{body.id}-acme", "message": "Copy the key again."}}}}}`

// An API key is sent as the manifest says, and the person reads the manifest's message if the CRM rejects it.
func TestDataWithAPIKey(t *testing.T) {
	t.Parallel()
	for member, want := range map[string]string{`"basicAuth": "{apiKey}:x"`: "Basic a2V5LTE4NDM6eA==", `"authHeader": "Token {apiKey}"`: "Token key-1843"} {
		var seen []string
		answers := map[string]string{"/me": `{"id": "é/1"}`}
		f := load(t, newHost(t, wasmhost.Config{Fetch: crm(t, answers, &seen)}), map[string]string{"acme.json": fmt.Sprintf(keyData, member)})
		c := mustConnector(t, f, "acme")
		header, err := c.BasicAuth(t.Context(), crmgate.NewSecret("key-1843"))
		if err != nil || header.Reveal() != want {
			t.Errorf("%s: the header is %q, %v", member, header.Reveal(), err)
		}
		r := connector.UserInfoRequest{AuthHeader: header, APIKey: crmgate.NewSecret("key-1843"), AdditionalInfo: crmgate.NewSecret(`{"apiKey":"key-1843"}`)}
		if got, err := c.UserInfo(t.Context(), r); err != nil || got.ID != "é/1-acme" || len(seen) != 1 || !strings.Contains(seen[0], want) {
			t.Errorf("%s: got %+v, %v after %q", member, got, err, seen)
		}
		answers["/me"] = "403"
		if got, err := c.UserInfo(t.Context(), r); err != nil || got.Successful || got.Message == nil || got.Message.Message != "Copy the key again." {
			t.Errorf("%s: after a rejection got %+v, %v", member, got, err)
		}
		answers["/me"] = `{"name": "Ada"}`
		_, err = c.UserInfo(t.Context(), r)
		wantError(t, err, "acme did not say who the person is: crmgate.userInfo.id found nothing in its answer")
	}
}

// A platform that changes gets a module of its own data. The interpreter and the other platforms stay, also for a folder that keeps
// an earlier manifest because of a mistake.
func TestDataReload(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{})
	files := map[string]string{"acme.json": manifestOf("acme", acmeData), "key.json": strings.ReplaceAll(fmt.Sprintf(keyData, `"authHeader": "Key {apiKey}"`), `"acme"`, `"key"`)}
	first, err := loadAll(t, h, folder(t, files), "")
	if err != nil {
		t.Fatal(err)
	}
	files["acme.json"] = strings.ReplaceAll(files["acme.json"], "/oauth/token", "/token")
	second, err := h.Reload(t.Context(), folder(t, files), "", first)
	if err != nil {
		t.Fatal(err)
	}
	second.Replace(first)
	if first.Same("acme", second) || !first.Same("key", second) {
		t.Errorf("the same: acme %v, key %v", first.Same("acme", second), first.Same("key", second))
	}
	delete(files, "key.json")
	files["acme.json"] = strings.ReplaceAll(files["acme.json"], "{body.users.0.id}", "{users.0.id}")
	third, err := h.Reload(t.Context(), folder(t, files), "", second)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if why := third.LeftOut()["acme"]; why == nil || !third.Keep("acme", second, why) {
		t.Fatalf("left out: %v", third.LeftOut())
	}
	third.Replace(second)
	if !third.Interprets() {
		t.Error("the interpreter ends with the folder that it is from")
	}
	for _, f := range []*wasmhost.Folder{first, third} {
		if info, err := mustConnector(t, f, "acme").OAuthInfo(t.Context(), connector.OAuthInfoRequest{Hostname: "eu.acme.example"}); err != nil || !strings.HasPrefix(info.AccessTokenURI, "https://eu.acme.example/") {
			t.Errorf("got %+v, %v", info, err)
		}
	}
}

// A file beside a manifest that is a connector itself is a mistake.
func TestDataBesideCode(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{})
	f, err := h.Load(t.Context(), folder(t, map[string]string{"acme.json": manifestOf("acme", acmeData), "acme.js": script("")}), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := "acme.js and crmgate.userInfo of its manifest are two connectors: remove the file, or the member"; f.Err() == nil || f.Err().Error() != want {
		t.Errorf("got %v, want %s", f.Err(), want)
	}
}

// BenchmarkData measures connectors without code.
//
//	userInfo/*     the same sign-in in each language: one fetch, answered at once, and the reset. All but Go have handles
//	platforms/N    a start with N platforms, machine code in the cache, and the first sign-in; what the folder adds to the heap
func BenchmarkData(b *testing.B) {
	const request = `"userInfo": {"request": {"url": "http://127.0.0.1:8081/api/me", "headers": {"Authorization": "{authHeader}"}}, "id": "{body.id}-x", "name": "{body.name}",
	  "timezoneName": "{body.timezone.name}", "additionalInfo": {"email": "{body.email}"}}`
	data := func(name string) string {
		return manifestOf(name, `"hosts": ["127.0.0.1:8081"], "tokenUrl": "http://127.0.0.1:8081/token", `+strings.ReplaceAll(request, "-x", "-"+name))
	}
	const js = `exports.getUserInfo = async ({ authHeader }) => {
  const me = await (await fetch('http://127.0.0.1:8081/api/me', { headers: { Authorization: authHeader } })).json();
  return { successful: true, platformUserInfo: { id: me.id + '-x', name: me.name, timezoneName: me.timezone.name, platformAdditionalInfo: { email: me.email } } };
};`
	plain := manifestOf("x", `"hosts": ["127.0.0.1:8081"]`)
	handles := manifestOf("x", `"hosts": ["127.0.0.1:8081"], "secrets": "handles", "sends": {"accessToken": {}}`)
	signIn := func(b *testing.B, f *wasmhost.Folder, p crmgate.Platform) {
		if u, err := mustConnector(b, f, p).UserInfo(b.Context(), bearer("")); err != nil || !u.Successful {
			b.Fatal(u, err)
		}
	}
	me := wasmhost.Config{Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		return answering(200, `{"id":1,"name":"Ada Lovelace","email":"ada@example.com","timezone":{"name":"Europe/London","offset":0}}`), nil
	}}
	for _, c := range []struct {
		name  string
		files map[string]string
	}{
		{"data", map[string]string{"x.json": data("x")}},
		{"JavaScript", map[string]string{"x.js": script(js), "x.json": handles}},
		{"Go", map[string]string{"x.wasm": string(guest(b, "practice")), "x.json": plain}},
	} {
		b.Run("userInfo/"+c.name, func(b *testing.B) {
			f := load(b, newHost(b, me), c.files)
			least := time.Hour
			for b.Loop() {
				began := time.Now()
				signIn(b, f, "x")
				least = min(least, time.Since(began))
			}
			b.ReportMetric(float64(least.Microseconds()), "least-µs") // other work on the machine adds to the mean
		})
	}
	for _, n := range []int{1, 300} {
		b.Run(fmt.Sprintf("platforms/%d", n), func(b *testing.B) {
			files := map[string]string{}
			for i := range n {
				name := fmt.Sprintf("p%d", i)
				files[name+".json"] = data(name)
			}
			h, dir := newHost(b, me), folder(b, files)
			for b.Loop() {
				before := heap()
				f, err := loadAll(b, h, dir, "")
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(heap()-before)/1024, "KB")
				signIn(b, f, "p0")
				_ = f.Close()
			}
		})
	}
}

// heap returns the bytes of live objects.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
