package manifest_test

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

const publicURL = "https://gate.example"

// law is a law.json with every member that is read, and members that are only kept.
const law = `{
 "serverUrl": "https://x.example", "redirectUri": "https://plays.no.part/", "version": "1.2.3", "author": {"name": "An Author", "websiteUrl": "https://s.example"},
 "platforms": {"law": {
  "name": "Law CRM",
  "environment": {"type": "selectable", "selections": [{"const": "https://app.law.example", "name": "US"}, {"const": "https://au.app.law.example", "name": "AU"}]},
  "auth": {"type": "oauth", "oauth": {
    "authUrl": "https://app.law.example/oauth/authorize", "clientId": "us", "redirectUri": "{publicUrl}/redirect.html",
    "scope": "access_type=offline&scope=a b", "customState": "platform=law&x=y"}},
  "override": [
   {"triggerType": "hostname", "triggerValue": "AU.app.law.example", "overrideObjects": [
     {"path": "auth.oauth.authUrl", "value": "https://au.app.law.example/oauth/authorize"}, {"path": "auth.oauth.clientId", "value": "au"}]},
   {"triggerType": "hostname", "triggerValue": "https://new.law.example/", "overrideObjects": [
     {"path": "auth.oauth", "value": {"authUrl": "https://new.law.example/"}}, {"path": "auth.oauth.clientId", "value": "new"}, {"path": "made.on.the.way", "value": 1}]},
   {"triggerType": "meta", "overrideObjects": [{"path": "author.name", "value": "x"}]}],
  "page": {"callLog": {"title": "<b>&amp;</b>", "big": 12345678901234567890}},
  "crmgate": {"hosts": ["*.law.example", "{hostname}", "127.0.0.1:8081"], "config": ["LAW_CLIENT_SECRET"], "reveal": ["refreshToken"], "shortState": true, "userAgent": "Law/1",
    "token": {"auth": "body", "pkce": false, "path": "data.auth", "expiresIn": "milliseconds", "lifetime": 3600,
      "body": "json", "parameters": {"audience": "crm"}, "rename": {"code": "auth_code"}, "omit": ["redirect_uri"], "headers": {"Accept": "application/json"},
      "scope": true, "scopeSeparator": ",", "paths": {"accessToken": "data.auth.key"},
      "errors": {"userDead": ["gone", {"code": "bad", "text": "revoked"}], "appDead": [], "transient": null}},
    "refresh": {"url": "https://{hostname}/refresh", "auth": "basic", "parameters": {}, "expiresIn": "minutes", "omit": null}}
 }}}`

// parse returns the first mistake of any platform.
func parse(files map[string]string) (*manifest.Set, error) {
	all := map[string][]byte{}
	for name, text := range files {
		all[name] = []byte(text)
	}
	ms, err := manifest.Parse(all, publicURL)
	if err != nil {
		return nil, err
	}
	wrong := ms.LeftOut()
	for _, p := range slices.Sorted(maps.Keys(wrong)) {
		return nil, wrong[p]
	}
	return ms, nil
}

func mustParse(t testing.TB, files map[string]string, p crmgate.Platform) *manifest.Manifest {
	t.Helper()
	ms, err := parse(files)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := ms.Platform(p)
	if !ok {
		t.Fatalf("there is no platform %s", p)
	}
	return m
}

func TestParse(t *testing.T) {
	t.Parallel()
	m := mustParse(t, map[string]string{"law": law}, "law")
	want := manifest.OAuthSection{
		AuthURL: "https://app.law.example/oauth/authorize", ClientID: "us", RedirectURI: publicURL + "/redirect.html",
		Scope: "access_type=offline&scope=a b", CustomState: "platform=law&x=y",
	}
	if m.Platform != "law" || m.Title != "Law CRM" || m.AuthType != manifest.OAuth || m.OAuth != want {
		t.Errorf("got %+v", m)
	}
	if got := m.Environment; !reflect.DeepEqual(got, mustHosts(t, "app.law.example", "au.app.law.example")) {
		t.Errorf("environment: got %v", got)
	}
	if got := m.Hosts; !reflect.DeepEqual(got, mustHosts(t, "*.law.example", "{hostname}", "127.0.0.1:8081")) {
		t.Errorf("hosts: got %v", got)
	}
	token := manifest.TokenRules{
		Auth: crmgate.TokenAuthBody, Path: "data.auth", Unit: time.Millisecond, Lifetime: 3600, Body: manifest.TokenBodyJSON,
		Errors:     manifest.TokenErrors{UserDead: []manifest.TokenError{{Code: "gone"}, {Code: "bad", Text: "revoked"}}},
		Parameters: map[string]string{"audience": "crm"}, Rename: map[string]string{"code": "auth_code"}, Omit: []string{"redirect_uri"},
		Headers: map[string]string{"Accept": "application/json"}, OwnScope: true, ScopeSeparator: ",", Paths: manifest.TokenPaths{AccessToken: "data.auth.key"},
	}
	refresh := token // does not inherit the scope
	refresh.URL, refresh.Auth, refresh.Parameters, refresh.Unit, refresh.OwnScope = "https://{hostname}/refresh", crmgate.TokenAuthBasic, map[string]string{}, time.Minute, false
	if !reflect.DeepEqual(m.Refresh, refresh) {
		t.Errorf("refresh: got %+v, want %+v", m.Refresh, refresh)
	}
	if !reflect.DeepEqual(m.Token, token) || !m.ShortState || m.UserAgent != "Law/1" || !reflect.DeepEqual(m.Config, []string{"LAW_CLIENT_SECRET"}) {
		t.Errorf("crmgate: got %+v", m)
	}
	if !m.Reveals("refreshToken") || m.Reveals("clientSecret") {
		t.Errorf("reveal: got %v", m.Reveal)
	}
}

func TestManifestDefaults(t *testing.T) {
	t.Parallel()
	m := mustParse(t, map[string]string{"manifest": "\uFEFF" + `{"platforms": {"keys": {"auth": {
		"type": "apiKey", "oauth": {"authUrl": "", "clientId": "", "customState": "", "scope": ""},
		"apiKey": {"page": {"content": [{"const": "apiKey", "required": true}, {"const": "note", "title": "x"}, {"type": "warning"}]}}}}}}`}, "keys")
	if m.Title != "keys" || m.AuthType != manifest.APIKey || m.Environment != nil || m.Hosts != nil || m.ShortState {
		t.Errorf("got %+v", m)
	}
	want := manifest.TokenRules{Auth: crmgate.TokenAuthBasic, PKCE: true, Body: manifest.TokenBodyForm}
	if !reflect.DeepEqual(m.Token, want) || !reflect.DeepEqual(m.Refresh, want) {
		t.Errorf("token: got %+v, refresh %+v, want %+v", m.Token, m.Refresh, want)
	}
	if want := (manifest.OAuthSection{RedirectURI: manifest.DefaultRedirectURI}); m.OAuth != want {
		t.Errorf("oauth: got %+v, want %+v", m.OAuth, want)
	}
	if want := []manifest.FormField{{Const: "apiKey", Required: true}, {Const: "note"}, {}}; !reflect.DeepEqual(m.Fields, want) {
		t.Errorf("fields: got %+v, want %+v", m.Fields, want)
	}
	if m := mustParse(t, map[string]string{"a": `{"platforms": {"a": {"name": "a", "displayName": "A for people", "auth": {"type": "apiKey"}}}}`}, "a"); m.Title != "A for people" {
		t.Errorf("title: got %q", m.Title)
	}
	// An organisation's own application can have its own authorization URL.
	mustParse(t, map[string]string{"a": `{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"adminManaged": {"enabled": true}}}}}}`}, "a")
}

func TestManagedFields(t *testing.T) {
	t.Parallel()
	text := fields + `{"const": "a", "managed": true, "title": "A<b>", "uiSchema": {"ui:widget": "password"}},
		{"const": "b", "managed": true, "managedScope": "user", "managedFieldType": "dynamic", "required": true},
		{"const": "c", "managed": true, "managedScope": null, "managedFieldType": "other"}, {"const": "d", "managed": false, "managedScope": "user", "managedFieldType": "dynamic"}` + fieldsEnd
	got := mustParse(t, map[string]string{"a": text}, "a").Fields
	want := []manifest.FormField{
		{Const: "a", Managed: true, Scope: manifest.AccountScope, Definition: got[0].Definition},
		{Const: "b", Managed: true, Scope: manifest.UserScope, Dynamic: true, Required: true, Definition: got[1].Definition},
		{Const: "c", Managed: true, Scope: manifest.AccountScope, Definition: got[2].Definition},
		{Const: "d"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var definition any
	if err := json.Unmarshal(got[0].Definition, &definition); err != nil || !reflect.DeepEqual(definition,
		map[string]any{"const": "a", "managed": true, "title": "A<b>", "uiSchema": map[string]any{"ui:widget": "password"}}) {
		t.Errorf("the definition is %s", got[0].Definition)
	}
	if !fits(manifestSchema(t), text) {
		t.Error("the schema refuses it")
	}
}

func TestOverrideByHostname(t *testing.T) {
	t.Parallel()
	m := mustParse(t, map[string]string{"law": law}, "law")
	for _, c := range []struct{ host, clientID, authURL string }{
		{"", "us", "https://app.law.example/oauth/authorize"},
		{"app.law.example", "us", "https://app.law.example/oauth/authorize"},
		{"au.app.law.example", "au", "https://au.app.law.example/oauth/authorize"},
		{"https://AU.app.law.example:443/x", "au", "https://au.app.law.example/oauth/authorize"},
		{"au.app.law.example.", "au", "https://au.app.law.example/oauth/authorize"},
		{"x.au.app.law.example", "us", "https://app.law.example/oauth/authorize"},
		{"au.app.law.example:8443", "us", "https://app.law.example/oauth/authorize"},
		{"new.law.example", "new", "https://new.law.example/"},
		{"not a host", "us", "https://app.law.example/oauth/authorize"},
	} {
		got := m.ForHost(c.host)
		if got.OAuth.ClientID != c.clientID || got.OAuth.AuthURL != c.authURL || got.Title != "Law CRM" {
			t.Errorf("%s: got %+v", c.host, got.OAuth)
		}
	}
	if got := m.ForHost("new.law.example").OAuth; got.Scope != "" || got.RedirectURI != manifest.DefaultRedirectURI {
		t.Errorf("a replaced object keeps old members: %+v", got)
	}
}

// Members of manifest.json replace those of a connector's own file.
func TestMerge(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"law": law,
		"manifest": `{"platforms": {
			"law": {"name": "Ours", "auth": {"type": "oauth", "oauth": {"authUrl": "https://base.example/", "clientId": "base"}}, "crmgate": {"hosts": ["evil.example"]}},
			"other": {"auth": {"type": "apiKey"}}}}`,
	}
	m := mustParse(t, files, "law")
	if m.Title != "Ours" || m.OAuth.ClientID != "base" || m.OAuth.Scope != "" {
		t.Errorf("manifest.json does not take precedence: %+v", m)
	}
	if len(m.Environment) != 2 || m.ForHost("au.app.law.example").OAuth.ClientID != "au" {
		t.Errorf("what manifest.json lacks does not come from law.json: %+v", m)
	}
	if m.Hosts.AllowHost("evil.example") || !m.Hosts.AllowHost("a.law.example") {
		t.Errorf("the crmgate object is not law.json's: %v", m.Hosts)
	}

	// A platform in manifest.json may be incomplete.
	files["manifest"] = `{"platforms": {"law": {"name": "Ours"}}}`
	if m := mustParse(t, files, "law"); m.Title != "Ours" || m.OAuth.ClientID != "us" {
		t.Errorf("got %+v", m)
	}
	files["manifest"] = `{"platforms": {"law": {"auth": {"type": "oauth", "oauth": {"authUrl": "x"}}}}}`
	if _, err := parse(files); err == nil || !strings.HasPrefix(err.Error(), "manifest.json with law.json: platforms.law.auth.oauth.authUrl:") {
		t.Errorf("got %v, want an error that names both files", err)
	}
}

func TestPublished(t *testing.T) {
	t.Parallel()
	const manifest = ` {"author": {"name": "An Author"}, "version": "2.0",  "platforms": {"keys": {"auth": {"type": "apiKey"}}}}`
	ms, err := parse(map[string]string{
		"law": law, "manifest": manifest,
		"mute": `{"platforms": {"mute": {"auth": {"type": "apiKey"}}}}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "default"} {
		if got, ok := ms.Published(name); !ok || string(got) != manifest {
			t.Errorf("%q: a document without a crmgate object is changed: %s", name, got)
		}
	}
	if got, ok := ms.Version(); !ok || got != "2.0" {
		t.Errorf("version: got %q, %v", got, ok)
	}
	for _, name := range []string{"mute", "keys", "manifest", "nowhere"} {
		if got, ok := ms.Published(name); ok {
			t.Errorf("%s is published, without an author or without a file: %s", name, got)
		}
	}

	public, ok := ms.Published("law")
	var got, want map[string]any
	if err := json.Unmarshal(public, &got); err != nil || !ok {
		t.Fatalf("law: %v, %v", ok, err)
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(law, "{publicUrl}", publicURL)), &want); err != nil {
		t.Fatal(err)
	}
	delete(want["platforms"].(map[string]any)["law"].(map[string]any), "crmgate")
	if !reflect.DeepEqual(got, want) || !strings.Contains(string(public), "12345678901234567890") {
		t.Errorf("got %s", public)
	}
	if n := len(ms.Platforms()); n != 3 {
		t.Errorf("got %d platforms, want law, keys and mute", n)
	}

	ms, err = parse(map[string]string{"law": law})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := ms.Version(); ok {
		t.Error("there is a version without a manifest.json")
	}
	if _, ok := ms.Published(""); ok {
		t.Error("there is a default without a manifest.json")
	}
}

const (
	key = `{"platforms": {"a": {"auth": {"type": "apiKey"}`

	fields    = `{"platforms": {"a": {"auth": {"type": "apiKey", "apiKey": {"page": {"content": [`
	fieldsEnd = `]}}}}}}`
	open      = `{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://a.example"`
)

// invalidManifests are contents of a.json, each with the beginning of its error.
var invalidManifests = []struct{ text, want string }{
	{``, `a.json: expected JSON, got an error in line 1, column 0: unexpected end of JSON input`},
	{"{\n \"platforms\": {,}}", `a.json: expected JSON, got an error in line 2, column 16: invalid character ','`},
	{`{} {}`, `a.json: expected JSON, got an error in line 1, column 4`},
	{`[]`, `a.json: expected an object, got a list`},
	{`null`, `a.json: expected an object, got nothing`},
	{`{}`, `a.json: platforms: expected an object of platforms, got nothing`},
	{`{"platforms": []}`, `a.json: platforms: expected an object, got a list`},
	{`{"platforms": {}}`, `a.json: platforms.a: expected an object for the platform that the file is named after, got nothing`},
	{`{"platforms": {"b": {"auth": {"type": "apiKey"}}}}`, `a.json: platforms.a: expected an object`},
	{`{"platforms": {"a": 5}}`, `a.json: platforms.a: expected an object for the platform that the file is named after, got 5`},
	{key + `}}, "version": 2}`, `a.json: version: expected a string, got 2`},
	{key + `}}, "author": {"name": {}}}`, `a.json: author.name: expected a string, got an object`},
	{key + `, "name": 1}}}`, `a.json: platforms.a.name: expected a string, got 1`},
	{`{"platforms": {"a": {}}}`, `a.json: platforms.a.auth.type: expected one of "oauth", "apiKey", got nothing`},
	{`{"platforms": {"a": {"auth": "oauth"}}}`, `a.json: platforms.a.auth: expected an object, got "oauth"`},
	{`{"platforms": {"a": {"auth": {"type": "magic"}}}}`, `a.json: platforms.a.auth.type: expected one of "oauth", "apiKey", got "magic"`},
	{`{"platforms": {"a": {"auth": {"type": "oauth"}}}}`, `a.json: platforms.a.auth.oauth.authUrl: expected an absolute URL, with {hostname} for the person's host, got nothing`},
	{`{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"authUrl": "/authorize"}}}}}`, `a.json: platforms.a.auth.oauth.authUrl: expected an absolute URL, with {hostname} for the person's host, got "/authorize"`},
	{`{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"authUrl": "javascript:alert(1)"}}}}}`, `a.json: platforms.a.auth.oauth.authUrl: expected an absolute URL`},
	{`{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"authUrl": "https:///authorize"}}}}}`, `a.json: platforms.a.auth.oauth.authUrl: expected an absolute URL`},
	{`{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://:443/authorize"}}}}}`, `a.json: platforms.a.auth.oauth.authUrl: expected an absolute URL`},
	{open + `, "redirectUri": "redirect.html"}}}}}`, `a.json: platforms.a.auth.oauth.redirectUri: expected an absolute URL, got "redirect.html"`},
	{open + `, "redirectUri": "https://{hostname}/redirect.html"}}}}}`, `a.json: platforms.a.auth.oauth.redirectUri: expected an absolute URL, got "https://{hostname}/redirect.html"`},
	{`{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://{host}/authorize"}}}}}`, `a.json: platforms.a.auth.oauth.authUrl: expected an absolute URL, with {hostname} for the person's host, got "https://{host}/authorize"`},
	{`{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"authUrl": "{hostname}/authorize"}}}}}`, `a.json: platforms.a.auth.oauth.authUrl: expected an absolute URL`},
	{key + `, "crmgate": {"secrets": "all"}}}}`, `a.json: platforms.a.crmgate.secrets: expected one of "handles", got "all"`},
	{key + `, "crmgate": {"sends": {"apiKey": {}}}}}}`, `a.json: platforms.a.crmgate.sends: expected a member only beside "secrets": "handles", got an object`},
	{key + `, "crmgate": {"secrets": "handles", "sends": []}}}}`, `a.json: platforms.a.crmgate.sends: expected an object, got a list`},
	{key + `, "crmgate": {"secrets": "handles", "sends": {"apiKey": "header"}}}}}`, `a.json: platforms.a.crmgate.sends.apiKey: expected an object, got "header"`},
	{key + `, "crmgate": {"secrets": "handles", "sends": {"password": {}}}}}}`, `a.json: platforms.a.crmgate.sends.password: expected accessToken, refreshToken, apiKey, clientSecret, or a name of crmgate.config, got an object`},
	{key + `, "crmgate": {"secrets": "handles", "sends": {"A_SECRET": {}}}}}}`, `a.json: platforms.a.crmgate.sends.A_SECRET: expected accessToken`},
	{key + `, "crmgate": {"secrets": "handles", "sends": {"apiKey": {"in": ["path"]}}}}}}`, `a.json: platforms.a.crmgate.sends.apiKey.in[0]: expected one of "header", "query", "body", got "path"`},
	{key + `, "crmgate": {"secrets": "handles", "hosts": ["a.example", "*.b.example", "{hostname}"], "sends": {"apiKey": {"hosts": ["b.example"]}}}}}}`, `a.json: platforms.a.crmgate.sends.apiKey.hosts[0]: expected one of crmgate.hosts, or a host that its wildcards cover, got "b.example"`},
	{key + `, "crmgate": {"secrets": "handles", "hosts": ["a.example"], "sends": {"apiKey": {"hosts": ["*.a.example"]}}}}}}`, `a.json: platforms.a.crmgate.sends.apiKey.hosts[0]: expected one of crmgate.hosts`},
	{key + `, "crmgate": {"issuer": "https://{tenant}/"}}}}`, `a.json: platforms.a.crmgate.issuer: expected an https URL`},
	{open + `, "clientId": 12}}}}}`, `a.json: platforms.a.auth.oauth.clientId: expected a string, got 12`},
	{open + `, "scope": ["a"]}}}}}`, `a.json: platforms.a.auth.oauth.scope: expected a string, got a list`},
	{`{"platforms": {"a": {"auth": {"type": "apiKey", "apiKey": {"page": {"content": [{"const": "k"}, {"required": "yes"}]}}}}}}`,
		`a.json: platforms.a.auth.apiKey.page.content[1].required: expected true or false, got "yes"`},
	{fields + `"x"` + fieldsEnd, `a.json: platforms.a.auth.apiKey.page.content[0]: expected an object, got "x"`},
	{fields + `{"const": "k", "managed": "yes"}` + fieldsEnd, `a.json: platforms.a.auth.apiKey.page.content[0].managed: expected true or false, got "yes"`},
	{fields + `{"const": "k", "managed": true, "managedScope": "everybody"}` + fieldsEnd, `a.json: platforms.a.auth.apiKey.page.content[0].managedScope: expected one of "account", "user", got "everybody"`},
	{fields + `{"const": "k", "managedScope": ""}` + fieldsEnd, `a.json: platforms.a.auth.apiKey.page.content[0].managedScope: expected one of "account", "user", got ""`},
	{fields + `{"const": "k", "managed": true, "managedFieldType": 1}` + fieldsEnd, `a.json: platforms.a.auth.apiKey.page.content[0].managedFieldType: expected a string, got 1`},
	{fields + `{"managed": true}` + fieldsEnd, `a.json: platforms.a.auth.apiKey.page.content[0].const: expected the name of the managed field, got nothing`},
	{fields + `{"const": "", "managed": true}` + fieldsEnd, `a.json: platforms.a.auth.apiKey.page.content[0].const: expected the name of the managed field, got ""`},
	{key + `, "environment": "x"}}}`, `a.json: platforms.a.environment: expected an object, got "x"`},
	{key + `, "environment": {"url": "https://a b"}}}}`, `a.json: platforms.a.environment.url: expected a URL or a host, with an optional *. in front, got "https://a b"`},
	{key + `, "environment": {"urlIdentifier": "{hostname}"}}}}`, `a.json: platforms.a.environment.urlIdentifier: expected a URL or a host`},
	{key + `, "environment": {"selections": [{"const": "https://a.example"}, {"const": 5}]}}}}`, `a.json: platforms.a.environment.selections[1].const: expected a string, got 5`},
	{key + `, "override": {}}}}`, `a.json: platforms.a.override: expected a list, got an object`},
	{key + `, "override": [{"triggerType": "hostname", "triggerValue": "a b"}]}}}`, `a.json: platforms.a.override[0].triggerValue: expected a host, got "a b"`},
	{key + `, "override": [{"triggerType": "hostname", "triggerValue": "b", "overrideObjects": [{"path": "auth.type.x"}]}]}}}`,
		`a.json: platforms.a.override[0].overrideObjects[0].path: expected the path of a member, got "auth.type.x"`},
	{key + `, "override": [{"triggerType": "hostname", "triggerValue": "b", "overrideObjects": [{"value": 1}]}]}}}`,
		`a.json: platforms.a.override[0].overrideObjects[0].path: expected the path of a member, got nothing`},
	{key + `, "override": [{"triggerType": "hostname", "triggerValue": "b", "overrideObjects": [{"path": "auth.type", "value": "x"}]}]}}}`,
		`a.json: platforms.a (overridden for b).auth.type: expected one of "oauth", "apiKey", got "x"`},
	{key + `, "crmgate": []}}}`, `a.json: platforms.a.crmgate: expected an object, got a list`},
	{key + `, "crmgate": {"hosts": "a.example"}}}}`, `a.json: platforms.a.crmgate.hosts: expected a list, got "a.example"`},
	{key + `, "crmgate": {"hosts": ["a.example", "*"]}}}}`, `a.json: platforms.a.crmgate.hosts[1]: expected "host", "*.suffix" or "{hostname}", each with an optional port, or "{config:NAME}" with a name of crmgate.config, got "*"`},
	{key + `, "crmgate": {"hosts": ["https://a.example"]}}}}`, `a.json: platforms.a.crmgate.hosts[0]: expected "host"`},
	{key + `, "crmgate": {"config": ["CLIO_CLIENT_SECRET"]}}}}`, `a.json: platforms.a.crmgate.config[0]: expected a name in capital letters that begins with A_, got "CLIO_CLIENT_SECRET"`},
	{key + `, "crmgate": {"config": ["A_"]}}}}`, `a.json: platforms.a.crmgate.config[0]: expected a name in capital letters that begins with A_`},
	{key + `, "crmgate": {"config": ["A_secret"]}}}}`, `a.json: platforms.a.crmgate.config[0]: expected a name in capital letters that begins with A_`},
	{key + `, "crmgate": {"reveal": ["apiKey"]}}}}`, `a.json: platforms.a.crmgate.reveal[0]: expected one of "clientSecret", "refreshToken", got "apiKey"`},
	{key + `, "crmgate": {"userAgent": 1}}}}`, `a.json: platforms.a.crmgate.userAgent: expected a string, got 1`},
	{key + `, "crmgate": {"userAgent": ""}}}}`, `a.json: platforms.a.crmgate.userAgent: expected printable ASCII text of 1 to 256 characters, got ""`},
	{key + `, "crmgate": {"userAgent": "a\nb"}}}}`, `a.json: platforms.a.crmgate.userAgent: expected printable ASCII text of 1 to 256 characters, got "a\nb"`},
	{key + `, "crmgate": {"shortState": 1}}}}`, `a.json: platforms.a.crmgate.shortState: expected true or false, got 1`},
	{key + `, "crmgate": {"issuer": ""}}}}`, `a.json: platforms.a.crmgate.issuer: expected an https URL without a query or fragment, with {hostname} for the person's host, got ""`},
	{key + `, "crmgate": {"issuer": "http://a.example"}}}}`, `a.json: platforms.a.crmgate.issuer: expected an https URL`},
	{key + `, "crmgate": {"issuer": "https://a.example/?x"}}}}`, `a.json: platforms.a.crmgate.issuer: expected an https URL`},
	{key + `, "crmgate": {"issuer": 7}}}}`, `a.json: platforms.a.crmgate.issuer: expected a string, got 7`},
	{key + `, "crmgate": {"buttons": []}}}}`, `a.json: platforms.a.crmgate.buttons: expected an object, got a list`},
	{key + `, "crmgate": {"buttons": {"b": 5}}}}}`, `a.json: platforms.a.crmgate.buttons.b: expected a string, got 5`},
	{key + `, "crmgate": {"buttons": {"b": "javascript:alert(1)"}}}}}`, `a.json: platforms.a.crmgate.buttons.b: expected an absolute URL, with {hostname} for the person's host, got "javascript:alert(1)"`},
	{fields + `{"const": "k", "secret": "yes"}` + fieldsEnd, `a.json: platforms.a.auth.apiKey.page.content[0].secret: expected true or false, got "yes"`},
	{key + `, "crmgate": {"revoke": "https://a.example"}}}}`, `a.json: platforms.a.crmgate.revoke: expected an object, got "https://a.example"`},
	{key + `, "crmgate": {"revoke": {"replaced": "yes"}}}}}`, `a.json: platforms.a.crmgate.revoke.replaced: expected true or false, got "yes"`},
	{key + `, "crmgate": {"revoke": {"url": 5}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected a string, got 5`},
	{key + `, "crmgate": {"hosts": ["a.example"], "revoke": {"url": ""}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected an absolute URL without a fragment, on one of crmgate.hosts, got ""`},
	{key + `, "crmgate": {"hosts": ["a.example"], "revoke": {"url": "/revoke"}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected an absolute URL`},
	{key + `, "crmgate": {"hosts": ["a.example"], "revoke": {"url": "ftp://a.example/revoke"}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected an absolute URL`},
	{key + `, "crmgate": {"hosts": ["a.example"], "revoke": {"url": "https://a.example/revoke#x"}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected an absolute URL`},
	{key + `, "crmgate": {"hosts": ["a.example"], "revoke": {"url": "https://me@a.example/revoke"}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected an absolute URL`},
	{key + `, "crmgate": {"hosts": ["{hostname}"], "revoke": {"url": "https://{hostname}/{hostname}"}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected an absolute URL`},
	{key + `, "crmgate": {"hosts": ["a.example"], "revoke": {"url": "https://b.example/revoke"}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected an absolute URL without a fragment, on one of crmgate.hosts, got "https://b.example/revoke"`},
	{key + `, "crmgate": {"hosts": ["a.example"], "revoke": {"url": "https://{hostname}/revoke"}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected an absolute URL without a fragment, on one of crmgate.hosts, got "https://{hostname}/revoke"`},
	{key + `, "crmgate": {"hosts": ["a.example"], "revoke": {"url": "http://a.example/revoke"}}}}}`, `a.json: platforms.a.crmgate.revoke.url: expected an absolute URL without a fragment, on one of crmgate.hosts, got "http://a.example/revoke"`},
	{key + `, "crmgate": {"token": true}}}}`, `a.json: platforms.a.crmgate.token: expected an object, got true`},
	{key + `, "crmgate": {"token": {"auth": "digest"}}}}}`, `a.json: platforms.a.crmgate.token.auth: expected one of "basic", "basicRaw", "body", "none", got "digest"`},
	{key + `, "crmgate": {"token": {"expiresIn": "days"}}}}}`, `a.json: platforms.a.crmgate.token.expiresIn: expected one of "seconds", "milliseconds", "minutes", got "days"`},
	{key + `, "crmgate": {"token": {"errors": ["gone"]}}}}}`, `a.json: platforms.a.crmgate.token.errors: expected an object, got a list`},
	{key + `, "crmgate": {"token": {"errors": {"userDead": "gone"}}}}}}`, `a.json: platforms.a.crmgate.token.errors.userDead: expected a list, got "gone"`},
	{key + `, "crmgate": {"token": {"errors": {"appDead": [7]}}}}}}`, `a.json: platforms.a.crmgate.token.errors.appDead[0]: expected a string, got 7`},
	{key + `, "crmgate": {"token": {"errors": {"appDead": ["x", ""]}}}}}}`, `a.json: platforms.a.crmgate.token.errors.appDead[1]: expected an error code of the CRM, got ""`},
	{key + `, "crmgate": {"token": {"errors": {"transient": [{"text": "busy"}]}}}}}}`, `a.json: platforms.a.crmgate.token.errors.transient[0].code: expected an error code of the CRM, got nothing`},
	{key + `, "crmgate": {"refresh": {"errors": {"transient": [{"code": "x", "text": 1}]}}}}}}`, `a.json: platforms.a.crmgate.refresh.errors.transient[0].text: expected a string, got 1`},
	{key + `, "crmgate": {"token": {"lifetime": 0.5}}}}}`, `a.json: platforms.a.crmgate.token.lifetime: expected a whole number of seconds, got 0.5`},
	{key + `, "crmgate": {"token": {"lifetime": -1}}}}}`, `a.json: platforms.a.crmgate.token.lifetime: expected a whole number of seconds, got -1`},
	{key + `, "crmgate": {"token": {"body": "xml"}}}}}`, `a.json: platforms.a.crmgate.token.body: expected one of "form", "json", "query", got "xml"`},
	{key + `, "crmgate": {"token": {"body": true}}}}}`, `a.json: platforms.a.crmgate.token.body: expected a string, got true`},
	{key + `, "crmgate": {"token": {"parameters": ["a"]}}}}}`, `a.json: platforms.a.crmgate.token.parameters: expected an object, got a list`},
	{key + `, "crmgate": {"token": {"parameters": {"a": 1}}}}}}`, `a.json: platforms.a.crmgate.token.parameters.a: expected a string, got 1`},
	{key + `, "crmgate": {"token": {"parameters": {"": "x"}}}}}}`, `a.json: platforms.a.crmgate.token.parameters.: a parameter of this name must not be set here`},
	{key + `, "crmgate": {"token": {"parameters": {"a b": "x"}}}}}}`, `a.json: platforms.a.crmgate.token.parameters.a b: a parameter of this name must not be set here`},
	{key + `, "crmgate": {"token": {"parameters": {"client_secret": "hush"}}}}}}`, `a.json: platforms.a.crmgate.token.parameters.client_secret: a parameter of this name must not be set here: the server sets the client, code, token and scope, and secrets belong in the connector's configuration`},
	{key + `, "crmgate": {"token": {"parameters": {"Api-Key": "hush"}}}}}}`, `a.json: platforms.a.crmgate.token.parameters.Api-Key: a parameter of this name must not be set here`},
	{key + `, "crmgate": {"token": {"parameters": {"X_PASSWORD": "hush"}}}}}}`, `a.json: platforms.a.crmgate.token.parameters.X_PASSWORD: a parameter of this name must not be set here`},
	{key + `, "crmgate": {"token": {"parameters": {"refresh_token": "x"}}}}}}`, `a.json: platforms.a.crmgate.token.parameters.refresh_token: a parameter of this name must not be set here`},
	{key + `, "crmgate": {"token": {"parameters": {"k": "x"}, "rename": {"code": "k"}}}}}}`, `a.json: platforms.a.crmgate.token.parameters.k: a parameter of this name must not be set here`},
	{key + `, "crmgate": {"token": {"parameters": {"k": "x"}}, "refresh": {"rename": {"refresh_token": "k"}}}}}}`, `a.json: platforms.a.crmgate.refresh.rename: a parameter of this name must not be set here`},
	{key + `, "crmgate": {"token": {"rename": {"audience": "x"}}}}}}`, `a.json: platforms.a.crmgate.token.rename.audience: this is not a standard parameter of token requests: rename one of client_id, client_secret,`},
	{key + `, "crmgate": {"token": {"rename": {"code": ""}}}}}}`, `a.json: platforms.a.crmgate.token.rename.code: expected a name of printable ASCII characters without spaces, got ""`},
	{key + `, "crmgate": {"token": {"rename": {"code": "a b"}}}}}}`, `a.json: platforms.a.crmgate.token.rename.code: expected a name of printable ASCII characters`},
	{key + `, "crmgate": {"token": {"rename": {"code": null}}}}}}`, `a.json: platforms.a.crmgate.token.rename.code: expected a string, got nothing`},
	{key + `, "crmgate": {"token": {"rename": {"code": "scope"}}}}}}`, `a.json: platforms.a.crmgate.token.rename.code: expected a name that no other parameter has, got "scope"`},
	{key + `, "crmgate": {"token": {"omit": "scope"}}}}}`, `a.json: platforms.a.crmgate.token.omit: expected a list, got "scope"`},
	{key + `, "crmgate": {"token": {"omit": ["scope", "refresh_token"]}}}}}`, `a.json: platforms.a.crmgate.token.omit[1]: expected one of "client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri", "scope", got "refresh_token"`},
	{key + `, "crmgate": {"config": ["A_URL"], "hosts": ["{config:A_SECRET}"]}}}}`, `a.json: platforms.a.crmgate.hosts[0]: expected "host", "*.suffix" or "{hostname}", each with an optional port, or "{config:NAME}" with a name of crmgate.config, got "{config:A_SECRET}"`},
	{key + `, "crmgate": {"config": ["A_URL"], "hosts": ["{config:A_URL}:80"]}}}}`, `a.json: platforms.a.crmgate.hosts[0]: expected "host", "*.suffix" or "{hostname}", each with an optional port, or "{config:NAME}" with a name of crmgate.config, got "{config:A_URL}:80"`},
	{key + `, "crmgate": {"config": ["A_URL"], "hosts": ["{config:A_URL}"], "secrets": "handles", "sends": {"A_URL": {}}}}}}`, `a.json: platforms.a.crmgate.sends.A_URL: this value is a host of crmgate.hosts, so it cannot be a secret`},
	{key + `, "crmgate": {"config": ["A_SECRET"], "token": {"secretHeaders": {"X-Api-Key": "A_KEY"}}}}}}`, `a.json: platforms.a.crmgate.token.secretHeaders.X-Api-Key: expected a name of crmgate.config, got "A_KEY"`},
	{key + `, "crmgate": {"config": ["A_SECRET"], "refresh": {"secretHeaders": {"Host": "A_SECRET"}}}}}}`, `a.json: platforms.a.crmgate.refresh.secretHeaders.Host: this header must not be set here: the server sets Content-*, Host and those of the connection`},
	{key + `, "crmgate": {"token": {"scope": 5}}}}}`, `a.json: platforms.a.crmgate.token.scope: expected true, false or the scopes, got 5`},
	{key + `, "crmgate": {"token": {"scopeSeparator": ";"}}}}}`, `a.json: platforms.a.crmgate.token.scopeSeparator: expected one of " ", ",", "+", got ";"`},
	{key + `, "crmgate": {"token": {"headers": {"X-A": 1}}}}}}`, `a.json: platforms.a.crmgate.token.headers.X-A: expected a string, got 1`},
	{key + `, "crmgate": {"token": {"headers": {"authorization": "Basic hush"}}}}}}`, `a.json: platforms.a.crmgate.token.headers.authorization: this header must not be set here: the server sets Authorization, Content-*, Host and those of the connection, and secrets belong in the connector's configuration`},
	{key + `, "crmgate": {"token": {"headers": {"Content-Type": "text/xml"}}}}}}`, `a.json: platforms.a.crmgate.token.headers.Content-Type: this header must not be set here`},
	{key + `, "crmgate": {"token": {"headers": {"HOST": "b"}}}}}}`, `a.json: platforms.a.crmgate.token.headers.HOST: this header must not be set here`},
	{key + `, "crmgate": {"token": {"headers": {"Proxy-A": "b"}}}}}}`, `a.json: platforms.a.crmgate.token.headers.Proxy-A: this header must not be set here`},
	{key + `, "crmgate": {"token": {"headers": {"X-Api-Key": "hush"}}}}}}`, `a.json: platforms.a.crmgate.token.headers.X-Api-Key: this header must not be set here`},
	{key + `, "crmgate": {"token": {"headers": {"X-Auth-Token": "hush"}}}}}}`, `a.json: platforms.a.crmgate.token.headers.X-Auth-Token: this header must not be set here`},
	{key + `, "crmgate": {"token": {"headers": {"X A": "b"}}}}}}`, `a.json: platforms.a.crmgate.token.headers.X A: this header must not be set here`},
	{key + `, "crmgate": {"token": {"headers": {"X-A": "b\r\nX-B: c"}}}}}}`, `a.json: platforms.a.crmgate.token.headers.X-A: expected printable ASCII text`},
	{key + `, "crmgate": {"token": {"paths": "data"}}}}}`, `a.json: platforms.a.crmgate.token.paths: expected an object, got "data"`},
	{key + `, "crmgate": {"token": {"paths": {"accessToken": "data..key"}}}}}}`, `a.json: platforms.a.crmgate.token.paths.accessToken: expected the path of a member, got "data..key"`},
	{key + `, "crmgate": {"token": {"paths": {"expiresAt": ""}}}}}}`, `a.json: platforms.a.crmgate.token.paths.expiresAt: expected the path of a member, got ""`},
	{key + `, "crmgate": {"token": {"paths": {"refreshToken": 7}}}}}}`, `a.json: platforms.a.crmgate.token.paths.refreshToken: expected a string, got 7`},
	{key + `, "crmgate": {"refresh": []}}}}`, `a.json: platforms.a.crmgate.refresh: expected an object, got a list`},
	{key + `, "crmgate": {"refresh": {"auth": "digest"}}}}}`, `a.json: platforms.a.crmgate.refresh.auth: expected one of "basic", "basicRaw", "body", "none", got "digest"`},
	{key + `, "crmgate": {"refresh": {"lifetime": 0}}}}}`, `a.json: platforms.a.crmgate.refresh.lifetime: expected a whole number of seconds, got 0`},
	{key + `, "crmgate": {"refresh": {"url": "/refresh"}, "hosts": ["a.example"]}}}}`, `a.json: platforms.a.crmgate.refresh.url: expected an absolute URL on one of crmgate.hosts, with {hostname} for the person's host, got "/refresh"`},
	{key + `, "crmgate": {"refresh": {"url": "https://b.example/refresh"}, "hosts": ["a.example"]}}}}`, `a.json: platforms.a.crmgate.refresh.url: expected an absolute URL on one of crmgate.hosts`},
	{key + `, "crmgate": {"refresh": {"url": "https://{hostname}/refresh"}}}}}`, `a.json: platforms.a.crmgate.refresh.url: expected an absolute URL on one of crmgate.hosts`},
	{key + `, "crmgate": {"refresh": {"url": "http://a.example/refresh"}, "hosts": ["a.example"]}}}}`, `a.json: platforms.a.crmgate.refresh.url: expected an absolute URL on one of crmgate.hosts`},
	{key + `, "crmgate": {"refresh": {"url": "https://u@a.example/refresh"}, "hosts": ["a.example"]}}}}`, `a.json: platforms.a.crmgate.refresh.url: expected an absolute URL on one of crmgate.hosts`},
	{key + `, "crmgate": {"refresh": {"url": "https://a.example/refresh#x"}, "hosts": ["a.example"]}}}}`, `a.json: platforms.a.crmgate.refresh.url: expected an absolute URL on one of crmgate.hosts`},
}

// The URL of a refresh must be allowed for at least one hostname.
func TestRefreshURL(t *testing.T) {
	t.Parallel()
	for url, hosts := range map[string]string{
		"https://a.example/refresh":            "a.example",
		"https://b.a.example/refresh?x=1":      "*.a.example",
		"http://a.example:81/refresh":          "a.example:81",
		"https://{hostname}/refresh":           "{hostname}",
		"https://{hostname}:8443/refresh":      "{hostname}:8443",
		"https://{hostname}/":                  "*.a.example",
		"https://login.{hostname}/":            "*.a.example",
		"http://{hostname}/":                   "127.0.0.1:8081",
		"https://a.example/{hostname}/refresh": "a.example",
	} {
		m := mustParse(t, map[string]string{"a": key + `, "crmgate": {"hosts": ["` + hosts + `"], "refresh": {"url": "` + url + `"}}}}}`}, "a")
		if m.Refresh.URL != url || m.Token.URL != "" {
			t.Errorf("%s: got %q, and %q for exchanges", url, m.Refresh.URL, m.Token.URL)
		}
	}
}

func TestInvalidManifests(t *testing.T) {
	t.Parallel()
	for _, c := range invalidManifests {
		_, err := parse(map[string]string{"a": c.text})
		var wrong *manifest.Error
		if !errors.As(err, &wrong) || wrong.File != "a.json" || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

// TestForHostFillsIn: {hostname} stands for the person's host in each URL that a person's sign-in uses, in an override too.
func TestForHostFillsIn(t *testing.T) {
	t.Parallel()
	text := `{"platforms": {"a": {"environment": {"urlIdentifier": "*.a.example"}, "auth": {"type": "oauth", "oauth": {
		"authUrl": "https://{hostname}/authorize?for={hostname}", "redirectUri": "{publicUrl}/redirect.html"}},
		"override": [{"triggerType": "hostname", "triggerValue": "eu.a.example", "overrideObjects": [{"path": "auth.oauth.authUrl", "value": "https://{hostname}/eu"}]}],
		"crmgate": {"hosts": ["{hostname}"], "issuer": "https://{hostname}/issuer", "revoke": {"url": "https://{hostname}/revoke"}}}}}`
	m := mustParse(t, map[string]string{"a": text}, "a")
	if !fits(manifestSchema(t), text) {
		t.Error("the schema refuses it")
	}
	for _, c := range []struct{ hostname, authURL, issuer, revoke string }{
		{"X.a.example", "https://x.a.example/authorize?for=x.a.example", "https://x.a.example/issuer", "https://x.a.example/revoke"},
		{"eu.a.example", "https://eu.a.example/eu", "https://eu.a.example/issuer", "https://eu.a.example/revoke"},
		{"", m.OAuth.AuthURL, m.Issuer, m.RevokeURL},
	} {
		got := m.ForHost(c.hostname)
		if got.OAuth.AuthURL != c.authURL || got.Issuer != c.issuer || got.RevokeURL != c.revoke {
			t.Errorf("%s: got %s, %s, %s", c.hostname, got.OAuth.AuthURL, got.Issuer, got.RevokeURL)
		}
	}
	if !manifest.NeedsHostname(m.OAuth.AuthURL) || manifest.NeedsHostname(m.ForHost("x.a.example").OAuth.AuthURL) {
		t.Error("only the URL of the manifest needs a host name")
	}
}

func TestRevokeURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ hosts, url, hostname, want string }{
		{"*.a.example", "https://auth.a.example/revoke?x=1", "", "https://auth.a.example/revoke?x=1"},
		{"a.example:8080", "http://a.example:8080/revoke", "", "http://a.example:8080/revoke"},
		{"{hostname}", "https://{hostname}/oauth/revoke", "acme.example", "https://acme.example/oauth/revoke"},
		{"{hostname}", "https://{hostname}", "acme.example:8443", "https://acme.example:8443"},
		{"*.a.example", "https://{hostname}.a.example/revoke", "acme", "https://acme.a.example/revoke"},
	} {
		text := key + `, "crmgate": {"hosts": ["` + c.hosts + `"], "revoke": {"url": "` + c.url + `"}}}}}`
		m := mustParse(t, map[string]string{"a": text}, "a")
		if got := m.ForHost(c.hostname).RevokeURL; got != c.want {
			t.Errorf("%s for %q: got %s", c.url, c.hostname, got)
		}
		if !fits(manifestSchema(t), text) {
			t.Errorf("the schema refuses %s", c.url)
		}
	}
	for _, none := range []string{`{}`, `null`, `{"url": null}`} {
		m := mustParse(t, map[string]string{"a": key + `, "crmgate": {"revoke": ` + none + `}}}}`}, "a")
		if m.RevokeURL != "" {
			t.Errorf("%s: got %q", none, m.RevokeURL)
		}
	}
}

func TestRevokeReplaced(t *testing.T) {
	t.Parallel()
	for revoke, want := range map[string]bool{
		`{}`: false, `null`: false, `{"url": "https://a.example/revoke"}`: false, `{"replaced": null}`: false, `{"replaced": false}`: false, `{"replaced": true}`: true,
	} {
		text := key + `, "crmgate": {"hosts": ["a.example"], "revoke": ` + revoke + `}}}}`
		if got := mustParse(t, map[string]string{"a": text}, "a").RevokeReplaced; got != want {
			t.Errorf("%s: got %v", revoke, got)
		}
		if !fits(manifestSchema(t), text) {
			t.Errorf("the schema refuses %s", revoke)
		}
	}
}

func TestPlatformNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "1a", "a-b", "a.b", "a/b", "ä", "a b", "crmgate", "CrmGate", strings.Repeat("a", 65)} {
		quoted, _ := json.Marshal(name)
		text := `{"platforms": {` + string(quoted) + `: {"auth": {"type": "apiKey"}}}}`
		for _, file := range []string{"manifest", name} {
			var wrong *manifest.Error
			if _, err := parse(map[string]string{file: text}); !errors.As(err, &wrong) || wrong.File != file+".json" {
				t.Errorf("%q in %s.json: got %v, want a *manifest.Error", name, file, err)
			}
		}
	}
}

// TestOneMistakeStopsOnePlatform: the other platforms are read, but a mistake in manifest.json outside of them is an error.
func TestOneMistakeStopsOnePlatform(t *testing.T) {
	t.Parallel()
	const fine, wrong = `{"auth": {"type": "apiKey"}}`, `{"auth": {"type": "magic"}}`
	files := map[string][]byte{
		"manifest":     []byte(`{"platforms": {"a": ` + fine + `, "b": ` + wrong + `, "c": ` + fine + `, "d": ` + fine + `, "no-name": ` + fine + `}}`),
		"c":            []byte(`{"platforms": {"c": `),
		"d":            []byte(`{"platforms": {"d": {"crmgate": {"hosts": 1}}}}`),
		"e":            []byte(`{"platforms": {"d": ` + fine + `}}`),
		"f":            []byte(`{"platforms": {"f": ` + fine + `}}`),
		"releaseNotes": []byte(`{}`),
	}
	ms, err := manifest.Parse(files, publicURL)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(ms.Platforms())); !slices.Equal(got, []crmgate.Platform{"a", "f"}) {
		t.Errorf("platforms: got %v", got)
	}
	left := ms.LeftOut()
	if got := slices.Sorted(maps.Keys(left)); !slices.Equal(got, []crmgate.Platform{"b", "c", "d", "e", "no-name"}) {
		t.Errorf("left out: got %v", got)
	}
	for p, err := range left {
		var at *manifest.Error
		if !errors.As(err, &at) || !strings.Contains(at.File, ".json") {
			t.Errorf("%s: got %v", p, err)
		}
	}
	for name, text := range map[string]string{"manifest": `{"platforms": {`, "releaseNotes": `[`} {
		broken := maps.Clone(files)
		broken[name] = []byte(text)
		if _, err := manifest.Parse(broken, publicURL); err == nil {
			t.Errorf("%s.json: %s is no error", name, text)
		}
	}
}

// Every start reports the same mistake.
func TestFirstMistake(t *testing.T) {
	t.Parallel()
	for range 20 {
		_, err := parse(map[string]string{"c": "{", "a": "{", "d": "{", "b": "{"})
		if err == nil || !strings.HasPrefix(err.Error(), "a.json:") {
			t.Fatalf("got %v, want the mistake of a.json", err)
		}
	}
}

func mustHosts(t testing.TB, patterns ...string) crmgate.Hosts {
	t.Helper()
	var h crmgate.Hosts
	for _, s := range patterns {
		p, err := crmgate.ParseHostPattern(s)
		if err != nil {
			t.Fatal(err)
		}
		h = append(h, p)
	}
	return h
}
