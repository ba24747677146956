package manifest

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
)

// TokenBody is where the parameters of a token request stand.
type TokenBody string

// A form is what RFC 6749 says. JSON is an object of strings. Query is the URL's query; the body is empty.
const (
	TokenBodyForm  TokenBody = "form"
	TokenBodyJSON  TokenBody = "json"
	TokenBodyQuery TokenBody = "query"
)

// TokenManifest is crmgate.token, what is particular to a platform's token endpoint, or crmgate.refresh laid over it,
// what is particular to its refreshes. It holds no secret: those are the connector's.
type TokenRules struct {
	Auth crmgate.TokenAuth // "auth": default TokenAuthBasic
	PKCE bool              // "pkce": default true; not in crmgate.refresh
	// URL is where to refresh, if not where codes are exchanged ("url"); {hostname} stands for the person's. Only in crmgate.refresh.
	URL string

	Body TokenBody // "body": default TokenBodyForm
	// Parameters are sent beside the standard ones ("parameters").
	Parameters map[string]string
	// Rename says what standard parameters are called here ("rename").
	Rename map[string]string
	// Omit names standard parameters that are not sent ("omit").
	Omit []string
	// Headers are sent with the request ("headers").
	Headers map[string]string
	// OwnScope says that the application's scopes are sent ("scope": true).
	OwnScope bool
	// Scope is sent as it is ("scope": "a b"); empty without OwnScope: no scope. Never inherited by crmgate.refresh.
	Scope string
	// ScopeSeparator stands between scopes, here and in the authorization URL ("scopeSeparator"): "," or "+"; empty: they
	// are sent as they were written.
	ScopeSeparator string

	// Path is where in the answer the tokens stand ("path": "data.auth"); empty: where they usually do.
	Path string
	// Paths are the places of single values ("paths").
	Paths TokenPaths
	// Unit is what expires_in counts ("expiresIn"); 0: seconds, unless that would be absurd.
	Unit time.Duration
	// Lifetime is how long an access token lives, in seconds, when the answer does not say ("lifetime"); 0: unknown.
	Lifetime int64
}

// TokenPaths are dotted paths from the top of a token answer; empty: where the value usually is.
type TokenPaths struct {
	AccessToken, RefreshToken string
	ExpiresIn, ExpiresAt      string
}

// tokenParameters are the standard parameters of token requests.
var tokenParameters = []string{"client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri", "refresh_token", "scope"}

func (m *Manifest) readTokens(r *reader, token, refresh node) {
	r.object(token)
	r.object(refresh)
	m.Token = TokenRules{Auth: crmgate.TokenAuthBasic, PKCE: r.flag(token.at("pkce"), true), Body: TokenBodyForm}
	m.Token.read(r, token)
	m.Refresh = m.Token
	m.Refresh.OwnScope, m.Refresh.Scope = false, "" // a refresh is for what was granted (RFC 6749, 6)
	m.Refresh.read(r, refresh)
	if u := refresh.at("url"); u.present() {
		m.Refresh.URL = r.text(u)
		r.check(u, mayAllow(m.Hosts, m.Refresh.URL), "an absolute URL on one of crmgate.hosts; {hostname} in it stands for the person's")
	}
}

// read lays the members of n over t. A member replaces the one of its name as a whole.
func (t *TokenRules) read(r *reader, n node) {
	if a := n.at("auth"); a.present() {
		t.Auth = crmgate.TokenAuth(r.oneOf(a, "basic", "basicRaw", "body", "none"))
	}
	if b := n.at("body"); b.present() {
		t.Body = TokenBody(r.oneOf(b, "form", "json", "query"))
	}
	t.readParameters(r, n)
	if h := n.at("headers"); h.present() {
		t.Headers = r.texts(h)
		for name, v := range h.members() {
			r.forbid(v, !freeHeader(name), "no such header: Authorization, Content-Type, Host and their kind are the request's own, and secrets are the connector's")
			r.check(v, printable(t.Headers[name], ' '), "a text of printable ASCII")
		}
	}
	if s := n.at("scopeSeparator"); s.present() {
		if t.ScopeSeparator = r.oneOf(s, " ", ",", "+"); t.ScopeSeparator == " " {
			t.ScopeSeparator = "" // as they are written
		}
	}
	if p := n.at("path"); p.present() {
		t.Path = r.text(p)
	}
	if p := n.at("paths"); p.present() {
		r.object(p)
		t.Paths = TokenPaths{
			AccessToken: r.path(p.at("accessToken")), RefreshToken: r.path(p.at("refreshToken")),
			ExpiresIn: r.path(p.at("expiresIn")), ExpiresAt: r.path(p.at("expiresAt")),
		}
	}
	if e := n.at("expiresIn"); e.present() {
		t.Unit = map[string]time.Duration{"milliseconds": time.Millisecond, "minutes": time.Minute}[r.oneOf(e, "seconds", "milliseconds", "minutes")]
	}
	if l := n.at("lifetime"); l.present() {
		f, ok := l.value.(float64)
		r.check(l, ok && f >= 1 && f <= 1e9 && f == float64(int64(f)), "a whole number of seconds")
		t.Lifetime = int64(f)
	}
}

// readParameters reads what changes the parameters of a request.
func (t *TokenRules) readParameters(r *reader, n node) {
	if s := n.at("scope"); s.present() {
		switch v := s.value.(type) {
		case bool:
			t.OwnScope, t.Scope = v, ""
		case string:
			t.OwnScope, t.Scope = false, v
		default:
			r.check(s, false, "true, false or the scopes")
		}
	}
	if o := n.at("omit"); o.present() {
		t.Omit = nil
		for _, v := range r.list(o) {
			t.Omit = append(t.Omit, r.oneOf(v, "client_id", "client_secret", "code_verifier", "grant_type", "redirect_uri", "scope"))
		}
	}
	if o := n.at("rename"); o.present() {
		t.Rename = r.texts(o)
		for name, v := range o.members() {
			r.forbid(v, !slices.Contains(tokenParameters, name), "no such member: only standard parameters of token requests have another name")
			to := t.Rename[name]
			r.check(v, to != "" && printable(to, '!'), "a name without blanks, of printable ASCII")
			for _, other := range tokenParameters {
				r.check(v, other == name || t.Name(other) != to, "a name that no other parameter has")
			}
		}
	}
	if p := n.at("parameters"); p.present() {
		t.Parameters = r.texts(p)
	}
	for name := range t.Parameters {
		v := n.at("parameters").at(name)
		if !v.present() { // inherited; what is wrong is the new name
			v = n.at("rename")
		}
		r.forbid(v, name == "" || !printable(name, '!') || secretive(name) || t.fills(name),
			"no such parameter: secrets are the connector's, and the server fills in the client, codes, tokens and the scope")
	}
}

// Name is what a standard parameter is called here.
func (t TokenRules) Name(standard string) string {
	if to, ok := t.Rename[standard]; ok {
		return to
	}
	return standard
}

// fills reports whether a parameter called name has a value that no manifest may set. What a grant is called, and where
// a CRM wants to see a redirect URI, may be of its own making.
func (t TokenRules) fills(name string) bool {
	for _, s := range tokenParameters {
		if s != "grant_type" && s != "redirect_uri" && t.Name(s) == name {
			return true
		}
	}
	return false
}

// secretive reports whether something of this name is likely to be a secret.
func secretive(name string) bool {
	name = strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
	for _, word := range []string{"secret", "passw", "assertion", "credential", "apikey", "authorization", "cookie"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return strings.HasSuffix(name, "token")
}

// freeHeader reports whether a manifest may set a header of this name.
func freeHeader(name string) bool {
	lower := strings.ToLower(name)
	return lower != "" && strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789-_") == "" &&
		crmgate.CheckHeaders(map[string]string{lower: ""}) == nil && !strings.HasPrefix(lower, "content-") && lower != "accept-encoding" && !secretive(lower)
}

// printable reports whether s is of ASCII characters from first to the tilde.
func printable(s string, first byte) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < first || s[i] > '~' {
			return false
		}
	}
	return true
}

// forbid refuses a member that must not be there. Its value, which may be a secret in the wrong place, is not told.
func (r *reader) forbid(n node, wrong bool, want string) {
	if wrong && r.err == nil {
		r.err = &Error{File: n.file, Path: n.path, Want: want, Got: "one"}
	}
}

// path reads the names of members, joined by dots; empty if there is none.
func (r *reader) path(n node) string {
	s := r.text(n)
	r.check(n, !n.present() || !slices.Contains(strings.Split(s, "."), ""), "the path of a member")
	return s
}

// HostnameURL is a URL with the person's hostname put in for {hostname}.
func HostnameURL(raw, hostname string) string { return strings.ReplaceAll(raw, "{hostname}", hostname) }

// mayAllow reports whether hosts allow the URL for some value of {hostname}.
func mayAllow(h crmgate.Hosts, raw string) bool {
	people := []string{"hostname.invalid"}
	for _, p := range h {
		people = append(people, strings.Replace(p.String(), "*", "any", 1))
	}
	for _, person := range people {
		u, err := url.Parse(HostnameURL(raw, person))
		if err == nil && u.Host != "" && u.Fragment == "" && h.Allow(u, person) == nil {
			return true
		}
	}
	return false
}
