package wasmhost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
)

// vectorFile is a file of connectors-wasm/abi.
type vectorFile struct {
	Operation string
	Cases     []vectorCase
}

type vectorCase struct {
	Name    string
	Input   json.RawMessage
	Fetches []struct{ Request, Answer json.RawMessage }
	Result  int32
	Output  json.RawMessage
}

// vectors returns the ABI's vectors, which apply to every connector.
func vectors(t *testing.T) []vectorFile {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "connectors-wasm", "abi", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no vectors: %v", err)
	}
	all := make([]vectorFile, len(paths))
	for i, path := range paths {
		b, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(b, &all[i])
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return all
}

// The practice connectors behave as their vectors say. The relay guest shows that the host encodes and decodes every document
// as the ABI's vectors say.
func TestGoldenVectors(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"relay.wasm": string(guest(t, "relay")),
		"relay.json": manifestOf("relay", `"hosts": ["relay.example"], "reveal": ["clientSecret", "refreshToken"]`),
	}
	all := map[crmgate.Platform][]vectorFile{"relay": vectors(t)}
	for _, name := range []string{"practice", "practicekey"} {
		source := filepath.Join("..", "connectors-wasm", name, name)
		manifest, err1 := os.ReadFile(source + ".json")
		own, err2 := os.ReadFile(source + ".vectors.json")
		var v []vectorFile
		if err := errors.Join(err1, err2, json.Unmarshal(own, &v)); err != nil {
			t.Fatal(err)
		}
		files[name+".json"], files[name+".wasm"] = string(manifest), string(guest(t, name))
		all[crmgate.Platform(name)] = v
	}
	f := load(t, newHost(t, wasmhost.Config{Fetch: fromContext}), files)
	for name, files := range all {
		for _, v := range files {
			v.replay(t, mustConnector(t, f, name))
		}
	}
}

func (v vectorFile) replay(t *testing.T, conn connector.Connector) {
	name := conn.Manifest().Platform
	for _, c := range v.Cases {
		if v.Operation == "getAuthType" && name == "relay" && c.Name != "by OAuth" {
			continue // it is called once, when the module is loaded
		}
		t.Run(string(name)+"/"+v.Operation+"/"+c.Name, func(t *testing.T) {
			fetch := c.relayed(t, v.Operation)
			if name != "relay" { // the relay guest sends what it is given, not what the case says
				fetch = c.fetches(t)
			}
			got, err := ask(context.WithValue(t.Context(), fetchKey{}, fetch), conn, v.Operation, c.Input)
			if v.Operation == "unAuthorize" || v.Operation == "postSaveUserInfo" {
				c.Output = succeeded(c.Output)
			}
			if v.Operation == "getOauthInfo" { // the host translates it
				c.Output = bytes.Replace(c.Output, []byte(`"tokenEndpointAuthMethod": "client_secret_post"`), []byte(`"tokenAuth": "body"`), 1)
			}
			c.check(t, got, err)
		})
	}
}

// fromContext is a Fetch that calls the function in the request's context.
func fromContext(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
	return r.Context().Value(fetchKey{}).(func(*http.Request) (*http.Response, error))(r)
}

type fetchKey struct{}

// fetches returns a Fetch that answers as the case says.
func (c vectorCase) fetches(t *testing.T) func(*http.Request) (*http.Response, error) {
	next := 0
	t.Cleanup(func() {
		if next != len(c.Fetches) {
			t.Errorf("%d requests, want %d", next, len(c.Fetches))
		}
	})
	return func(r *http.Request) (*http.Response, error) {
		if next == len(c.Fetches) {
			t.Errorf("a request that is not in the vector: %s %s", r.Method, r.URL)
			return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused}
		}
		x := c.Fetches[next]
		next++
		var want struct {
			Method, URL, Body string
			Headers           map[string]string
		}
		var answer struct {
			Status     int
			Headers    map[string]string
			Body       string
			BodyBase64 []byte
			Error      *crmgate.FetchError
		}
		if err := errors.Join(json.Unmarshal(x.Request, &want), json.Unmarshal(x.Answer, &answer)); err != nil {
			t.Error(err)
		}
		body, _ := io.ReadAll(r.Body)
		headers := map[string]string{}
		for name := range r.Header {
			headers[name] = r.Header.Get(name)
		}
		if r.Method != want.Method || r.URL.String() != want.URL || string(body) != want.Body || !maps.Equal(headers, want.Headers) {
			t.Errorf("request %d: %s %s %v %s, want %s", next, r.Method, r.URL, headers, body, x.Request)
		}
		if answer.Error != nil {
			return nil, answer.Error
		}
		header := http.Header{}
		for name, v := range answer.Headers {
			header.Set(name, v)
		}
		return &http.Response{StatusCode: answer.Status, Header: header, Body: io.NopCloser(strings.NewReader(answer.Body + string(answer.BodyBase64)))}, nil
	}
}

// relayed returns a Fetch for the relay guest: it checks the guest's input, and passes it the case's answer.
func (c vectorCase) relayed(t *testing.T, operation string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		input, _ := io.ReadAll(r.Body)
		if !sameJSON(input, c.Input) || r.URL.Path != "/"+operation {
			t.Errorf("%s got %s, want %s", r.URL.Path, input, c.Input)
		}
		return &http.Response{StatusCode: 200 + int(c.Result), Body: io.NopCloser(bytes.NewReader(c.Output))}, nil
	}
}

// check compares the connector's answer with the case.
func (c vectorCase) check(t *testing.T, got any, err error) {
	t.Helper()
	var ce *crmgate.ConnectorError
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		if c.Result != 2 {
			t.Errorf("unsupported, want %d %s", c.Result, c.Output)
		}
	case errors.As(err, &ce):
		var want struct {
			Message string
			Status  int
			Code    string
		}
		if e := json.Unmarshal(c.Output, &want); e != nil || c.Result != 1 || ce.Message != want.Message || ce.Status != want.Status || ce.Code != want.Code {
			t.Errorf("got the error %q, status %d, code %q; want %d %s", ce.Message, ce.Status, ce.Code, c.Result, c.Output)
		}
	default:
		b, _ := json.Marshal(got)
		if err != nil || c.Result != 0 || !sameJSON(b, c.Output) {
			t.Errorf("got %s (%v), want %d %s", b, err, c.Result, c.Output)
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// doc is a decoded document. Missing members are empty.
type doc map[string]any

func read(b []byte) doc {
	d := doc{}
	_ = json.Unmarshal(b, &d)
	return d
}

func (d doc) str(name string) string            { s, _ := d[name].(string); return s }
func (d doc) secret(name string) crmgate.Secret { return crmgate.NewSecret(d.str(name)) }
func (d doc) sub(name string) doc               { m, _ := d[name].(map[string]any); return m }

func (d doc) raw(name string) json.RawMessage {
	if d[name] == nil {
		return nil
	}
	b, _ := json.Marshal(d[name])
	return b
}

func (d doc) texts(name string) map[string]string {
	var m map[string]string
	_ = json.Unmarshal(d.raw(name), &m)
	return m
}

// with adds a member if it is not empty.
func (d doc) with(name string, v any) doc {
	if !reflect.ValueOf(v).IsZero() {
		d[name] = v
	}
	return d
}

// ask calls an operation with an input document, and returns its answer as a document. It follows ABI.md and does not use
// the host's own encoding.
func ask(ctx context.Context, c connector.Connector, operation string, input []byte) (any, error) {
	in := read(input)
	switch operation {
	case "getAuthType":
		a, err := c.AuthType()
		return doc{"type": a}, err
	case "getOauthInfo":
		i, err := c.OAuthInfo(ctx, connector.OAuthInfoRequest{
			Hostname: in.str("hostname"), TokenURL: in.str("tokenUrl"), Account: crmgate.AccountID(in.str("rcAccountId")), UserEmail: in.str("userEmail"), Username: in.str("username"),
		})
		return doc{}.with("clientId", i.ClientID).with("clientSecret", i.ClientSecret.Reveal()).with("accessTokenUri", i.AccessTokenURI).
			with("authorizationUri", i.AuthorizationURI).with("redirectUri", i.RedirectURI).with("scopes", i.Scopes).
			with("hostname", i.Hostname).with("revocationUri", i.RevocationURI).with("tokenAuth", i.TokenAuth).with("failMessage", i.FailMessage), err
	case "getOverridingOAuthOption":
		o, err := c.OverridingOAuthOption(ctx, connector.OAuthOptionRequest{Code: in.secret("code"), State: in.str("state"), OAuth: in.sub("oauthInfo").oauth()})
		return doc{}.with("headers", o.Headers).with("query", o.Query).with("body", o.Body), err
	case "getBasicAuth":
		b, err := c.BasicAuth(ctx, in.secret("apiKey"))
		if basic, ok := strings.CutPrefix(b.Reveal(), "Basic "); ok {
			return doc{"basic": basic}, err
		}
		return doc{"header": b.Reveal()}, err
	case "getUserInfo":
		u, err := c.UserInfo(ctx, connector.UserInfoRequest{
			AuthHeader: in.secret("authHeader"), Hostname: in.str("hostname"), Query: in.texts("query"), CallbackURI: in.str("callbackUri"),
			TokenURL: in.str("tokenUrl"), APIURL: in.str("apiUrl"), Username: in.str("username"), Data: in.raw("data"),
			APIKey: in.secret("apiKey"), AdditionalInfo: crmgate.NewSecret(string(in.raw("additionalInfo"))),
		})
		d := doc{"successful": u.Successful}.with("returnMessage", u.Message)
		if u.ID != "" {
			d["platformUserInfo"] = doc{"id": u.ID, "name": u.Name}.with("timezoneName", u.TimezoneName).with("timezoneOffset", u.TimezoneOffset).
				with("platformAdditionalInfo", u.AdditionalInfo).with("overridingHostname", u.OverridingHostname).with("overridingApiKey", u.OverridingAPIKey.Reveal())
		}
		return d, err
	case "authValidation":
		return outcome(c.AuthValidation(ctx, in.person()))
	case "refreshUserInfo":
		return outcome(c.RefreshUserInfo(ctx, in.person()))
	case "unAuthorize":
		return outcome(c.UnAuthorize(ctx, in.person()))
	case "postSaveUserInfo":
		return outcome(c.PostSaveUserInfo(ctx, in.person()))
	case "getLicenseStatus":
		return c.LicenseStatus(ctx, in.person())
	case "checkAndRefreshAccessToken":
		a, err := c.RefreshAccessToken(ctx, connector.RefreshRequest{UserRequest: in.person(), OAuth: in.sub("oauthInfo").oauth()})
		d := doc{"accessToken": a.AccessToken.Reveal()}.with("refreshToken", a.RefreshToken.Reveal()).with("expiresIn", a.ExpiresIn)
		return d.change(a.AdditionalInfo), err
	case "getManagedAuthOptions":
		values := map[string]crmgate.Secret{}
		for name, v := range in.texts("accountValues") {
			values[name] = crmgate.NewSecret(v)
		}
		options, err := c.ManagedAuthOptions(ctx, connector.ManagedAuthOptionsRequest{FieldConst: in.str("fieldConst"), AccountValues: values})
		return doc{"options": options}, err
	}
	return nil, errors.New("an operation that this test does not know: " + operation)
}

func (d doc) oauth() connector.OAuthInfo {
	return connector.OAuthInfo{RevocationURI: d.str("revocationUri"), Application: crmgate.Application{
		ClientID: d.str("clientId"), ClientSecret: d.secret("clientSecret"), AccessTokenURI: d.str("accessTokenUri"),
		AuthorizationURI: d.str("authorizationUri"), RedirectURI: d.str("redirectUri"), Scopes: d.str("scopes"), Hostname: d.str("hostname"),
	}}
}

func (d doc) person() connector.UserRequest {
	u := d.sub("user")
	return connector.UserRequest{AuthHeader: d.secret("authHeader"), RefreshToken: d.secret("refreshToken"), TokenExpiry: u.raw("tokenExpiry"), User: crmgate.User{
		Key:     crmgate.UserKey{Platform: crmgate.Platform(u.str("platform")), Hostname: u.str("hostname"), ID: crmgate.UserID(u.str("id"))},
		Account: crmgate.AccountID(u.str("rcAccountId")), TimezoneName: u.str("timezoneName"),
		TimezoneOffset: u.raw("timezoneOffset"), AdditionalInfo: u.raw("platformAdditionalInfo"),
	}}
}

func (d doc) change(info json.RawMessage) doc {
	if info != nil {
		d["user"] = doc{"platformAdditionalInfo": info}
	}
	return d
}

func outcome(o connector.Outcome, err error) (any, error) {
	return doc{"successful": o.Successful}.with("returnMessage", o.Message).change(o.AdditionalInfo), err
}

// succeeded adds the default of successful, which is true.
func succeeded(output []byte) []byte {
	d := read(output)
	if d["successful"] == nil && d["message"] == nil {
		d["successful"] = true
	}
	b, _ := json.Marshal(d)
	return b
}
