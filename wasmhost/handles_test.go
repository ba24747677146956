package wasmhost_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// withHandles is the relay guest's manifest with handles: it sends its input in the body of a request.
const withHandles = `"hosts": ["relay.example"], "reveal": ["clientSecret", "refreshToken"], "secrets": "handles",
	"sends": {"accessToken": {"in": ["body"]}, "refreshToken": {"in": ["body"]}, "apiKey": {"in": ["body"]}, "clientSecret": {"in": ["body"]}}`

// The guest gets handles, and their secrets arrive at the CRM. A handle stands for an API key without the blanks around it, in the
// form too.
func TestHandles(t *testing.T) {
	t.Parallel()
	var sent, doc string
	h := newHost(t, wasmhost.Config{Fetch: func(r *http.Request, e crmgate.Egress) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		if sent = string(b); !e.SameHost {
			t.Error("the request may leave its host")
		}
		return answering(200, `{"successful":false,"echo":"`+doc+`"}`), nil
	}})
	files := relayFiles(t, "shy", withHandles)
	files["echo.wasm"], files["echo.json"] = string(guest(t, "echo")), manifestOf("echo", `"secrets": "handles"`)
	f := load(t, h, files)
	_, err := mustConnector(t, f, "shy").UserInfo(t.Context(), connector.UserInfoRequest{
		AuthHeader: crmgate.NewSecret(`Basic a"2V5LTEyMzQ1Njo=`), APIKey: crmgate.NewSecret(" key-123456\n"),
		AdditionalInfo: crmgate.NewSecret(`{"apiKey":" key-123456\n","apiUrl":"na1"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := read([]byte(sent))
	if got.str("authHeader") != `Basic a"2V5LTEyMzQ1Njo=` || got.str("apiKey") != "key-123456" || got.sub("additionalInfo").str("apiKey") != " key-123456\n" || got.sub("additionalInfo").str("apiUrl") != "na1" {
		t.Errorf("the CRM got %s", sent)
	}
	seen, err := mustConnector(t, f, "echo").LicenseStatus(t.Context(), connector.UserRequest{AuthHeader: crmgate.NewSecret("Bearer top-secret-token"), User: crmgate.User{AdditionalInfo: []byte(`{"a":"top-secret-token"}`)}})
	if text := string(seen); err != nil || strings.Contains(text, "top-secret") || !strings.Contains(text, `"authHeader":"Bearer {{accessToken:`) || !strings.Contains(text, `{"a":"{{accessToken:`) {
		t.Errorf("the guest got %s (%v)", seen, err)
	}
	again, _ := mustConnector(t, f, "echo").LicenseStatus(t.Context(), connector.UserRequest{AuthHeader: crmgate.NewSecret("Bearer top-secret-token")})
	if string(read(again).raw("authHeader")) == string(read(seen).raw("authHeader")) {
		t.Error("two calls have the same nonce")
	}
}

// A CRM that repeats the old refresh token keeps the grant: the handle that the connector passes on is resolved, in the journal too.
// Kept answers have the tokens themselves, since handles end with their call.
func TestHandlesOfRefreshTokens(t *testing.T) {
	t.Parallel()
	var sent string
	h := newHost(t, wasmhost.Config{Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		sent = string(b)
		return answering(200, `{"accessToken":"new-token","refreshToken":"refresh-token"}`), nil
	}})
	c := mustConnector(t, load(t, h, relayFiles(t, "kept", withHandles)), "kept")
	kept := &keptFetches{}
	for range 2 { // the second time with the kept answer
		var told crmgate.Secret
		a, err := c.RefreshAccessToken(t.Context(), connector.RefreshRequest{
			UserRequest: connector.UserRequest{AuthHeader: crmgate.NewSecret("Bearer old-token"), RefreshToken: crmgate.NewSecret("refresh-token")}, Fetches: kept,
			OAuth:    connector.OAuthInfo{Application: crmgate.Application{ClientSecret: crmgate.NewSecret("client-secret")}},
			Answered: func(d crmgate.Secret) { told = d },
		})
		if err != nil || a.RefreshToken.Reveal() != "refresh-token" || a.AccessToken.Reveal() != "new-token" {
			t.Errorf("got %q and %q (%v)", a.AccessToken.Reveal(), a.RefreshToken.Reveal(), err)
		}
		if d := read([]byte(told.Reveal())); d.str("refreshToken") != "refresh-token" {
			t.Errorf("the journal got %s", told.Reveal())
		}
	}
	if d := read([]byte(sent)); d.str("refreshToken") != "refresh-token" || d.sub("oauthInfo").str("clientSecret") != "client-secret" || d.str("authHeader") != "Bearer old-token" {
		t.Errorf("the CRM got %s", sent)
	}
	if !strings.Contains(kept.answer, `\"refreshToken\":\"refresh-token\"`) || kept.sent != 1 {
		t.Errorf("kept %s, after %d requests", kept.answer, kept.sent)
	}
}

// The server sends refresh tokens in the body, to every host that may be a token endpoint: a secret becomes one only if it may be
// sent there.
func TestSecretsAsRefreshTokens(t *testing.T) {
	t.Parallel()
	for sends, allowed := range map[string]bool{
		`"accessToken": {"in": ["body"]}, "clientSecret": {"in": ["body"]}`:                                                                                     true,
		`"accessToken": {"in": ["body"]}, "clientSecret": {"in": ["body"], "hosts": ["relay.example"]}`:                                                         false,
		`"accessToken": {"in": ["body"], "hosts": ["relay.example"]}, "clientSecret": {"in": ["body"], "hosts": ["relay.example"]}`:                             true,
		`"accessToken": {"in": ["body"]}, "refreshToken": {"hosts": ["relay.example"]}, "clientSecret": {"in": ["body", "header"], "hosts": ["relay.example"]}`: true,
	} {
		h := newHost(t, wasmhost.Config{Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
			return answering(200, `{"accessToken":"new-token","refreshToken":"client-secret"}`), nil
		}})
		files := relayFiles(t, "made", `"hosts": ["relay.example", "other.example"], "reveal": ["clientSecret", "refreshToken"], "secrets": "handles", "sends": {`+sends+`}`)
		a, err := mustConnector(t, load(t, h, files), "made").RefreshAccessToken(t.Context(), connector.RefreshRequest{
			UserRequest: connector.UserRequest{AuthHeader: crmgate.NewSecret("Bearer old-token")},
			OAuth:       connector.OAuthInfo{Application: crmgate.Application{ClientSecret: crmgate.NewSecret("client-secret")}},
		})
		switch {
		case allowed && (err != nil || a.RefreshToken.Reveal() != "client-secret"):
			t.Errorf("%s: got %q, %v", sends, a.RefreshToken.Reveal(), err)
		case !allowed:
			wantError(t, err, "answered with a secret that its manifest does not allow there")
		}
	}
}

// A token that contains another secret of the call in base64 is not stored with "[secret]" in its place.
func TestMaskedTokens(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		return answering(200, `{"accessToken":"new.`+base64.StdEncoding.EncodeToString([]byte(`{"rt":"refresh-token"}`))+`"}`), nil
	}})
	_, err := mustConnector(t, load(t, h, relayFiles(t, "masked", withHandles)), "masked").RefreshAccessToken(t.Context(), connector.RefreshRequest{
		UserRequest: connector.UserRequest{AuthHeader: crmgate.NewSecret("Bearer old-token"), RefreshToken: crmgate.NewSecret("refresh-token")},
	})
	wantError(t, err, "answered with accessToken, which contains an encoded secret that was replaced")
}

// keptFetches keeps one answer.
type keptFetches struct {
	answer string
	sent   int
}

func (k *keptFetches) Earlier(int, string) (crmgate.Secret, bool) {
	return crmgate.NewSecret(k.answer), k.answer != ""
}

func (k *keptFetches) Keep(_ context.Context, _ int, _ string, answer crmgate.Secret) bool {
	k.answer, k.sent = answer.Reveal(), k.sent+1
	return true
}

// Code that runs when the module is loaded gets handles too, and no call knows them. Without handles it gets the values, and the log of
// a later call does not have them.
func TestSecretsAtStart(t *testing.T) {
	t.Parallel()
	const value, handle = "top-secret-value", "{{secret:Y_SECRET:ABCDEFGHIJKLMNOPQRSTUVWXYZ}}"
	says := func(name string, size int) string { // getLicenseStatus answers and logs what _initialize got
		answer := int64(len(`{"a":""}`) + size)
		get := seq(text(4096, name), invoke(fConfig, 4096, int64(len(name))), drop, text(5000, `{"a":"`), num(5006), num(int64(size)), invoke(fTake), drop, text(int64(5006+size), `"}`))
		return oauth(num(2), fn{Name: "_initialize", Type: tNothing, Body: get},
			export("getLicenseStatus", seq(invoke(fLog, 1, 5000, answer), invoke(fOutput, 5000, answer), num(0)))).String()
	}
	var log wasmtest.LogBuffer
	f := load(t, newHost(t, wasmhost.Config{
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		Setting: func(string) (crmgate.Secret, bool) { return crmgate.NewSecret(value), true },
	}), map[string]string{
		"x.wasm": says("X_SECRET", len(value)), "x.json": manifestOf("x", `"config": ["X_SECRET"]`),
		"y.wasm": says("Y_SECRET", len(handle)), "y.json": manifestOf("y", `"config": ["Y_SECRET"], "secrets": "handles", "sends": {"Y_SECRET": {}}`),
	})
	for platform, want := range map[crmgate.Platform]string{"x": `{"a":"` + value + `"}`, "y": `{"a":"{{secret:Y_SECRET:`} {
		seen, err := mustConnector(t, f, platform).LicenseStatus(t.Context(), connector.UserRequest{})
		if err != nil || !strings.HasPrefix(string(seen), want) {
			t.Errorf("%s has %s (%v), want %s", platform, seen, err, want)
		}
	}
	if text := log.String(); strings.Contains(text, value) || !strings.Contains(text, `[secret]`) {
		t.Errorf("the log is %s", text)
	}
}

// A refused handle is an error of the fetch, and a line for the author.
func TestRefusedHandlesAreLogged(t *testing.T) {
	t.Parallel()
	var log wasmtest.LogBuffer
	h := newHost(t, wasmhost.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c := mustConnector(t, load(t, h, relayFiles(t, "told", `"hosts": ["relay.example"], "reveal": ["refreshToken"], "secrets": "handles"`)), "told")
	_, err := c.AuthValidation(t.Context(), connector.UserRequest{AuthHeader: crmgate.NewSecret("Bearer top-secret-token")})
	wantError(t, err, "returned 99") // the relay expects an answer
	want := `accessToken may not be sent in the body to relay.example: add \"accessToken\": {\"in\": [\"body\"], \"hosts\": [\"relay.example\"]} to crmgate.sends`
	if text := strings.ReplaceAll(log.String(), `\\\"`, `\"`); !strings.Contains(text, want) || strings.Contains(text, "top-secret") {
		t.Errorf("the log is %s, want %s", text, want)
	}
}

// An answer in which secrets cannot be found does not reach a guest with handles, and the guest cannot ask for a part of one.
func TestAnswersThatCannotBeSearched(t *testing.T) {
	t.Parallel()
	const secret = "top-secret-token"
	for _, c := range []struct{ headers, encoding, kind, body, want string }{
		{"", "", "application/json; charset=UTF-8", secret, `"status":200`},
		{"", "identity", `text/html; charset="ISO-8859-1"; x=y`, secret, `"status":200`},
		{"", "", "", secret, `"status":200`},
		{"", "br", "", "", `"status":200`},
		{"", "br", "", "t", `the answer has the content encoding \"br\"`},
		{"", "", "text/plain;charset=UTF-16BE", "\x00t", `the answer has the charset \"utf-16be\"`},
		{"", "", `text/plain; x="charset=utf-8"; charset="IBM037"`, "\xa3", `the answer has the charset \"ibm037\"`},
		{"", "", "text/plain;charset=utf-7", "t", "refused"},
		{`, "range": "bytes=0-3"`, "", "", secret[:4], "must not set the header Range"},
		{`, "RANGE": "bytes=0-3"`, "", "", secret[:4], "must not set the header Range"},
	} {
		got := string(wasmhost.FetchWithHandles(t, func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
			if r.Header.Get("Authorization") != "Bearer "+secret {
				t.Errorf("the CRM got %v", r.Header)
			}
			a := answering(200, c.body)
			a.Header = http.Header{"Content-Encoding": {c.encoding}, "Content-Type": {c.kind}}
			return a, nil
		}, secret, `{"url":"https://crm.example/","headers":{"Authorization":"Bearer HANDLE"`+c.headers+`}}`))
		if !strings.Contains(got, c.want) || strings.Contains(got, secret) || strings.Contains(got, `"status"`) != strings.Contains(c.want, "status") {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

// links is 1 KB of an answer with escapes.
var links = strings.Repeat(`https:\/\/crm.example\/a `, 40)

// practiceWith returns a connector like the practice connector for a CRM with a status; more is added to the crmgate object of its
// manifest.
func practiceWith(t testing.TB, wasm []byte, more string, status func() int) connector.Connector {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "connectors-wasm", "practice", "practice.json"))
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, wasmhost.Config{Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		if r.Header.Get("Authorization") != "Bearer top-secret-token" {
			return nil, errors.New("the token did not arrive")
		}
		return &http.Response{StatusCode: status(), Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(
			`{"id":1,"name":"Ada Lovelace","email":"ada@example.com","timezone":{"name":"Europe/London","offset":0},"links":"` + links + `"}`))}, nil
	}})
	manifest := strings.Replace(string(b), `"crmgate": {`, `"crmgate": {`+more, 1)
	return mustConnector(t, load(t, h, map[string]string{"practice.wasm": string(wasm), "practice.json": manifest}), "practice")
}

const practiceHandles = `"secrets": "handles", "sends": {"accessToken": {}, "PRACTICE_CLIENT_SECRET": {"in": ["body"]}},`

// A rejected credential is reported although the guest only has its handle.
func TestRejectedHandles(t *testing.T) {
	t.Parallel()
	status := 401
	c := practiceWith(t, guest(t, "practice"), practiceHandles, func() int { return status })
	for _, want := range []int{1, 0} {
		told := 0
		if _, err := c.AuthValidation(t.Context(), connector.UserRequest{AuthHeader: crmgate.NewSecret("Bearer top-secret-token"), Rejected: func() { told++ }}); err != nil || told != want {
			t.Errorf("status %d: reported %d times (%v), want %d", status, told, err, want)
		}
		status = 200
	}
}

// A connector makes a header of another scheme from a handle. A header of one word is a credential too. The key in it is hidden from
// later calls, which do not get the key.
func TestHandlesInAHeader(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"Token key-123456", "key-123456"} {
		answers := map[string]string{"/getBasicAuth": `{"header":"` + header + `"}`, "/authValidation": `{"successful":true,"returnMessage":{"message":"key-123456"}}`}
		h := newHost(t, wasmhost.Config{Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
			b, _ := io.ReadAll(r.Body)
			if got := read(b).str("authHeader"); r.URL.Path == "/authValidation" && got != header {
				t.Errorf("the CRM got the header %q, want %q", got, header)
			}
			return answering(200, answers[r.URL.Path]), nil
		}})
		f := load(t, h, relayFiles(t, "shy", withHandles))
		made, err := mustConnector(t, f, "shy").BasicAuth(t.Context(), crmgate.NewSecret("key-123456"))
		if err != nil || made.Reveal() != header {
			t.Errorf("got the header %q (%v), want %q", made.Reveal(), err, header)
		}
		out, err := mustConnector(t, f, "shy").AuthValidation(t.Context(), connector.UserRequest{AuthHeader: made, APIKey: crmgate.NewSecret("key-123456")})
		if err != nil || out.Message == nil || strings.Contains(out.Message.Message, "key-123456") {
			t.Errorf("%q: the answer has the key: %+v (%v)", header, out.Message, err)
		}
	}
}

// A connector does not get a secret as the scheme of the header that it made: the scheme is in the input of later calls.
func TestSecretsAsScheme(t *testing.T) {
	t.Parallel()
	const source = `exports.getAuthType = () => 'apiKey';
exports.getBasicAuth = ({ apiKey }) => ({ header: HEADER });
exports.getUserInfo = ({ authHeader }) => ({ successful: true, platformUserInfo: { id: '1', name: [...authHeader].reverse().join('') } });`
	for _, c := range []struct{ header, key, want string }{
		{"'Token ' + apiKey", "key-123456", "Token key-123456"},
		{"'Token ' + apiKey", "key 123456", "Token key 123456"},
		{"apiKey", "key-123456", "key-123456"},
		{"apiKey", "key 123456", ""},
		{"apiKey + ' x'", "key-123456", ""},
		{"'x' + apiKey + ' x'", "key-123456", ""},
	} {
		h := newHost(t, wasmhost.Config{})
		f := load(t, h, map[string]string{"x.js": strings.Replace(source, "HEADER", c.header, 1), "x.json": strings.Replace(
			manifestOf("x", `"hosts": ["crm.example"], "secrets": "handles", "sends": {"accessToken": {}, "apiKey": {}}`), `"oauth"`, `"apiKey"`, 1)})
		conn := mustConnector(t, f, "x")
		key := crmgate.NewSecret(c.key)
		header, err := conn.BasicAuth(t.Context(), key)
		if header.Reveal() != c.want && err == nil || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q (%v), want %q", c.header, header.Reveal(), err, c.want)
		}
		if err != nil {
			continue
		}
		info, err := conn.UserInfo(t.Context(), connector.UserInfoRequest{AuthHeader: header, APIKey: key})
		if err != nil || strings.Contains(info.Name, "654321") {
			t.Errorf("%s: the connector sees %q (%v)", c.header, info.Name, err)
		}
	}
}

// What the credential of a header encodes is hidden, whatever the scheme is.
func TestEncodedKeyInAHeader(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"Basic", "basic", "Custom"} {
		h := newHost(t, wasmhost.Config{Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
			return answering(200, "the key is key-123456"), nil
		}})
		f := load(t, h, map[string]string{"x.js": strings.Replace(`exports.getAuthType = () => 'apiKey';
exports.getBasicAuth = async ({ apiKey }) => ({ header: 'SCHEME ' + await crmgate.derive({ base64: apiKey + ':' }) });
exports.getUserInfo = () => ({});
exports.authValidation = async () => ({ successful: true, returnMessage: { message: [...await (await fetch('https://crm.example/')).text()].join('.') } });`,
			"SCHEME", scheme, 1), "x.json": strings.Replace(
			manifestOf("x", `"hosts": ["crm.example"], "secrets": "handles", "sends": {"accessToken": {}, "apiKey": {}}`), `"oauth"`, `"apiKey"`, 1)})
		conn, key := mustConnector(t, f, "x"), crmgate.NewSecret("key-123456")
		header, err := conn.BasicAuth(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		out, err := conn.AuthValidation(t.Context(), connector.UserRequest{AuthHeader: header, APIKey: key})
		if err != nil || out.Message == nil || strings.Contains(out.Message.Message, "1.2.3.4.5.6") {
			t.Errorf("%s: the connector sees %+v (%v)", scheme, out.Message, err)
		}
	}
}
