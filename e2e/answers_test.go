package e2e_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

var updateAnswers = flag.Bool("update", false, "have TestAnswers and TestStoreBefore write their files in testdata")

// answersKey signs the session tokens of TestAnswers.
const answersKey = "the session key of TestAnswers, at least 32 bytes"

// TestAnswers sends a fixed script of requests to all routes and compares the answers with testdata/answers.txt. With
// -update it writes that file.
//
// The clock is frozen. In the file, random values have numbered names such as <jwt 3>, and equal values have equal names.
func TestAnswers(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)

	r.serve("a server with RingCentral", answerPlatforms())
	r.front()
	r.public()
	r.compose()
	r.callback()
	r.tokenAnswers()
	r.apiKeyLogin()
	r.sessions()
	r.renewals()
	r.settings()
	r.managedFields()
	r.managedApp()
	r.adminPages()
	r.trouble()
	r.connectPages()
	r.authSessions()
	r.control()
	r.operatorListener()
	r.logFields()

	r.serve("a server with admin tokens and without RingCentral", answerPlatforms("org", "team"), r.adminTokens)
	r.operated()

	r.serve("a strict server behind https, with is-debug", answerPlatforms("own"), func(f *edgetest.Options) {
		f.PublicURL, f.RequireAccountProof, f.RefusePlainState, f.Debug = "https://gate.example/base", true, true, true
		f.AllowedOrigins = []string{"https://app.example", "chrome-extension://abcdefghijklmnop"}
	})
	r.strict()

	r.serve("a server with the practice connectors only", func(f *edgetest.Options) { f.AdminListen = "" })
	r.get("/crmManifest")
	r.get("/serverVersionInfo")
	r.get("/releaseNotes")
	r.get("/admin", "Cookie", "crmgate-admin=forged")

	r.compare("answers.txt")
}

// recorder records requests and their answers.
type recorder struct {
	t    *testing.T
	g    *gate        // the current server
	http *http.Client // nil: the server's client, without cookies
	b    strings.Builder
	n    int // number of exchanges

	names    map[string]string // of random values
	values   []string          // those with a name, the longest first
	counts   map[string]int    // number of names of each kind
	read     map[string]bool   // session tokens with recorded claims
	bodies   map[string]int    // long bodies and headers, and the first exchange with each
	usual    http.Header       // the headers of nearly every answer
	operator string            // the token that adminTokens made
}

func newRecorder(t *testing.T) *recorder {
	return &recorder{t: t, names: map[string]string{}, counts: map[string]int{}, read: map[string]bool{}, bodies: map[string]int{}}
}

// browser returns a function that runs do with the cookies of one browser.
func (r *recorder) browser() func(func()) {
	jar, err := cookiejar.New(nil)
	edgetest.Must(r.t, err)
	client := *r.g.client
	client.Jar = jar
	return func(do func()) {
		before := r.http
		r.http = &client
		defer func() { r.http = before }()
		do()
	}
}

// serve ends the server and starts another one.
func (r *recorder) serve(title string, change ...func(*edgetest.Options)) {
	r.t.Helper()
	if r.g != nil {
		r.g.Stop()
	}
	r.g = newGate(r.t, append([]func(*edgetest.Options){withSalt, func(f *edgetest.Options) {
		f.AdminListen, f.Settings["CRMGATE_SESSION_KEY"] = "127.0.0.1:0", answersKey
	}}, change...)...)
	at := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	r.g.FreezeAt(at)
	r.g.client.Timeout = 0 // sendBy has one
	r.g.CRM.Register("acme-client", "acme-secret+/%~=")
	r.g.CRM.Register("acme-second", "second-secret")
	fmt.Fprintf(&r.b, "\n########## %s\n", title)
}

func (r *recorder) section(title string) { fmt.Fprintf(&r.b, "\n===== %s\n", title) }

// pass moves the clock and records that.
func (r *recorder) pass(d time.Duration) {
	fmt.Fprintf(&r.b, "\n%s pass.\n", d)
	r.g.Pass(d)
}

// mood changes the CRM's mood and records that.
func (r *recorder) mood(m practicecrm.Mood) {
	b, err := json.Marshal(m)
	edgetest.Must(r.t, err)
	var all map[string]any
	edgetest.Must(r.t, json.Unmarshal(b, &all))
	maps.DeleteFunc(all, func(_ string, v any) bool {
		s, isMap := v.(map[string]any)
		return v == nil || v == "" || v == false || v == 0.0 || isMap && len(s) > 0 && s["Auth"] == ""
	})
	b, err = json.Marshal(all)
	edgetest.Must(r.t, err)
	fmt.Fprintf(&r.b, "\nThe CRM's mood: %s\n", b)
	r.g.CRM.SetMood(m)
}

// volatiles match values that differ from run to run. The group in parentheses gets the name.
var volatiles = []struct {
	kind    string
	pattern *regexp.Regexp
}{
	{"jwt", regexp.MustCompile(`(eyJ[\w-]+\.[\w-]+\.[\w-]+)`)},
	{"state", regexp.MustCompile(`(cg\.[\w-]{16,})`)},
	{"login secret", regexp.MustCompile(`"loginSecret":"([^"]+)"`)},
	{"auth session", regexp.MustCompile(`"id":"([\w-]+)","loginSecret"`)},
	{"cookie", regexp.MustCompile(`crmgate-(?:login|session|admin)=([\w-]{16,})`)},
	{"challenge", regexp.MustCompile(`code_challenge=([\w-]{43})`)},
	{"code", regexp.MustCompile(`(code-[A-Z2-7]{26})`)},
	{"crm token", regexp.MustCompile(`((?:access|refresh)-[A-Z2-7]{26})`)},
	{"sid", regexp.MustCompile(`"sid":"([^"]+)"`)},
	{"asset", regexp.MustCompile(`/ui/[a-z]+\.[a-z]+\?(?:[a-z]+=)?([\w-]{6,})`)},
	{"audit place", regexp.MustCompile(`/admin/audit\?from=([\w.%-]{6,})`)},
	{"journal entry", regexp.MustCompile(`"id":"([0-9a-f]{24})"`)},
	{"hash", regexp.MustCompile(`"(?:userHash|rcAccountHash)":"([0-9a-f]{64})"`)},
	{"node", regexp.MustCompile(`"node":"([0-9a-f]{8})"`)},
	{"revision", regexp.MustCompile(`(?:name="revision" value="|revision=)([\w-]{16,})`)},
	{"admin token", regexp.MustCompile(`"token":"([^"]{20,})"`)},
}

// numbers are durations and the positions of audit entries. Background work may add entries in between.
var numbers = regexp.MustCompile(`"(totalDuration|afterNs|entry)":\d+`)

// requestID is the id of a request in an audit entry.
var requestID = regexp.MustCompile(`"requestId":"[0-9a-f]{8}-[0-9a-z]+"`)

// plain replaces values that differ from run to run.
func (r *recorder) plain(s string) string {
	for _, k := range volatiles {
		for _, m := range k.pattern.FindAllStringSubmatch(s, -1) {
			r.name(k.kind, m[1])
		}
	}
	for _, v := range r.values {
		s = strings.ReplaceAll(s, v, r.names[v])
	}
	s = numbers.ReplaceAllString(s, `"$1":0`)
	s = requestID.ReplaceAllString(s, `"requestId":"<request>"`)
	s = anchor.ReplaceAllStringFunc(s, sortAttributes)
	host, crm := strings.TrimPrefix(r.g.URL, "http://"), strings.TrimPrefix(r.g.CRMURL, "http://")
	return strings.NewReplacer(host, "GATE", crm, "CRM", url.QueryEscape(host), "GATE", url.QueryEscape(crm), "CRM").Replace(s)
}

// anchor is a link in a developer's notes. Its attributes are rendered in a random order.
var anchor = regexp.MustCompile(`<a [^<>]*target="_blank"[^<>]*>`)

func sortAttributes(tag string) string {
	parts := regexp.MustCompile(`[a-z-]+="[^"]*"`).FindAllString(tag, -1)
	slices.Sort(parts)
	return "<a " + strings.Join(parts, " ") + ">"
}

// name returns the name of a random value.
func (r *recorder) name(kind, value string) {
	if _, ok := r.names[value]; ok {
		return
	}
	r.counts[kind]++
	r.names[value] = fmt.Sprintf("<%s %d>", kind, r.counts[kind])
	at, _ := slices.BinarySearchFunc(r.values, value, func(a, b string) int { return len(b) - len(a) })
	r.values = slices.Insert(r.values, at, value)
}

// recorded is the raw answer to a request.
type recorded struct {
	status int
	header http.Header
	body   string
}

func (r *recorder) get(path string, header ...string) recorded {
	r.t.Helper()
	return r.send("GET", path, "", header...)
}

func (r *recorder) json(path, body string, header ...string) recorded {
	r.t.Helper()
	return r.send("POST", path, body, append([]string{"Content-Type", "application/json"}, header...)...)
}

// form sends a form like a page of the server.
func (r *recorder) form(path, body string, header ...string) recorded {
	r.t.Helper()
	return r.send("POST", path, body, append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}, header...)...)
}

// send sends a request; header is names and values in turn.
func (r *recorder) send(method, path, body string, header ...string) recorded {
	r.t.Helper()
	client := r.g.client
	if r.http != nil {
		client = r.http
	}
	return r.sendBy(client, method, r.g.URL+path, body, header...)
}

func (r *recorder) sendBy(client *http.Client, method, address, body string, header ...string) recorded {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	edgetest.Must(r.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	edgetest.Must(r.t, err)
	return r.record(req.Method+" "+req.URL.RequestURI(), req.Header, body, resp)
}

// raw sends bytes as they are. The record shows title instead.
func (r *recorder) raw(title, request string) recorded {
	r.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.g.URL, "http://"))
	edgetest.Must(r.t, err)
	defer c.Close()
	edgetest.Must(r.t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(c, request)
	edgetest.Must(r.t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	edgetest.Must(r.t, err)
	return r.record("RAW "+title, nil, "", resp)
}

// record records an exchange.
func (r *recorder) record(line string, header http.Header, sent string, resp *http.Response) recorded {
	r.t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	edgetest.Must(r.t, err)
	a := recorded{resp.StatusCode, resp.Header, string(b)}
	r.n++
	fmt.Fprintf(&r.b, "\n--- %d\n%s\n", r.n, r.plain(short(line)))
	r.headers("> ", header)
	if sent != "" {
		fmt.Fprintf(&r.b, "> %q\n", r.plain(short(sent)))
	}
	id := resp.Header.Get("X-Request-Id")
	body := sortList(line, a.body)
	if id != "" {
		body = strings.ReplaceAll(body, id, "<request>")
	}
	body = r.plain(body)
	fmt.Fprintf(&r.b, "%d\n", a.status)
	shown := resp.Header.Clone()
	if shown == nil {
		shown = http.Header{}
	}
	if shown.Get("Content-Length") != "" && body != a.body { // random values may have different lengths
		shown.Set("Content-Length", "<length>")
	}
	if id != "" {
		shown.Set("X-Request-Id", "<request>")
	}
	if shown.Get("Date") != "" {
		shown.Set("Date", "<date>")
	}
	if shown.Get("Retry-After") != "" { // some are random
		shown.Set("Retry-After", "<seconds>")
	}
	if resp.Close {
		shown.Set("Connection", "close")
	}
	for _, coding := range resp.TransferEncoding {
		shown.Add("Transfer-Encoding", coding)
	}
	r.headers("< ", r.unusual(shown))
	r.body(body)
	r.claims(a)
	return a
}

// sortList sorts the lists of the control socket. The server lists people by the hashes of their ids, and simultaneous
// journal entries by their random ids.
func sortList(line, body string) string {
	var all []json.RawMessage
	if line != "GET /users" && line != "GET /journal" || json.Unmarshal([]byte(body), &all) != nil {
		return body
	}
	without := func(m json.RawMessage) string { return entryID.ReplaceAllString(string(m), "") }
	slices.SortStableFunc(all, func(a, b json.RawMessage) int { return strings.Compare(without(a), without(b)) })
	b, err := json.Marshal(all)
	if err != nil {
		return body
	}
	return string(b) + "\n"
}

var entryID = regexp.MustCompile(`"id":"[0-9a-f]{24}",?`)

// unusual omits the headers of the first answer and names the missing ones.
func (r *recorder) unusual(h http.Header) http.Header {
	if r.usual == nil {
		r.usual = h.Clone()
		r.usual.Del("Content-Length")
		r.usual.Del("Content-Type")
		return h
	}
	for name, v := range r.usual {
		switch {
		case h.Values(name) == nil:
			h.Set(name, "(missing)")
		case len(h[name]) == 1 && r.plain(h[name][0]) == v[0]:
			h.Del(name)
		}
	}
	return h
}

// headers records headers in the order of their names.
func (r *recorder) headers(mark string, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			v = r.plain(short(v))
			if first, seen := r.bodies[name+v]; seen {
				v = fmt.Sprintf("(that of %d)", first)
			} else if len(v) > 100 {
				r.bodies[name+v] = r.n
			}
			fmt.Fprintf(&r.b, "%s%s: %s\n", mark, name, v)
		}
	}
}

// body records a body. It records a long one only once.
func (r *recorder) body(body string) {
	if strings.HasPrefix(body, "openapi:") {
		body = "(the OpenAPI document)"
	}
	first, seen := r.bodies[body]
	switch {
	case body == "":
	case seen:
		fmt.Fprintf(&r.b, "(the body of %d)\n", first)
	default:
		if len(body) > 300 {
			r.bodies[body] = r.n
		}
		fmt.Fprintf(&r.b, "%s\n", strings.TrimSuffix(body, "\n"))
		if strings.HasSuffix(body, "\n") {
			r.b.WriteString("(with a line end)\n")
		}
	}
}

// claims records the claims of new session tokens.
func (r *recorder) claims(a recorded) {
	for _, token := range volatiles[0].pattern.FindAllString(a.header.Get("X-Refreshed-Jwt-Token")+" "+a.body, -1) {
		if r.read[token] {
			continue
		}
		r.read[token] = true
		parts := strings.Split(token, ".")
		head, _ := base64.RawURLEncoding.DecodeString(parts[0])
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		edgetest.Must(r.t, err)
		fmt.Fprintf(&r.b, "(%s is %s %s)\n", r.names[token], head, r.plain(string(claims)))
	}
}

// short truncates text that is deliberately too long.
func short(s string) string {
	const most = 4000
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", s[:60], len(s))
}

// compare compares the record with a file in testdata, or writes the file.
func (r *recorder) compare(name string) {
	r.t.Helper()
	file := filepath.Join("testdata", name)
	got := strings.TrimPrefix(r.b.String(), "\n")
	if *updateAnswers {
		edgetest.Must(r.t, os.WriteFile(file, []byte(got), 0o644))
		r.t.Logf("%d exchanges, %d bytes", r.n, len(got))
		return
	}
	b, err := os.ReadFile(file)
	edgetest.Must(r.t, err)
	if got == string(b) {
		return
	}
	gotten, wanted := strings.Split(got, "\n--- "), strings.Split(string(b), "\n--- ")
	shown := 0
	for i := range max(len(gotten), len(wanted)) {
		var g, w string
		if i < len(gotten) {
			g = gotten[i]
		}
		if i < len(wanted) {
			w = wanted[i]
		}
		if g == w {
			continue
		}
		if shown++; shown > 5 {
			r.t.Error("there are more differences: write the file with -update and run git diff")
			return
		}
		r.t.Errorf("got\n%s\n\nwant\n%s", g, w)
	}
}

// answerPlatforms adds the named platforms to the practice connectors; without names, platforms of every kind.
func answerPlatforms(names ...string) func(*edgetest.Options) {
	return func(f *edgetest.Options) { addPlatforms(f, names) }
}

func addPlatforms(f *edgetest.Options, names []string) {
	crm := f.Settings["PRACTICE_URL"]
	fill := strings.NewReplacer("$CRM", crm, "$HOST", strings.TrimPrefix(crm, "http://"))
	oauth := func(client, redirect, more, hosts string) string {
		return `"auth": {"type": "oauth", "oauth": {"authUrl": "$CRM/oauth/authorize", "clientId": "` + client + `", "redirectUri": "` + redirect + `"` + more +
			`}}, "crmgate": {"hosts": ["$HOST"]` + hosts + `}`
	}
	form := func(name, content string) string {
		return `"name": "` + name + `", "auth": {"type": "apiKey", "apiKey": {"page": {"title": "` + name + `", "warning": "Keep the key to yourself.", "content": [` + content +
			`]}}}, "crmgate": {"hosts": ["$HOST"]}`
	}
	const here = "{publicUrl}/redirect.html"
	const oauthInfo = `{"clientId":"` + practicecrm.ClientID + `","clientSecret":"` + practicecrm.ClientSecret + `","accessTokenUri":"$CRM/oauth/token"}`
	const managed = `, "adminManaged": {"enabled": true, "setupNotes": "1. Open **Settings**, *Applications*.\n2. Press *New*, and [read this](https://org.example/help).\n\n<script>alert(1)</script>"}`
	failure := func(status string) string { return `!{"message":"The CRM is <closed>.","status":` + status + `}` }
	ordinary := func(name string) string {
		return `"name": "` + name + `", ` + oauth(practicecrm.ClientID, here, "", "")
	}
	platforms := map[string]struct {
		manifest string
		guest    guest
	}{
		"Choose": {`"name": "Choice CRM", "environment": {"type": "selectable", "selections": [{"const": "https://eu.choice.example", "name": "Europe"},
			{"const": "https://us.choice.example", "name": "United States"}]}, ` + oauth(practicecrm.ClientID, here, "", ""), guest{"getOauthInfo": oauthInfo}},
		"paste": {`"name": "Paste CRM", "environment": {"type": "dynamic", "urlIdentifier": "*.paste.example/app*", "instructions": ["Log in", "Copy the address"]}, ` +
			oauth(practicecrm.ClientID, here, "", ""), guest{"getOauthInfo": oauthInfo}},
		"elsewhere": {`"name": "Elsewhere CRM", ` + oauth(practicecrm.ClientID, "https://client.example/redirect.html", `, "scope": "read write", "customState": "platform=elsewhere&x=1"`, ""),
			guest{"getOauthInfo": oauthInfo}},
		"short": {`"name": "Short CRM", ` + oauth(practicecrm.ClientID, here, `, "scope": "scope=read%20write"`, `, "shortState": true`), guest{"getOauthInfo": oauthInfo}},
		"org":   {`"name": "Organisation CRM", ` + oauth("", here, managed, `, "token": {}, "revoke": {"url": "$CRM/oauth/revoke"}`), guest{"getOauthInfo": `{"accessTokenUri":"$CRM/oauth/token"}`}},
		"only":  {ordinary("Only CRM"), nil},
		"own": {ordinary("Own CRM"), guest{
			"getOauthInfo": oauthInfo, "authValidation": `{"successful":false,"returnMessage":{"message":"Your licence & more.","ttl":9,"messageType":"warning","own":[1]}}`,
			"refreshUserInfo": `{"successful":true,"returnMessage":{"message":"Done","own":1},"user":{"platformAdditionalInfo":{"b":2}}}`,
			"getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-own","name":"Own <b>Person</b>","timezoneName":"Europe/Berlin","timezoneOffset":60,"overridingHostname":"own.example"},` +
				`"returnMessage":{"message":"Hello & welcome","messageType":"success","ttl":1}}`,
			"getLicenseStatus":         `{"isLicenseValid":true,"own":[1],"licenseStatus":"R&D"}`,
			"unAuthorize":              `{"returnMessage":{"ttl":1,"message":"Bye & thanks","messageType":"success","own":true}}`,
			"getOverridingOAuthOption": `{"headers":{"X-Own":"1"},"query":{"own":"1"}}`, "createCallLog": "", "getManagedAuthOptions": "",
		}},
		"failing": {ordinary("Failing CRM"), guest{
			"getOauthInfo": oauthInfo, "authValidation": failure("500"), "refreshUserInfo": failure("429"), "getLicenseStatus": failure("500"), "unAuthorize": failure("500"),
		}},
		"declining": {ordinary("Declining CRM"), guest{
			"getOauthInfo": oauthInfo, "authValidation": "", "refreshUserInfo": "", "getLicenseStatus": "", "unAuthorize": "",
		}},
		"odd":        {ordinary("Odd CRM"), guest{"getOauthInfo": oauthInfo, "authValidation": `{"successful":"yes"}`, "refreshUserInfo": `[]`, "getLicenseStatus": `[]`}},
		"refusing":   {ordinary("Refusing CRM"), guest{"getOauthInfo": oauthInfo, "getUserInfo": `{"successful":false,"returnMessage":{"message":"Not you.","messageType":"danger","ttl":5}}`}},
		"mute":       {ordinary("Mute CRM"), guest{"getOauthInfo": oauthInfo, "getUserInfo": `{"successful":false}`}},
		"broken":     {ordinary("Broken CRM"), guest{"getOauthInfo": oauthInfo, "getUserInfo": failure("500")}},
		"nameless":   {ordinary("Nameless CRM"), guest{"getOauthInfo": oauthInfo, "getUserInfo": `{"successful":true,"platformUserInfo":{"name":"No id"}}`}},
		"stopped":    {ordinary("Stopped CRM"), guest{"getOauthInfo": `{"failMessage":"Not in your country.","accessTokenUri":"$CRM/oauth/token"}`}},
		"clientless": {`"name": "Clientless CRM", ` + oauth("", here, "", ""), guest{"getOauthInfo": `{"accessTokenUri":"$CRM/oauth/token"}`}},
		"tokenless":  {ordinary("Tokenless CRM"), guest{"getOauthInfo": `{}`}},
		"abroad":     {ordinary("Abroad CRM"), guest{"getOauthInfo": `{"clientId":"x","accessTokenUri":"https://evil.example/token"}`}},
		"fields": {form("Fields CRM", `{"const": "intro", "description": "You find these under Settings.", "uiSchema": {"ui:field": "typography"}},
			{"const": "where", "title": "Show me where", "uiSchema": {"ui:field": "link", "ui:href": "https://fields.example/help?a=1&b=2"}},
			{"const": "username", "title": "User name", "type": "string", "required": true, "description": "As you write it when you log in."},
			{"const": "apiKey", "title": "API key", "type": "string", "required": true, "uiSchema": {"ui:widget": "password"}},
			{"const": "region", "title": "Region", "required": true, "options": [{"const": "eu", "title": "Europe"}, {"const": "us", "title": "United States"}]},
			{"const": "note", "title": "Note", "default": "from crmgate", "uiSchema": {"ui:widget": "textarea"}}`), guest{"getBasicAuth": `{"basic":"x"}`}},
		"team": {form("Team CRM", `{"const":"apiKey","managed":true,"required":true,"title":"API key","type":"string","uiSchema":{"ui:widget":"password"}},
			{"const":"companyId","title":"Company","managed":true,"managedFieldType":"dynamic","managedScope":"user","required":true},{"const":"region","required":true},
			{"const":"team","title":"Team","managed":true,"managedFieldType":"dynamic","managedScope":"account"}`),
			guest{"getBasicAuth": `{"basic":"x"}`, "getManagedAuthOptions": `{"options":[{"value":7,"label":"Analytical Engines"},{"value":"8","label":9}]}`}},
		"squad": {form("Squad CRM", `{"const":"apiKey","managed":true},{"const":"companyId","managed":true,"managedFieldType":"dynamic","managedScope":"user"}`),
			guest{"getBasicAuth": `{"basic":"x"}`, "getManagedAuthOptions": `!{"message":"The company is not known."}`}},
		"strictkey": {form("Strict CRM", `{"const":"apiKey","required":true}`), guest{"getBasicAuth": `!{"message":"That is not a key."}`}},
		"closedkey": {form("Closed CRM", `{"const":"apiKey","managed":true,"required":true}`), guest{"getBasicAuth": `{"basic":"x"}`, "getUserInfo": `{"successful":false,"returnMessage":{"message":"No."}}`}},
	}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(f.Connectors, name), []byte(fill.Replace(content)), 0o600); err != nil {
			panic(err)
		}
	}
	for name, p := range platforms {
		if len(names) > 0 && name != "only" && !slices.Contains(names, name) {
			continue
		}
		write(name+".json", `{"author": {"name": "crmgate"}, "platforms": {"`+name+`": {`+p.manifest+`}}}`)
		if p.guest == nil {
			continue
		}
		g := guest{"getAuthType": `{"type":"oauth"}`, "getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-` + name + `","name":"Person of ` + name + `"}}`}
		if p.guest["getBasicAuth"] != "" {
			g["getAuthType"] = `{"type":"apiKey"}`
		}
		for operation, answer := range p.guest {
			g[operation] = fill.Replace(answer)
		}
		write(name+".wasm", g.wasm())
	}
	write("manifest.json", `{ "serverUrl": "{publicUrl}/x",  "author": {"name": "crmgate"}, "version": "1.2.3", "platforms": {"only": {"name": "Only", "x": 1}} }`)
	write("releaseNotes.json", `{"1.10.0": {"practice": [{"type": "New", "description": "R&D"}], "global": ["g"]}, "1.9.0": {}}`)
}

// rcAs is the header of a RingCentral token.
func rcAs(token string, more ...string) []string {
	return append([]string{"X-RC-Access-Token", token}, more...)
}

// as is the header of a session.
func as(token string, more ...string) []string {
	return append([]string{"Authorization", "Bearer " + token}, more...)
}

const (
	asAdmin      = practicecrm.RCAdminToken
	asUser       = practicecrm.RCUserToken
	asOther      = practicecrm.RCOtherToken
	asOtherAdmin = practicecrm.RCOtherAdminToken
)

// token is the session token of an answer.
func (r *recorder) token(a recorded) string {
	r.t.Helper()
	var in struct{ JwtToken string }
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || in.JwtToken == "" {
		r.t.Fatalf("exchange %d has no session token: %d %s", r.n, a.status, a.body)
	}
	return in.JwtToken
}

// link is an answer of /authUrl.
type link struct{ AuthURL, LoginSecret string }

func (r *recorder) link(query string, header ...string) (l link) {
	r.t.Helper()
	a := r.get("/authUrl?"+query, header...)
	_ = json.Unmarshal([]byte(a.body), &l)
	return l
}

// land has a person consent at the CRM. It does not record that.
func (r *recorder) land(authURL, person string) string {
	r.t.Helper()
	landed, err := practicecrm.Browse(r.t.Context(), r.g.client, authURL, person)
	if err != nil {
		r.t.Fatalf("exchange %d: %v", r.n, err)
	}
	return landed
}

// signIn signs a person in by a bound sign-in.
func (r *recorder) signIn(platform, person string, header ...string) recorded {
	r.t.Helper()
	l := r.link("platform="+platform+"&mode=bound", header...)
	return r.get("/oauth-callback?callbackUri="+url.QueryEscape(r.land(l.AuthURL, person)), append([]string{"X-Crmgate-Login", l.LoginSecret}, header...)...)
}

// consent has a person consent for a plain sign-in. It returns the URL that the CRM redirects to, up to the state.
func (r *recorder) consent(client, person, state string) string {
	r.t.Helper()
	return r.land(r.g.CRMURL+"/oauth/authorize?response_type=code&client_id="+client+"&state="+url.QueryEscape(state)+"&redirect_uri="+r.g.URL+"/redirect.html", person)
}

func (r *recorder) front() {
	r.section("paths and methods")
	for _, path := range []string{
		"/isAlive", "/ISALIVE", "/isalive/", "/IsAlive/?x=1", "/isAlive//", "/is%41live", "/isAlive;x", "/", "/nowhere", "/connect",
		"/connect/", "/connect/%70ractice", "/connect/practice/x", "/authSession//", "/ui/other.js", "/ui/",
	} {
		r.get(path)
	}
	for _, path := range []string{"//isAlive", "/./isAlive", "/a/../isAlive"} {
		r.raw("GET "+path, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	for _, c := range [][2]string{
		{"POST", "/isAlive"}, {"DELETE", "/user/settings"}, {"PUT", "/admin/managedOAuth/cache"}, {"GET", "/apiKeyLogin"},
		{"DELETE", "/connect/practice"}, {"PATCH", "/nowhere"}, {"GET", "/unAuthorize"}, {"GET", "/admin/session"},
		{"POST", "/oauth-callback"}, {"DELETE", "/authSession/x"},
	} {
		r.send(c[0], c[1], "")
	}
	for _, path := range []string{
		"/isAlive", "/hostname", "/serverVersionInfo", "/crmManifest?platformName=practice", "/nowhere", "/apiKeyLogin",
		"/connect/practice",
	} {
		r.send("HEAD", path, "")
	}
	r.section("CORS")
	for _, path := range []string{"/apiKeyLogin", "/no/such/path", "//", "/admin/session"} {
		r.send("OPTIONS", path, "")
		r.send("OPTIONS", path, "", "Origin", "https://a.example", "Access-Control-Request-Headers", "authorization,x-a", "Access-Control-Request-Method", "POST")
	}
	r.get("/isAlive", "Origin", "https://a.example", "If-None-Match", "*")
	r.section("what is not well-formed")
	r.raw("nonsense", "nonsense\r\n\r\n")
	r.raw("HTTP/1.0", "GET /isAlive HTTP/1.0\r\n\r\n")
	r.raw("absolute form", "GET http://x/isAlive HTTP/1.1\r\nHost: x\r\n\r\n")
	r.raw("two lengths", "POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}")
	r.raw("a length and chunks", "POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	r.raw("a blank before the colon", "GET /isAlive HTTP/1.1\r\nHost : x\r\n\r\n")
	r.raw("1 MB and a byte announced", "POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n")
	r.raw("64 KB and a byte announced", "POST /unAuthorize HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n")
	r.raw("64 KB and a byte announced on GET", "GET /isAlive HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n")
	r.raw("chunks", "POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
	r.get("/isAlive?" + strings.Repeat("x", 20<<10))
	r.get("/isAlive", "X-Long", strings.Repeat("x", 20<<10))
	r.get("/isAlive?" + strings.Repeat("x", 2<<10))
	r.section("parameters")
	for _, path := range []string{
		"/crmManifest?platformName=a&platformName=b", "/crmManifest?platformName=a&platformName=a", "/oauth-callback?callbackUri=%ff",
		"/implementedInterfaces?platform=%ff", "/authUrl?platform=%ff",
	} {
		r.get(path)
	}
	r.section("bodies")
	login := `{"platform":"practicekey","apiKey":"wrong"}`
	for _, c := range [][2]string{
		{"application/json", login}, {"Application/JSON; charset=UTF-8", " " + login + "\n"}, {"application/json", `[]`}, {"application/json", ``}, {"", ""},
		{"application/x-www-form-urlencoded", "platform=practicekey&apiKey=wrong"},
		{"application/x-www-form-urlencoded", "platform=fields&additionalInfo[apiKey]=x&additionalInfo%5Bregion%5D=eu"},
		{"application/x-www-form-urlencoded", "additionalInfo[a][b]=1"}, {"application/x-www-form-urlencoded", "platform=a&platform=b"},
		{"application/x-www-form-urlencoded", "platform=%ff"},
		{"application/json", `{"platform":`}, {"application/json", `{} {}`}, {"application/json", `"platform"`},
		{"application/json", `null`}, {"application/json", "  "}, {"application/json", "{\"platform\":\"\xff\"}"},
		{"application/json", `{"platform":7}`}, {"application/xml", "<platform/>"}, {"text/plain", login}, {"multipart/form-data; boundary=x", "--x--"},
	} {
		r.send("POST", "/apiKeyLogin", c[1], "Content-Type", c[0])
	}
	r.json("/apiKeyLogin", login, "Content-Encoding", "gzip")
	r.json("/apiKeyLogin", login, "Content-Encoding", "Identity")
	r.form("/apiKeyLogin", strings.Repeat("a=1&", 500)+strings.Join(slices.Collect(func(yield func(string) bool) {
		for i := range 1001 {
			if !yield(fmt.Sprintf("f%d=1", i)) {
				return
			}
		}
	}), "&"))
	r.json("/user/refreshInfo", `{"broken":`)
}

func (r *recorder) public() {
	r.section("without a session")
	for _, path := range []string{
		"/openapi.yaml", "/serverVersionInfo", "/releaseNotes", "/crmManifest", "/crmManifest?platformName=",
		"/crmManifest?platformName=default", "/crmManifest?platformName=practice",
		"/crmManifest?platformName=practicekey", "/crmManifest?platformName=org", "/crmManifest?platformName=only",
		"/crmManifest?platformName=Practice", "/crmManifest?platformName=releaseNotes", "/crmManifest?platformName=../practice",
		"/implementedInterfaces", "/implementedInterfaces?platform=practice", "/implementedInterfaces?platform=practicekey",
		"/implementedInterfaces?platform=own", "/implementedInterfaces?platform=only", "/implementedInterfaces?platform=nowhere",
		"/implementedInterfaces?platform=a<b>&x",
		"/userInfoHash", "/userInfoHash?extensionId=102&accountId=1", "/userInfoHash?extensionId=1&extensionId=2", "/userInfoHash?extensionId=&accountId=%C3%A4+b",
		"/ui/page.js", "/ui/style.css", "/ui/icon.svg",
	} {
		r.get(path)
	}
	for _, path := range []string{"/isAlive", "/serverVersionInfo", "/implementedInterfaces?platform=practice"} {
		r.get(path, "is-debug", "true")
	}
}

func (r *recorder) compose() {
	r.section("/authUrl")
	for _, query := range []string{
		"", "platform=", "platform=nowhere", "platform=only", "platform=practicekey", "platform=practice", "platform=practice&mode=compat",
		"platform=practice&mode=bound", "platform=practice&mode=other", "platform=practice&mode=bound&mode=compat",
		"platform=Choose", "platform=Choose&hostname=https://us.choice.example/x", "platform=Choose&hostname=evil.example",
		"platform=Choose&mode=bound&hostname=eu.choice.example", "platform=choose",
		"platform=paste", "platform=paste&hostname=acme.paste.example",
		"platform=paste&mode=bound&hostname=https://acme.paste.example/app/1", "platform=paste&hostname=a%20b",
		"platform=paste&hostname=undefined",
		"platform=elsewhere", "platform=elsewhere&mode=bound", "platform=short", "platform=short&mode=bound", "platform=org",
		"platform=org&mode=bound", "platform=clientless", "platform=tokenless&mode=bound", "platform=stopped",
		"platform=practice&mode=bound&origin=" + url.QueryEscape(r.g.URL), "platform=practice&mode=bound&origin=https://evil.example",
		"platform=practice&hostname=anything.example",
	} {
		r.get("/authUrl?" + query)
	}
	r.get("/authUrl?platform=practice", rcAs("wrong")...)
	r.get("/authUrl?platform=practice&mode=bound", rcAs(asUser)...)
	r.get("/authUrl?platform=practice&mode=bound&rcAccessToken=Bearer%20" + asUser)
	r.get("/authUrl?platform=practice&mode=bound", rcAs("a\tb")...)
	r.get("/authUrl?platform=org&mode=bound", rcAs(asUser)...)
	r.section("/redirect.html")
	for _, query := range []string{"", "?code=x&state=platform=practice", "?error=access_denied&state=platform=practice", "?code=x&state=cg.forged,platform=practice"} {
		r.get("/redirect.html" + query)
	}
	l := r.link("platform=practice&mode=bound")
	r.get(strings.TrimPrefix(r.land(l.AuthURL, "ada"), r.g.URL))
}

func (r *recorder) callback() {
	r.section("plain sign-ins")
	here := r.g.URL + "/redirect.html"
	landed := func(state string) string { return r.consent(practicecrm.ClientID, "ada", state) }
	shapes := landed("platform=practice")
	for _, q := range []string{
		"", "callbackUri=", "callbackUri=undefined", "callbackUri=x", "callbackUri=x&state=%25", "callbackUri=" + here,
		"callbackUri=" + here + "?code=x", "callbackUri=" + here + "?code=x&state=%2525E0",
		"callbackUri=" + here + "?code=x&state=platform=nowhere", "callbackUri=" + here + "?code=x&state=platform=practicekey",
		"callbackUri=" + here + "?code=x&state=nothing", "callbackUri=" + here + "?code=x&state=platform=only",
		"callbackUri=" + r.g.URL + "/other.html?code=x&state=platform=practice",
		"callbackUri=https://evil.example/redirect.html?code=x&state=platform=practice",
		"callbackUri=" + here + "&state=platform=practice",
		"callbackUri=" + here + "?error=access_denied&state=platform=practice",
		"callbackUri=" + here + "?error=temporarily_unavailable&error_description=Soon&state=platform=practice",
		"callbackUri=" + here + "?error=own_error&error_description=<Own>&state=platform=practice",
		"callbackUri=" + here + "?error=own_error&state=platform=practice",
		"callbackUri=" + here + "?state=platform=practice&error=access_denied", "callbackUri=" + here + "?code=&state=platform=practice",
		"callbackUri=" + here + "?code=wrong&state=platform=practice",
		"code=wrong&state=platform=practice", "callbackUri=" + here + "?code=wrong&state=platform=practice&hostname=a%20b",
		"callbackUri=" + here + "?code=wrong&state=platform=paste&hostname=evil.example",
		"callbackUri=" + here + "?code=wrong&state=platform=practice&tokenUrl=https://evil.example/",
		"callbackUri=" + here + "?code=wrong&state=platform=practice&apiUrl=https://evil.example/",
		"callbackUri=" + here + "?code=wrong&state=cg.forged,platform=practice",
		"callbackUri=" + here + "?code=wrong&state=platform=stopped", "callbackUri=" + here + "?code=wrong&state=platform=clientless",
		"callbackUri=" + here + "?code=wrong&state=platform=tokenless", "callbackUri=" + here + "?code=wrong&state=platform=abroad",
		"callbackUri=" + here + "?code=wrong&state=platform=org",
	} {
		r.get("/oauth-callback?" + q)
	}
	r.get("/oauth-callback?callbackUri=" + shapes) // neither encoded nor the state in it
	r.get("/oauth-callback?callbackUri=" + shapes) // the code was already used
	r.get("/oauth-callback?callbackUri=" + url.QueryEscape(landed("platform=practice")) + "&hostname=undefined")
	r.get("/oauth-callback?callbackUri=" + url.QueryEscape(landed("platform%3Dpractice")))
	r.get("/oauth-callback?callbackUri=" + url.QueryEscape(landed("fillerString,platform=practice")))
	r.get("/oauth-callback?callbackUri=" + url.QueryEscape(landed("sessionId=1&platform=practice")))
	r.get("/oauth-callback?callbackUri="+url.QueryEscape(landed("platform=practice"))+"&rcAccountId=1&userEmail=ada@practice.example",
		"rc-extension-id", "hashed-extension", "rc-account-id", "hashed-account", "developer-author-name", "x")
	r.get("/oauth-callback?callbackUri="+url.QueryEscape(landed("platform=practice")), rcAs("wrong")...)
	r.get("/oauth-callback?callbackUri="+url.QueryEscape(landed("platform=practice")), rcAs(asUser)...)
	r.get("/oauth-callback?callbackUri=" + url.QueryEscape(landed("platform=paste")) + "&hostname=acme.paste.example")
	for _, platform := range []string{"own", "failing", "declining", "odd", "refusing", "mute", "broken", "nameless"} {
		r.get("/oauth-callback?callbackUri=" + url.QueryEscape(landed("platform="+platform)))
	}

	r.section("bound sign-ins")
	l := r.link("platform=practice&mode=bound")
	at := "/oauth-callback?callbackUri=" + url.QueryEscape(r.land(l.AuthURL, "grace"))
	r.get(at)
	r.get(at, "X-Crmgate-Login", "wrong")
	r.get(at, "X-Crmgate-Login", l.LoginSecret)
	r.get(at, "X-Crmgate-Login", l.LoginSecret)
	l = r.link("platform=practice&mode=bound")
	r.get("/oauth-callback?callbackUri="+url.QueryEscape(r.land(l.AuthURL, "deny")), "X-Crmgate-Login", l.LoginSecret)
	l = r.link("platform=practice&mode=bound")
	at = "/oauth-callback?callbackUri=" + url.QueryEscape(r.land(l.AuthURL, "alan"))
	r.pass(11 * time.Minute)
	r.get(at, "X-Crmgate-Login", l.LoginSecret)
	l = r.link("platform=practice&mode=bound", rcAs(asUser)...)
	at = "/oauth-callback?callbackUri=" + url.QueryEscape(r.land(l.AuthURL, "alan"))
	r.get(at, rcAs(asOther, "X-Crmgate-Login", l.LoginSecret)...)
	r.get(at+"&rcAccountId=2", rcAs(asUser, "X-Crmgate-Login", l.LoginSecret)...)
	l = r.link("platform=short&mode=bound")
	r.get("/oauth-callback?callbackUri="+url.QueryEscape(r.land(l.AuthURL, "ada")), "X-Crmgate-Login", l.LoginSecret)
	r.signIn("own", "ada")
	l = r.link("platform=paste&mode=bound&hostname=acme.paste.example")
	r.get("/oauth-callback?callbackUri="+url.QueryEscape(r.land(l.AuthURL, "ada")), "X-Crmgate-Login", l.LoginSecret)
	l = r.link("platform=practice&mode=bound")
	r.get("/oauth-callback?callbackUri="+url.QueryEscape(strings.Replace(r.land(l.AuthURL, "ada"), "platform=practice", "platform=own", 1)), "X-Crmgate-Login", l.LoginSecret)
}

// tokenAnswers signs in with every token answer of the practice CRM.
func (r *recorder) tokenAnswers() {
	r.section("token answers of CRMs")
	for _, a := range append(practicecrm.TokenAnswers(), practicecrm.PeculiarAnswers()...) {
		r.mood(practicecrm.Mood{Token: a.Name})
		r.get("/oauth-callback?callbackUri=" + url.QueryEscape(r.consent(practicecrm.ClientID, "emmy", "platform=practice")))
	}
	for _, m := range []practicecrm.Mood{
		{Status: 429, RetryAfter: 30 * time.Second}, {Status: 500}, {Status: 503}, {Status: 302},
		{Error: "invalid_client"}, {Error: "invalid_scope"}, {Error: "own_error"}, {CutBefore: true}, {CutAfter: true},
		{Me: "401"}, {Me: "500"}, {Me: "html"}, {Me: "empty"}, {Me: "cut"},
	} {
		r.mood(practicecrm.Mood{})
		landed := r.consent(practicecrm.ClientID, "emmy", "platform=practice")
		r.mood(m)
		r.get("/oauth-callback?callbackUri=" + url.QueryEscape(landed))
	}
	r.mood(practicecrm.Mood{RingCentral: "500"})
	r.get("/authUrl?platform=practice", rcAs("not-known-yet-1")...)
	r.mood(practicecrm.Mood{RingCentral: "html"})
	r.get("/authUrl?platform=practice", rcAs("not-known-yet-2")...)
	r.get("/admin/settings", rcAs("not-known-yet-2")...)
	r.mood(practicecrm.Mood{RingCentral: "cut"})
	r.get("/oauthManagedAuthState?platform=org", rcAs("not-known-yet-3")...)
	r.mood(practicecrm.Mood{RingCentral: "429"})
	r.get("/oauthManagedAuthState?platform=org", rcAs("not-known-yet-4")...)
	r.mood(practicecrm.Mood{})
}

func (r *recorder) apiKeyLogin() {
	r.section("/apiKeyLogin")
	rc := `,"rcAccessToken":"` + asUser + `"`
	for _, body := range []string{
		`{"apiKey":"x"}`, `{"platform":"","apiKey":"x"}`, `{"platform":null}`, `{"platform":"nowhere","apiKey":"x"}`,
		`{"platform":"nowhere","apiKey":"x","rcAccessToken":"wrong"}`, `{"platform":"practice","apiKey":"x"}`,
		`{"platform":"only","apiKey":"x"}`,
		`{"platform":"practicekey"}`, `{"platform":"practicekey","apiKey":"wrong"}`,
		`{"platform":"practicekey","apiKey":"` + practicecrm.APIKey + `"}`,
		`{"platform":"practicekey","apiKey":"` + practicecrm.APIKey + `"` + rc + `}`,
		`{"platform":"fields"` + rc + `}`,
		`{"platform":"fields","additionalInfo":{"username":"ada","region":"mars"},"apiKey":"x"` + rc + `}`,
		`{"platform":"fields","additionalInfo":{"username":"ada","region":"eu"},"apiKey":"x"` + rc + `}`,
		`{"platform":"fields","additionalInfo":"y","apiKey":"x"}`, `{"platform":"fields","apiKey":"x","hostname":"a b"}`,
		`{"platform":"fields","apiKey":"x","hostname":"https://acme.fields.example/x"}`, `{"platform":"fields","apiKey":["x"]}`,
		`{"platform":"strictkey","apiKey":"x"}`, `{"platform":"closedkey","apiKey":"x"}`, `{"platform":"closedkey","apiKey":"x"` + rc + `}`,
	} {
		r.json("/apiKeyLogin", body, "rc-extension-id", "hashed-extension")
	}
	r.mood(practicecrm.Mood{Me: "500"})
	r.json("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`)
	r.mood(practicecrm.Mood{})
	r.send("POST", "/apiKeyLogin?rcAccessToken="+asUser, "platform=fields&additionalInfo[apiKey]=k&additionalInfo[username]=ada&additionalInfo[region]=us", "Content-Type", "application/x-www-form-urlencoded")
}

// jwt signs claims like the server, or with another algorithm name or key.
func jwt(head, claims, key string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (r *recorder) sessions() {
	r.section("session routes")
	ghost := r.token(r.signIn("practice", "robert"))
	r.send("POST", "/unAuthorize", "", as(ghost)...)
	now := r.g.Now().Unix()
	const hs256 = `{"alg":"HS256","typ":"JWT"}`
	claims := func(more string) string {
		return fmt.Sprintf(`{"id":"1-practice","platform":"practice","iat":%d%s}`, now, more)
	}
	exp := fmt.Sprintf(`,"exp":%d`, now+3600)
	forged := map[string]string{
		"other key":       jwt(hs256, claims(exp), "another session key of at least 32 bytes"),
		"other algorithm": jwt(`{"alg":"HS512","typ":"JWT"}`, claims(exp), answersKey),
		"none":            jwt(`{"alg":"none"}`, claims(exp), answersKey),
		"expired":         jwt(hs256, claims(fmt.Sprintf(`,"exp":%d`, now-1)), answersKey), "without exp": jwt(hs256, claims(""), answersKey),
		"without sid": jwt(hs256, claims(exp), answersKey), "other sid": jwt(hs256, claims(exp+`,"sid":"AAAA"`), answersKey),
	}
	routes := [][2]string{
		{"GET", "/hostname"}, {"GET", "/authValidation"}, {"GET", "/licenseStatus"}, {"POST", "/unAuthorize"},
		{"POST", "/user/refreshInfo"}, {"GET", "/user/settings"}, {"POST", "/user/settings"},
		{"GET", "/admin/settings"}, {"GET", "/admin/managedAuth"}, {"POST", "/admin/managedAuth"},
	}
	for _, c := range routes {
		r.send(c[0], c[1], "")
		r.send(c[0], c[1]+"?jwtToken=undefined", "")
		r.send(c[0], c[1], "", as("bad")...)
		r.send(c[0], c[1], "", as(ghost)...)
		r.send(c[0], c[1]+"?jwtToken="+ghost, "")
	}
	for _, name := range slices.Sorted(maps.Keys(forged)) {
		r.section("a forged session token: " + name)
		r.get("/hostname", as(forged[name])...)
		r.get("/hostname?jwtToken=" + forged[name])
		r.get("/authValidation?jwtToken=" + forged[name])
	}
	r.section("live sessions")
	for _, platform := range []string{"practice", "own", "failing", "declining", "odd"} {
		token := r.token(r.signIn(platform, "ada"))
		r.get("/hostname", as(token)...)
		r.get("/hostname?jwtToken=" + token)
		r.get("/hostname?jwtToken="+token, "Authorization", "Basic x")
		r.get("/hostname?jwtToken="+token, as("bad")...)
		r.get("/hostname?jwtToken=" + token + "&jwtToken=x")
		r.get("/authValidation", "Authorization", "bEARER "+token)
		r.get("/licenseStatus", as(token)...)
		r.send("POST", "/user/refreshInfo", "", as(token)...)
		r.get("/user/settings", as(token)...)
		r.send("POST", "/unAuthorize", "", as(token)...)
		r.send("POST", "/unAuthorize", "", as(token)...)
		r.get("/authValidation", as(token)...)
	}
	key := r.token(r.json("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`))
	for _, c := range routes[:3] {
		r.send(c[0], c[1], "", as(key)...)
	}
	r.send("POST", "/user/refreshInfo", "", as(key)...)
	again := r.token(r.json("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`))
	r.mood(practicecrm.Mood{Me: "401"})
	r.get("/authValidation", as(again)...)
	r.mood(practicecrm.Mood{Me: "500"})
	r.get("/authValidation", as(again)...)
	r.mood(practicecrm.Mood{})
	r.send("POST", "/unAuthorize", "", as(key)...)
	r.get("/hostname", as(again)...)
}

// renewals uses access tokens and session tokens that expire soon.
func (r *recorder) renewals() {
	r.section("renewals")
	token := r.token(r.signIn("practice", "ada"))
	other := r.token(r.signIn("own", "ada"))
	r.pass(2 * time.Hour)
	r.get("/authValidation", as(token)...)
	for _, m := range []practicecrm.Mood{
		{Status: 503}, {Status: 429, RetryAfter: 30 * time.Second}, {CutBefore: true}, {Token: "html"}, {Token: "no token"}, {Error: "own_error"}, {Error: "invalid_client"},
	} {
		r.pass(3 * time.Hour)
		r.mood(m)
		r.get("/authValidation", as(token)...)
		r.get("/authValidation", as(token)...)
		r.send("POST", "/user/refreshInfo", "", as(token)...)
		r.get("/licenseStatus", as(token)...)
		r.mood(practicecrm.Mood{})
		r.pass(time.Hour)
		r.get("/authValidation", as(token)...)
	}
	token = r.token(r.signIn("practice", "ada"))
	r.pass(2 * time.Hour)
	r.mood(practicecrm.Mood{Error: "invalid_grant"})
	r.get("/authValidation", as(token)...)
	r.get("/authValidation", as(token)...)
	r.send("POST", "/user/refreshInfo", "", as(token)...)
	r.get("/licenseStatus", as(token)...)
	r.get("/authValidation", as(other)...)
	r.mood(practicecrm.Mood{Revoke: "500"})
	r.send("POST", "/unAuthorize", "", as(token)...)
	r.mood(practicecrm.Mood{})
	token = r.token(r.signIn("practice", "ada"))
	r.pass(7*24*time.Hour - time.Second)
	r.get("/hostname", as(token)...)
	r.pass(time.Second)
	for _, path := range []string{"/hostname", "/user/settings", "/authValidation", "/admin/settings", "/licenseStatus"} {
		r.get(path, as(token)...)
	}
	r.get("/implementedInterfaces?platform=practice", as(token)...)
	r.pass(7 * 24 * time.Hour)
	r.get("/hostname", as(token)...)
	r.get("/hostname?jwtToken=" + token)
}

func (r *recorder) settings() {
	r.section("settings")
	session := r.token(r.signIn("practice", "ada"))
	digest := sha256.Sum256([]byte("1:salt"))
	hash := fmt.Sprintf("?rcAccountId=%x", digest)
	both := func(token string) []string { return as(session, rcAs(token)...) }
	admin := func(body string, token ...string) {
		r.t.Helper()
		r.json("/admin/settings", body, rcAs(append(token, asAdmin)[0])...)
	}
	r.get("/admin/settings", both(asAdmin)...)
	r.get("/admin/settings", both(asUser)...)
	r.get("/admin/settings", both("wrong")...)
	r.get("/admin/settings", as(session)...)
	r.get("/admin/settings?rcAccessToken="+asAdmin, as(session)...)
	for _, path := range []string{"", "?rcAccountId=", "?rcAccessToken=bad", hash, "?rcAccountId=nobody", "?rcAccessToken=" + asUser} {
		r.get("/user/preloadSettings" + path)
	}
	r.get("/user/settings"+hash, as(session)...)
	for _, body := range []string{
		``, `{}`, `{"adminSettings":null}`, `{"adminSettings":5}`, `{"adminSettings":{"userSettings":[]}}`,
		`{"adminSettings":{"userMappings":` + strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat("}", 101) + `}}`,
		`{"adminSettings":{"customAdapter":"` + strings.Repeat("x", 256<<10) + `"}}`,
	} {
		admin(body)
	}
	admin(`{"adminSettings":{"userSettings":{"a":1}}}`, asUser)
	r.json("/admin/settings", `{"adminSettings":{"userSettings":{"a":1}}}`)
	admin(`{"adminSettings":{"userMappings":[{"a": 1}],"id":"x","own":2}}`)
	r.get("/admin/settings", both(asAdmin)...)
	r.pass(time.Minute)
	admin(`{"adminSettings":{"userSettings":{"a":{"customizable":true,"value":1},"b":{"value":2},"plugin_p":{"customizable":true,"value":{"config":{"k":{"value":1}}}}},"customAdapter":"x&<y>"}}`)
	r.get("/admin/settings", both(asAdmin)...)
	r.get("/admin/settings", both(asOtherAdmin)...)
	r.get("/user/preloadSettings" + hash)
	r.get("/user/preloadSettings", rcAs(asOther)...)
	for _, body := range []string{
		``, `{"userSettings":null}`, `{"userSettings":[1]}`, `{"settingKeysToRemove":[{}]}`, `{"settingKeysToRemove":"a"}`,
		`{"userSettings":{"a":01}}`, `{"userSettings":{"x":"` + strings.Repeat("x", 64<<10) + `"}}`,
		`{"userSettings":{"a":{"value":3},"b":{"value":4},"c":{"value":5},"plugin_p":{"value":{"config":{"k":{"value":2},"l":{"value":3}}}}}}`,
		`{"userSettings":{"n":[12345678901234567890.10,1e999,"\u00e9\/"]},"settingKeysToRemove":["c","nothing"]}`,
	} {
		r.json("/user/settings", body, as(session)...)
	}
	r.get("/user/settings", as(session)...)
	r.get("/user/settings"+hash, as(session)...)
	r.get("/user/settings", both(asUser)...)
	r.get("/user/settings?rcAccountId=nobody", as(session)...)
	admin(`{"adminSettings":{"userSettings":{"a":{"isRemoved":true},"b":null},"customAdapter":null}}`)
	r.get("/user/settings"+hash, as(session)...)
	r.get("/admin/settings", both(asAdmin)...)
}

func (r *recorder) managedFields() {
	r.section("managed fields")
	for _, query := range []string{
		"", "?platform=", "?platform=team", "?platform=nowhere&rcAccessToken=" + asUser, "?platform=fields&rcAccessToken=" + asUser,
		"?platform=team&rcAccessToken=" + asUser, "?platform=team&rcAccessToken=wrong", "?platform=practice&rcAccessToken=" + asUser,
		"?platform=closedkey&rcAccessToken=" + asUser,
	} {
		r.get("/apiKeyManagedAuthState" + query)
	}
	login := func(platform, members, token string) recorded {
		r.t.Helper()
		return r.json("/apiKeyLogin", `{"platform":"`+platform+`",`+members+`,"rcAccessToken":"`+token+`"}`)
	}
	login("team", `"additionalInfo":{}`, asUser)
	login("team", `"additionalInfo":{"apiKey":"********","companyId":"c","region":"eu"}`, asUser)
	login("team", `"additionalInfo":{"apiKey":["k"],"companyId":"c","region":"eu"}`, asUser)
	session := r.token(login("team", `"additionalInfo":{"apiKey":"k-1","companyId":"c-1","region":"eu"}`, asAdmin))
	login("team", `"additionalInfo":{"region":"eu"}`, asUser)
	r.get("/apiKeyManagedAuthState?platform=team", rcAs(asUser)...)
	both := func(token string) []string { return as(session, rcAs(token)...) }
	r.get("/admin/managedAuth", as(session)...)
	for _, token := range []string{asAdmin, asUser, asOtherAdmin, "wrong"} {
		r.get("/admin/managedAuth", both(token)...)
	}
	for _, body := range []string{
		``, `{}`, `{"values":{"apiKey":"k-2","team":"t-1","later":"l"}}`, `{"values":{"apiKey":["k"]}}`, `{"values":[]}`,
		`{"values":{"apiKey":"` + strings.Repeat("x", 8<<10+1) + `"}}`, `{"scope":"user","values":{"companyId":"7"}}`,
		`{"scope":"user","rcExtensionId":102,"rcUserName":"Grace Hopper","values":{"companyId":7}}`,
		`{"scope":"user","rcExtensionId":"103","values":{"companyId":"8"}}`,
		`{"scope":"user","rcExtensionId":"103","fieldsToRemove":["companyId"]}`, `{"scope":"other","values":{}}`,
		`{"values":{"apiKey":"********"},"fieldsToRemove":["team"]}`,
		`{"scope":"user","rcExtensionId":"` + strings.Repeat("1", 65) + `","values":{"companyId":"8"}}`,
	} {
		r.json("/admin/managedAuth", body, both(asAdmin)...)
	}
	r.json("/admin/managedAuth", `{"values":{"apiKey":"k-3"}}`, both(asUser)...)
	r.json("/admin/managedAuth", `{"values":{"apiKey":"k-3"}}`, both(asOtherAdmin)...)
	r.get("/admin/managedAuth", both(asAdmin)...)
	for _, c := range [][2]string{
		{"", `{"fieldConst":"companyId"}`}, {"?platform=team", `{}`}, {"?platform=team", `{"fieldConst":"apiKey"}`},
		{"?platform=team", `{"fieldConst":"companyId"}`}, {"?platform=team", `{"fieldConst":"companyId","accountValues":{"apiKey":"k"}}`},
		{"?platform=team", `{"fieldConst":"team"}`}, {"?platform=team", `{"fieldConst":"no<thing>"}`},
		{"?platform=squad", `{"fieldConst":"companyId"}`}, {"?platform=nowhere", `{"fieldConst":"companyId"}`},
		{"?platform=fields", `{"fieldConst":"region"}`},
	} {
		r.json("/admin/managedAuth/options"+c[0], c[1], rcAs(asAdmin)...)
	}
	r.json("/admin/managedAuth/options?platform=team", `{"fieldConst":"companyId"}`, rcAs(asUser)...)
	r.json("/admin/managedAuth/options?platform=team", `{"fieldConst":"companyId"}`)
	login("closedkey", `"apiKey":"k"`, asUser)
	r.get("/apiKeyManagedAuthState?platform=closedkey", rcAs(asUser)...)
	oauth := r.token(r.signIn("practice", "ada", rcAs(asAdmin)...))
	r.get("/admin/managedAuth", as(oauth, rcAs(asAdmin)...)...)
}

func (r *recorder) managedApp() {
	r.section("an organisation's application")
	state := func(token string) { r.t.Helper(); r.get("/oauthManagedAuthState?platform=org", rcAs(token)...) }
	enter := func(body, token string) {
		r.t.Helper()
		r.json("/admin/managedOAuth/cache", body, rcAs(token)...)
	}
	const good = `{"values":{"clientId":"acme-client","clientSecret":"acme-secret+/%~=","unknown":"x","scopes":""}}`
	for _, path := range []string{
		"", "?platform=org", "?platform=nowhere&rcAccessToken=" + asAdmin, "?platform=practice&rcAccessToken=" + asUser,
		"?platform=org&rcAccessToken=wrong",
	} {
		r.get("/oauthManagedAuthState" + path)
	}
	state(asUser)
	state(asAdmin)
	enter(good, "wrong")
	enter(good, asUser)
	r.json("/admin/managedOAuth/cache", good)
	for _, values := range []string{
		`"clientId":"acme-client","clientSecret":"wrong"`, `"clientSecret":"x"`,
		`"clientId":"acme-client","clientSecret":"acme-secret+/%~=","accessTokenUri":"https://evil.example/token"`,
		`"clientId":"a\nb","clientSecret":"x"`, `"clientId":7`, `"clientId":"x","clientSecret":"********"`,
		`"clientId":"` + strings.Repeat("x", 5000) + `","clientSecret":"x"`,
		`"clientId":"acme-client","clientSecret":"acme-secret+/%~=","authorizationUri":"javascript:alert(1)"`,
	} {
		enter(`{"values":{`+values+`}}`, asAdmin)
	}
	for _, body := range []string{
		`{"platform":"practicekey",` + good[1:], `{"platform":"nowhere",` + good[1:], `{"platform":"practice",` + good[1:],
		`{"values":[]}`, `{}`,
	} {
		enter(body, asAdmin)
	}
	r.link("platform=org&mode=bound", rcAs(asUser)...)
	enter(good, asAdmin)
	for _, token := range []string{asAdmin, practicecrm.RCSecondToken, asUser, asOtherAdmin} {
		state(token)
	}
	r.send("DELETE", "/admin/managedOAuth/cache", "", rcAs(asOtherAdmin)...)
	r.send("DELETE", "/admin/managedOAuth/cache", "", rcAs(asUser)...)
	r.send("DELETE", "/admin/managedOAuth/cache?platform=org", "", rcAs(asAdmin)...)
	state(asAdmin)
	enter(good, asAdmin)
	r.link("platform=org&mode=bound", rcAs(asUser)...)
	r.get("/oauth-callback?rcAccountId=2&callbackUri=" + url.QueryEscape(r.consent("acme-client", "ada", "platform=org")))
	mine := r.token(r.signIn("org", "ada", rcAs(asAdmin)...))
	state(asUser)
	state(asAdmin)
	theirs := r.token(r.get("/oauth-callback?rcAccountId=1&callbackUri=" + url.QueryEscape(r.consent("acme-client", "alan", "platform=org"))))
	r.get("/authValidation", as(theirs)...)
	enter(`{"platform":"org","values":{"clientId":"acme-client","clientSecret":"********","scopes":"read"}}`, asAdmin)
	enter(`{"platform":"org","values":{"clientId":"acme-second","clientSecret":"********"}}`, asAdmin)
	state(asAdmin)
	r.pass(2 * time.Hour)
	r.get("/authValidation", as(mine)...)
	r.send("DELETE", "/admin/managedOAuth/account", "", rcAs(asAdmin)...)
	r.send("DELETE", "/admin/managedOAuth/account", "", rcAs(asUser)...)
	revoked := r.g.CRM.Counts().Revoke
	r.send("DELETE", "/admin/managedOAuth/account?platform=org", "", rcAs(asAdmin)...)
	r.get("/hostname", as(mine)...)
	r.get("/authValidation", as(theirs)...)
	state(asAdmin)
	r.revoked(revoked + 2)
	r.send("DELETE", "/admin/managedOAuth/account?platform=nowhere", "", rcAs(asAdmin)...)
}

// revoked waits until the CRM was asked n times to revoke something.
func (r *recorder) revoked(n int) {
	r.t.Helper()
	for range 1000 {
		if r.g.CRM.Counts().Revoke >= n {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.t.Fatalf("the CRM was asked %d times to revoke something, want %d", r.g.CRM.Counts().Revoke, n)
}

func (r *recorder) adminPages() {
	r.section("an admin's pages, refusals")
	paths := [][3]string{
		{"GET", "/admin", ""}, {"GET", "/admin/org", ""}, {"POST", "/admin/org", "fields[clientId]=x"}, {"POST", "/admin/try/org", ""},
		{"POST", "/admin/drop/org", ""}, {"GET", "/admin/remove/org", ""}, {"POST", "/admin/remove/org", ""},
		{"GET", "/admin/people/org", ""},
		{"GET", "/admin/end/org", ""}, {"POST", "/admin/end/org", ""}, {"GET", "/admin/fields/team", ""},
		{"POST", "/admin/fields/team", "remove=apiKey"}, {"GET", "/admin/audit", ""}, {"POST", "/admin/leave", ""},
	}
	for _, p := range paths {
		if p[0] == "GET" {
			r.get(p[1])
			r.get(p[1], "Cookie", "crmgate-admin=forged")
			continue
		}
		r.form(p[1], p[2])
		r.send("POST", p[1], p[2], "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site", "Cookie", "crmgate-admin=forged")
		r.send("POST", p[1], p[2], "Content-Type", "application/x-www-form-urlencoded")
		r.send("POST", p[1], p[2], "Content-Type", "application/x-www-form-urlencoded", "Origin", r.g.URL)
	}
	r.section("an admin signs in")
	r.form("/admin/session", "")
	r.form("/admin/session", "token=wrong")
	r.form("/admin/session", "token="+asUser)
	r.send("POST", "/admin/session", "token="+asAdmin, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-site")
	r.send("POST", "/admin/session", "x", "Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin")
	r.send("POST", "/admin/session", "", rcAs("wrong")...)
	r.send("POST", "/admin/session", "", rcAs(asUser)...)
	r.send("POST", "/admin/session", "", rcAs(asAdmin)...)
	r.send("POST", "/admin/session?rcAccessToken="+asAdmin, "")

	admin, other := r.browser(), r.browser()
	seen := func(path string) string {
		_, rest, _ := strings.Cut(r.get(path).body, `name="revision" value="`)
		revision, _, _ := strings.Cut(rest, `"`)
		return "revision=" + revision
	}
	admin(func() {
		r.form("/admin/session", "token=Bearer+"+asAdmin)
		r.get("/admin")
		r.section("an admin's application")
		r.get("/admin/org")
		r.get("/admin/ORG")
		r.get("/admin/practice")
		r.get("/admin/nowhere")
		r.get("/admin/no.name")
		r.form("/admin/try/org", "")
		r.form("/admin/org", "")
		r.send("POST", "/admin/org", "x", "Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin")
		r.form("/admin/org", "fields[clientId]=acme-client&fields[clientSecret]=wrong-secret")
		r.form("/admin/org", seen("/admin/org")+"&fields[clientId]=acme-client&fields[clientSecret]=x")
		a := r.form("/admin/org", "fields[clientId]=acme-client&fields[clientSecret]="+url.QueryEscape("acme-secret+/%~="))
		r.get("/admin/org")
		r.get("/admin")
		landed := r.lead(a, "ada")
		r.get(landed)
		r.get(landed)
		r.get("/admin")
		r.get("/admin/org")
		r.form("/admin/org", "fields[clientId]=acme-second&fields[clientSecret]=second-secret")
		r.form("/admin/org", seen("/admin/org")+"&fields[clientId]=acme-second&fields[clientSecret]=second-secret")
		r.get("/admin/org")
		r.form("/admin/drop/org", "revision=outdated")
		r.form("/admin/drop/org", seen("/admin/org"))
		r.form("/admin/drop/org", seen("/admin/org"))
		r.form("/admin/org", seen("/admin/org")+"&fields[clientId]=acme-second&fields[clientSecret]=second-secret")
		r.get(r.lead(r.form("/admin/try/org", seen("/admin/org")), "deny"))
		r.signIn("org", "grace", rcAs(asUser)...)
		r.pass(time.Minute)
		r.section("an admin's people")
		r.get("/admin/people/org")
		r.get("/admin/people/org?after=1-org")
		r.get("/admin/people/org?after=a&after=b")
		r.get("/admin/people/practice")
		r.get("/admin/people/nowhere")
		r.get("/admin/end/org")
		r.get("/admin/end/org?user=7-org")
		r.get("/admin/end/org?user=nobody")
		r.get("/admin/end/org?user=a&user=b")
		r.form("/admin/end/org", "user=nobody")
		revoked := r.g.CRM.Counts().Revoke
		r.form("/admin/end/org", "user=7-org")
		r.revoked(revoked + 1)
		r.pass(time.Minute)
		r.get("/admin/people/org")
		r.signIn("practice", "grace", rcAs(asUser)...)
		r.pass(time.Minute)
		r.get("/admin/people/practice")
		r.get("/admin/end/practice")
		r.form("/admin/end/nowhere", "")
		revoked = r.g.CRM.Counts().Revoke
		r.form("/admin/end/practice", "")
		r.pass(5 * time.Minute)
		r.form("/admin/end/practice", "") // makes the server read the queue
		r.revoked(revoked + 3)
		r.get("/admin/people/practice")
		r.section("an admin removes the application")
		r.get("/admin/remove/org")
		r.get("/admin/remove/nowhere")
		r.form("/admin/remove/nowhere", "")
		r.form("/admin/remove/org", "")
		r.form("/admin/remove/org", seen("/admin/org"))
		r.get("/admin/org")
		r.section("an admin's fields")
		r.get("/admin/fields/team")
		r.get("/admin/fields/team?extension=102")
		r.get("/admin/fields/team?extension=" + strings.Repeat("1", 65))
		r.get("/admin/fields/squad?extension=102")
		r.get("/admin/fields/fields")
		r.get("/admin/fields/nowhere")
		r.form("/admin/fields/team", "fields[apiKey]=k-9&fields[region]=x")
		r.form("/admin/fields/team", "extension=104&name=Alan+Turing&fields[companyId]=7")
		r.form("/admin/fields/team", seen("/admin/fields/team")+"&fields[apiKey]="+strings.Repeat("x", 8<<10+1))
		r.form("/admin/fields/team", "remove=apiKey")
		r.form("/admin/fields/team", seen("/admin/fields/team")+"&remove=apiKey")
		r.form("/admin/fields/nowhere", "")
		r.get("/admin/fields/team")
		r.section("an admin's audit log")
		a = r.get("/admin/audit")
		if _, rest, more := strings.Cut(a.body, `href="/admin/audit?from=`); more {
			from, _, _ := strings.Cut(rest, `"`)
			r.get("/admin/audit?from=" + from)
		}
		r.get("/admin/audit?from=x")
		r.get("/admin/audit?from=x&from=y")
	})
	other(func() {
		r.section("an admin of another organisation")
		r.form("/admin/session", "token="+asOtherAdmin)
		for _, path := range []string{"/admin", "/admin/org", "/admin/people/org", "/admin/end/org?user=7-org", "/admin/fields/team", "/admin/audit"} {
			r.get(path)
		}
		r.form("/admin/leave", "")
		r.get("/admin")
	})
	admin(func() {
		r.pass(31 * time.Minute)
		r.get("/admin")
		r.form("/admin/drop/org", "")
		r.form("/admin/leave", "")
		r.get("/admin")
	})
}

// trouble has the CRM reject an organisation's application.
func (r *recorder) trouble() {
	r.section("an application that the CRM rejects")
	admin := r.browser()
	const values = `{"values":{"clientId":"acme-client","clientSecret":"acme-secret+/%~="}}`
	r.json("/admin/managedOAuth/cache", values, rcAs(asAdmin)...)
	session := r.token(r.signIn("org", "ada", rcAs(asAdmin)...))
	r.g.CRM.Register("acme-client", "rotated-at-the-crm")
	r.pass(2 * time.Hour)
	r.get("/authValidation", as(session)...)
	admin(func() {
		r.form("/admin/session", "token="+asAdmin)
		r.get("/admin")
		r.get("/admin/org")
		r.get("/admin/people/org")
		r.get("/admin/audit")
	})
	r.signIn("org", "grace", rcAs(asUser)...)
	r.g.CRM.Register("acme-client", "acme-secret+/%~=")
	r.pass(2 * time.Hour)
	r.get("/authValidation", as(session)...)
	r.send("POST", "/unAuthorize", "", as(session)...)
	r.send("DELETE", "/admin/managedOAuth/account?platform=org", "", rcAs(asAdmin)...)
}

// lead follows a page to the CRM, has a person consent there, and returns the path that the browser lands on.
func (r *recorder) lead(a recorded, person string) string {
	r.t.Helper()
	_, to, ok := strings.Cut(a.header.Get("Refresh"), "0; url=")
	if !ok {
		r.t.Fatalf("exchange %d leads nowhere: %d %s", r.n, a.status, a.body)
	}
	return strings.TrimPrefix(r.land(to, person), r.g.URL)
}

func (r *recorder) connectPages() {
	r.section("pages for people")
	person, stranger := r.browser(), r.browser()
	for _, path := range []string{"/", "/nowhere", "/apiKeyLogin"} {
		r.send("GET", path, "", "Accept", "text/html")
	}
	person(func() {
		for _, path := range []string{
			"practice", "PRACTICE", "practice/", "Choose", "Choose?hostname=us.choice.example", "Choose?hostname=evil.example", "paste",
			"paste?hostname=acme.paste.example", "elsewhere", "org", "only", "nowhere", "a-b_c", "fields", "team", "practicekey",
			"practice?session=AAAAAAAAAAAAAAAAAAAAAA", "practice?session=a&session=b",
		} {
			r.get("/connect/" + path)
		}
		r.section("people connect by OAuth")
		landed := r.lead(r.form("/connect/practice", ""), "robert")
		stranger(func() { r.get(landed) })
		r.get(landed)
		r.get(landed)
		r.get(r.lead(r.form("/connect/practice", ""), "deny"))
		landed = r.lead(r.form("/connect/practice", ""), "ada")
		r.pass(11 * time.Minute)
		r.get(landed)
		r.mood(practicecrm.Mood{Token: "html with status 502"})
		r.get(r.lead(r.form("/connect/practice", ""), "ada"))
		r.mood(practicecrm.Mood{})
		r.get(r.lead(r.form("/connect/own", ""), "ada"))
		r.get(r.lead(r.form("/connect/refusing", ""), "ada"))
		r.get(r.lead(r.form("/connect/mute", ""), "ada"))
		r.get(r.lead(r.form("/connect/broken", ""), "ada"))
		r.form("/connect/Choose", "")
		r.form("/connect/Choose", "hostname=https://evil.example")
		r.get(r.lead(r.form("/connect/Choose", "hostname=https://us.choice.example"), "ada"))
		r.form("/connect/paste", "")
		r.form("/connect/paste", "hostname="+url.QueryEscape(`"><script>alert(1)</script>`))
		r.form("/connect/paste", "hostname=https://paste.example.evil.example/")
		r.get(r.lead(r.form("/connect/paste", "hostname="+url.QueryEscape(" https://acme.paste.example/app/deals?x=1 ")), "ada"))
		r.get(r.lead(r.form("/connect/short", ""), "ada"))
		for _, platform := range []string{"elsewhere", "org", "only", "nowhere", "stopped", "clientless", "tokenless"} {
			r.form("/connect/"+platform, "")
		}
		r.section("people connect with a key")
		r.form("/connect/practicekey", "")
		r.form("/connect/practicekey", "fields[apiKey]=wrong")
		r.form("/connect/practicekey", "fields[apiKey]=+"+practicecrm.APIKey)
		r.form("/connect/fields", "fields[username]=ada%3Cb%3E&fields[apiKey]=canary&fields[region]=mars")
		r.form("/connect/fields", "fields[username]=ada&fields[apiKey]=canary&fields[region]=eu")
		r.form("/connect/strictkey", "fields[apiKey]=x")
		r.form("/connect/closedkey", "fields[apiKey]=x")
		r.form("/connect/team", "fields[region]=eu")
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "none"}, {"Origin", "https://evil.example"}, {"Origin", r.g.URL}, {}} {
			r.send("POST", "/connect/practicekey", "fields[apiKey]=wrong", append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
		}
		r.send("POST", "/connect/practicekey", "{}", "Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin")
		r.form("/connect/practicekey", "fields[a][b]=x")
	})
}

func (r *recorder) authSessions() {
	r.section("clients that wait")
	person, stranger := r.browser(), r.browser()
	open := func(body string, header ...string) (id, secret string) {
		r.t.Helper()
		var w struct{ ID, LoginSecret string }
		_ = json.Unmarshal([]byte(r.json("/authSession", body, header...).body), &w)
		return w.ID, w.LoginSecret
	}
	poll := func(id, secret string) { r.t.Helper(); r.get("/authSession/"+id, "X-Crmgate-Login", secret) }
	for _, body := range []string{
		``, `{}`, `{"platform":"nowhere"}`, `{"platform":"only"}`, `{"platform":"paste","hostname":"evil.example"}`,
		`{"platform":"practice","rcAccessToken":"wrong"}`, `{"platform":7}`,
	} {
		open(body)
	}
	r.send("POST", "/authSession", "x", "Content-Type", "text/plain")
	person(func() {
		id, secret := open(`{"platform":"practice","rcAccessToken":"`+asUser+`"}`, "rc-extension-id", "hashed", "Origin", "https://app.example")
		r.get("/authSession/" + id)
		poll(id, "wrong")
		r.get("/connect/practice?session=" + id)
		stranger(func() {
			r.get("/connect/practice?session=" + id)
			r.form("/connect/practice", "session="+id)
		})
		r.form("/connect/own", "session="+id)
		landed := r.lead(r.form("/connect/practice", "session="+id), "ada")
		stranger(func() { r.get(landed) })
		r.get(landed)
		poll(id, secret)
		poll(id, secret)
		r.get("/connect/practice?session=" + id)

		id, secret = open(`{"platform":"practice"}`)
		r.get(r.lead(r.form("/connect/practice", "session="+id), "deny"))
		poll(id, secret)
		id, secret = open(`{"platform":"practicekey"}`)
		r.form("/connect/practicekey", "session="+id+"&fields[apiKey]=wrong")
		r.form("/connect/practicekey", "session="+id+"&fields[apiKey]="+practicecrm.APIKey)
		poll(id, secret)
		id, secret = open(`{"platform":"practice"}`)
		landed = r.lead(r.form("/connect/practice", "session="+id), "ada")
		r.pass(10 * time.Minute)
		poll(id, secret)
		r.get(landed)
		r.get("/connect/practice?session=" + id)
	})
	poll("AAAAAAAAAAAAAAAAAAAAAA", "x")
	poll("no.id", "x")
	open(`{"platform":"paste","hostname":"acme.paste.example"}`)
	open(`{"platform":"org"}`, rcAs(asUser)...)
}

// socket returns a client of the control socket.
func (r *recorder) socket() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(r.g.Data, "control.sock"))
	}}}
}

func (r *recorder) control() {
	r.section("the control socket")
	client := r.socket()
	defer client.CloseIdleConnections()
	send := func(method, path string) recorded {
		r.t.Helper()
		return r.sendBy(client, method, "http://crmgate"+path, "")
	}
	r.signIn("practice", "ada")
	r.mood(practicecrm.Mood{Token: "custom path"})
	r.get("/oauth-callback?callbackUri=" + url.QueryEscape(r.consent(practicecrm.ClientID, "emmy", "platform=practice")))
	r.mood(practicecrm.Mood{})
	for _, path := range []string{
		"/users", "/users/practice/1-practice", "/users/practicekey/2-practicekey", "/users/practice/nobody", "/users/nowhere/1",
		"/nowhere", "/users/practice",
	} {
		send("GET", path)
	}
	var kept []struct{ ID string }
	_ = json.Unmarshal([]byte(send("GET", "/journal").body), &kept)
	for _, id := range []string{"nothing", strings.Repeat("0", 24)} {
		send("POST", "/journal/"+id)
		send("DELETE", "/journal/"+id)
	}
	if len(kept) == 0 {
		r.t.Fatal("no token answer is kept")
	}
	send("POST", "/journal/"+kept[0].ID+"?dry")
	send("POST", "/journal/"+kept[0].ID)
	send("DELETE", "/journal/"+kept[0].ID)
	send("GET", "/audit?user=1-practice&platform=practice")
	send("GET", "/audit?since=x")
	send("GET", "/audit?since=2026-12-01T00:00:00Z&platform=practice&user=2-practice")
	send("PUT", "/users")
	send("DELETE", "/users/practice/1-practice")
	send("DELETE", "/users/practice/1-practice")
	send("GET", "/users/practice/1-practice")
}

// operatorListener records the operator's listener. It records the names and labels of metrics, not their values.
func (r *recorder) operatorListener() {
	r.section("the operator's listener")
	admin := ""
	for line := range strings.Lines(r.g.Log.String()) {
		var l struct{ Msg, Admin string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "ready" {
			admin = "http://" + l.Admin
		}
	}
	r.name("operator", strings.TrimPrefix(admin, "http://"))
	for _, path := range []string{"/healthz", "/readyz", "/nowhere"} {
		r.sendBy(r.g.client, "GET", admin+path, "")
	}
	r.sendBy(r.g.client, "POST", admin+"/metrics", "")
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", admin+"/metrics", nil)
	edgetest.Must(r.t, err)
	resp, err := r.g.client.Do(req)
	edgetest.Must(r.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	edgetest.Must(r.t, err)
	r.b.WriteString("\nmetrics\n")
	label := regexp.MustCompile(`(\w+)="`)
	seen := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, " ")
		name, labels, _ := strings.Cut(name, "{")
		switch {
		case strings.HasPrefix(line, "# ") && strings.Contains(line, "crmgate_"):
			fmt.Fprint(&r.b, line)
		case strings.HasPrefix(name, "crmgate_"):
			var names []string
			for _, m := range label.FindAllStringSubmatch(labels, -1) {
				names = append(names, m[1])
			}
			text := name + "{" + strings.Join(names, ",") + "}\n"
			if !seen[text] {
				seen[text] = true
				r.b.WriteString(text)
			}
		}
	}
}

// logFields lists the names of the fields of the log's lines.
func (r *recorder) logFields() {
	names := map[string]bool{}
	for line := range strings.Lines(r.g.Log.String()) {
		var fields map[string]json.RawMessage
		edgetest.Must(r.t, json.Unmarshal([]byte(line), &fields))
		for name := range fields {
			names[name] = true
		}
	}
	fmt.Fprintf(&r.b, "\nfields of the log\n%s\n", strings.Join(slices.Sorted(maps.Keys(names)), "\n"))
}

// adminTokens has an operator issue a token for the account acme.
func (r *recorder) adminTokens(f *edgetest.Options) {
	token, line, err := identity.NewAdminToken("ops", []string{"acme"})
	edgetest.Must(r.t, err)
	r.name("admin token", token.Reveal())
	r.operator = token.Reveal()
	f.AdminTokenFile = filepath.Join(filepath.Dir(f.Data), "admins")
	edgetest.Must(r.t, os.WriteFile(f.AdminTokenFile, []byte(line), 0o600))
}

func (r *recorder) operated() {
	token := r.operator
	for _, rc := range []string{asAdmin, "other:" + token, token, "acme:" + token} {
		r.get("/oauthManagedAuthState?platform=org", rcAs(rc)...)
		r.get("/authUrl?platform=practice", rcAs(rc)...)
		r.get("/user/preloadSettings", rcAs(rc)...)
		r.get("/apiKeyManagedAuthState?platform=team", rcAs(rc)...)
		r.json("/authSession", `{"platform":"practicekey"}`, rcAs(rc)...)
		r.send("POST", "/admin/session", "", rcAs(rc)...)
	}
	r.json("/admin/managedOAuth/cache", `{"values":{"clientId":"acme-client","clientSecret":"acme-secret+/%~="}}`, rcAs(token)...)
	r.signIn("org", "ada", rcAs(token)...)
	admin := r.browser()
	admin(func() {
		r.form("/admin/session", "token="+url.QueryEscape(token))
		r.get("/admin")
		r.get("/admin/org")
		r.get("/admin/people/org")
		r.get("/admin/audit")
	})
}

func (r *recorder) strict() {
	r.get("/authUrl?platform=practice")
	r.get("/authUrl?platform=practice&mode=compat")
	r.get("/authUrl?platform=practice&mode=bound&origin=https://app.example")
	r.get("/crmManifest?platformName=practice", "is-debug", "true")
	r.get("/authUrl?platform=practice&mode=bound&origin=https://evil.example", "is-debug", "true")
	r.get("/redirect.html?code=x&state=platform=practice")
	at := "/oauth-callback?callbackUri=" + url.QueryEscape("https://gate.example/base/redirect.html?code=wrong&state=platform=practice")
	r.get(at)
	r.get(at + "&rcAccountId=1")
	person := r.browser()
	person(func() {
		r.get("/connect/practice")
		a := r.form("/connect/practice", "")
		_, to, _ := strings.Cut(a.header.Get("Refresh"), "0; url=")
		landed := r.land(to, "ada")
		r.get(strings.TrimPrefix(landed, "https://gate.example/base"))
		r.json("/authSession", `{"platform":"practice"}`)
		r.form("/admin/session", "token="+asAdmin)
		r.send("POST", "/admin/session", "", rcAs(asAdmin)...)
	})
	l := r.link("platform=practice&mode=bound")
	r.get("/oauth-callback?rcAccountId=1&callbackUri="+url.QueryEscape(r.land(l.AuthURL, "ada")), "X-Crmgate-Login", l.LoginSecret, "is-debug", "true")
	l = r.link("platform=practice&mode=bound", rcAs(asUser)...)
	session := r.token(r.get("/oauth-callback?callbackUri="+url.QueryEscape(r.land(l.AuthURL, "ada")), "X-Crmgate-Login", l.LoginSecret))
	r.get("/authValidation", as(session, "is-debug", "true")...)
	own := r.token(r.signIn("own", "ada", rcAs(asUser)...))
	for _, path := range []string{"/authValidation", "/licenseStatus", "/hostname", "/user/settings"} {
		r.get(path, as(own, "is-debug", "true")...)
	}
	r.send("POST", "/user/refreshInfo", "", as(own, "is-debug", "true")...)
	r.send("POST", "/unAuthorize", "", as(own, "is-debug", "true")...)
	r.get("/serverVersionInfo", "is-debug", "true")
	r.get("/implementedInterfaces?platform=own", "is-debug", "true")
	r.get("/implementedInterfaces?platform=x", "is-debug", "true")
}
