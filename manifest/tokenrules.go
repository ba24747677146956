package manifest

import (
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
)

// TokenBody is where a token request has its parameters.
type TokenBody string

// TokenBodyForm is RFC 6749's form. TokenBodyJSON is a JSON object of strings. TokenBodyQuery is the URL's query, with an
// empty body.
const (
	TokenBodyForm  TokenBody = "form"
	TokenBodyJSON  TokenBody = "json"
	TokenBodyQuery TokenBody = "query"
)

// TokenRules is how a platform's token endpoint differs from RFC 6749 (crmgate.token), or how its refreshes do (crmgate.token
// with the members of crmgate.refresh replaced). It contains no secrets: those are the connector's configuration.
type TokenRules struct {
	Auth crmgate.TokenAuth // "auth": default TokenAuthBasic
	PKCE bool              // "pkce": default true; not in crmgate.refresh
	// URL is the endpoint for refreshes if it is not the token endpoint ("url"), with {hostname} for the person's host. Only
	// in crmgate.refresh.
	URL string

	Body TokenBody // "body": default TokenBodyForm
	// Parameters are sent in addition to the standard ones ("parameters").
	Parameters map[string]string
	// Rename maps standard parameters to the CRM's names for them ("rename").
	Rename map[string]string
	// Omit names standard parameters that are not sent ("omit").
	Omit []string
	// Headers are sent with the request ("headers").
	Headers map[string]string
	// SecretHeaders are sent with the request ("secretHeaders"): their values are the configuration values of these names.
	SecretHeaders map[string]string
	// OwnScope means that the application's scopes are sent ("scope": true).
	OwnScope bool
	// Scope is sent unchanged ("scope": "a b"). If it is empty and OwnScope is false, no scope is sent. crmgate.refresh does
	// not inherit it.
	Scope string
	// ScopeSeparator separates scopes in token requests and in the authorization URL ("scopeSeparator"): "," or "+". If it is
	// empty, scopes are sent as written.
	ScopeSeparator string

	// Path is the object of the answer that contains the tokens ("path": "data.auth"); empty for the usual places.
	Path string
	// Paths are the places of single values ("paths").
	Paths TokenPaths
	// Unit is the unit of expires_in ("expiresIn"). 0 means seconds, unless that is implausibly long.
	Unit time.Duration
	// Lifetime is the lifetime of an access token in seconds if the answer has none ("lifetime"); 0 if unknown.
	Lifetime int64

	// Errors are the words with which the endpoint refuses requests, in addition to those that the server knows ("errors").
	Errors TokenErrors
}

// TokenErrors are words of a token endpoint's answers by what they mean. They take precedence over those that the server knows.
type TokenErrors struct {
	UserDead  []TokenError // "userDead": the grant has ended; only in answers to refreshes
	AppDead   []TokenError // "appDead": the CRM rejects the application
	Transient []TokenError // "transient": the CRM cannot answer now
}

// TokenError is a word in a token endpoint's answer.
type TokenError struct {
	Code string // compared without regard to case
	Text string // what the description must contain, without regard to case; empty for any
}

// TokenPaths are dotted paths from the top of a token answer; empty for the usual places.
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
	m.Token.read(r, token, m.Config)
	m.Refresh = m.Token
	m.Refresh.OwnScope, m.Refresh.Scope = false, "" // a refresh keeps the granted scope (RFC 6749, 6)
	m.Refresh.read(r, refresh, m.Config)
	if u := refresh.at("url"); u.present() {
		m.Refresh.URL = r.text(u)
		r.check(u, allowsForSome(m.Hosts, m.Refresh.URL), "an absolute URL on one of crmgate.hosts, with {hostname} for the person's host")
	}
}

// read sets the fields of the members that n has. A member replaces its field as a whole. config is the declared configuration.
func (t *TokenRules) read(r *reader, n node, config []string) {
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
			r.forbid(v, !freeHeader(name), "this header must not be set here: the server sets Authorization, Content-*, Host and those of the connection, and secrets belong in the connector's configuration")
			r.check(v, printable(t.Headers[name], ' '), "printable ASCII text")
		}
	}
	if h := n.at("secretHeaders"); h.present() {
		t.SecretHeaders = r.texts(h)
		for name, v := range h.members() {
			r.forbid(v, !ownHeader(name), "this header must not be set here: the server sets Content-*, Host and those of the connection")
			r.check(v, slices.Contains(config, t.SecretHeaders[name]), "a name of crmgate.config")
		}
	}
	if s := n.at("scopeSeparator"); s.present() {
		if t.ScopeSeparator = r.oneOf(s, " ", ",", "+"); t.ScopeSeparator == " " {
			t.ScopeSeparator = "" // as written
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
	if e := n.at("errors"); e.present() {
		r.object(e)
		t.Errors = TokenErrors{UserDead: r.tokenErrors(e.at("userDead")), AppDead: r.tokenErrors(e.at("appDead")), Transient: r.tokenErrors(e.at("transient"))}
	}
	if l := n.at("lifetime"); l.present() {
		f, ok := l.value.(float64)
		r.check(l, ok && f >= 1 && f <= 1e9 && f == float64(int64(f)), "a whole number of seconds")
		t.Lifetime = int64(f)
	}
}

// tokenErrors reads a list of words. Each is a string, or an object with a code and a text.
func (r *reader) tokenErrors(n node) []TokenError {
	var all []TokenError
	for _, v := range r.list(n) {
		code := v
		if _, ok := v.value.(map[string]any); ok {
			code = v.at("code")
		}
		e := TokenError{Code: r.text(code), Text: r.text(v.at("text"))}
		r.check(code, e.Code != "", "an error code of the CRM")
		all = append(all, e)
	}
	return all
}

// readParameters reads the members about the parameters of a request.
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
			t.Omit = append(t.Omit, r.oneOf(v, "client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri", "scope"))
		}
	}
	if o := n.at("rename"); o.present() {
		t.Rename = r.texts(o)
		for name, v := range o.members() {
			r.forbid(v, !slices.Contains(tokenParameters, name), "this is not a standard parameter of token requests: rename one of "+strings.Join(tokenParameters, ", "))
			to := t.Rename[name]
			r.check(v, to != "" && printable(to, '!'), "a name of printable ASCII characters without spaces")
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
		if !v.present() { // inherited: the mistake is in rename
			v = n.at("rename")
		}
		r.forbid(v, name == "" || !printable(name, '!') || secretive(name) || t.fills(name),
			"a parameter of this name must not be set here: the server sets the client, code, token and scope, and secrets belong in the connector's configuration")
	}
}

// Name returns the CRM's name for a standard parameter.
func (t TokenRules) Name(standard string) string {
	if to, ok := t.Rename[standard]; ok {
		return to
	}
	return standard
}

// fills reports whether the server sets the parameter called name, so that a manifest must not. A manifest may set the grant
// type and the redirect URI, because some CRMs have their own.
func (t TokenRules) fills(name string) bool {
	for _, s := range tokenParameters {
		if s != "grant_type" && s != "redirect_uri" && t.Name(s) == name {
			return true
		}
	}
	return false
}

// secretive reports whether a value of this name is probably a secret.
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
func freeHeader(name string) bool { return ownHeader(name) && !secretive(strings.ToLower(name)) }

// ownHeader reports whether the server does not set the header of this name itself.
func ownHeader(name string) bool {
	lower := strings.ToLower(name)
	return lower != "" && strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789-_") == "" &&
		crmgate.CheckHeaders(map[string]string{lower: ""}) == nil && !strings.HasPrefix(lower, "content-") && lower != "accept-encoding"
}

// printable reports whether s contains only ASCII characters from first to the tilde.
func printable(s string, first byte) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < first || s[i] > '~' {
			return false
		}
	}
	return true
}

// forbid reports a member that must not be there. The error does not contain its value, which may be a secret.
func (r *reader) forbid(n node, wrong bool, message string) {
	if wrong && r.err == nil {
		r.err = &Error{File: n.file, Path: n.path, Want: message}
	}
}

// path reads the names of members, joined by dots. It may be missing.
func (r *reader) path(n node) string {
	s := r.text(n)
	r.check(n, !n.present() || !slices.Contains(strings.Split(s, "."), ""), "the path of a member")
	return s
}
