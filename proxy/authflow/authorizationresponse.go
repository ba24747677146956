package authflow

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
)

// callback is what a forwarded callback says once it is read.
type callback struct {
	platform crmgate.Platform
	hostname string         // as it came
	state    string         // decoded
	agent    bool           // the state names an agent's session
	session  *pendingSignIn // that this sign-in concludes; nil if no client waits
	landing  *Landing       // the landing page that has opened the state already; nil for a forwarded callback
	uri      *url.URL
	params   url.Values // of uri
	err      string     // the error parameter
	issuer   string     // the iss parameter
	// query has the callback's parameters without code and state, and withoutCode is its URI without the code: what a connector gets to see.
	query       map[string]string
	withoutCode string
}

// missing reports whether a parameter is not there; clients do send the text "undefined".
func missing(s string) bool { return s == "" || s == "undefined" }

// readCallback reads the shapes that clients send. They put the URL that the browser ended on into the query without
// encoding it, so that its parameters arrive cut off from it, in any order:
//
//	callbackUri=https://…/redirect.html?code=ABC & state=platform=clio & hostname=app.clio.com
//	callbackUri=https://…/redirect.html?state=platform=clio & code=ABC
//
// and some do encode it. All of that is upstream App Connect's behaviour, its texts included. Where it would send the
// code "undefined" to the CRM, because there was none, we say so without asking the CRM.
func readCallback(r CallbackRequest, publicURL string) (callback, error) {
	var cb callback
	raw := r.CallbackURI
	if missing(raw) {
		if missing(r.Code) {
			return cb, crmgate.RefusePlain("Missing callbackUri")
		}
		raw = publicURL + "/oauth-callback?code=" + url.QueryEscape(r.Code)
	}
	uri, err := url.Parse(raw)
	if err != nil || !uri.IsAbs() || uri.Host == "" {
		return cb, crmgate.Refuse("Invalid URL")
	}
	if err := cb.readState(r, raw, uri); err != nil {
		return cb, err
	}
	if !strings.Contains(raw, "code=") && !missing(r.Code) {
		raw += "&code=" + url.QueryEscape(r.Code)
		if uri, err = url.Parse(raw); err != nil {
			return cb, crmgate.Refuse("Invalid URL")
		}
	}
	return cb, cb.readParams(r, uri, parseQuery(uri.RawQuery))
}

// readParams reads the parameters q that the CRM sent the browser to uri with.
func (cb *callback) readParams(r CallbackRequest, uri *url.URL, q url.Values) error {
	cb.uri, cb.params = uri, q
	for _, name := range []string{"code", "state", "error", "iss"} {
		if slices.ContainsFunc(q[name], func(v string) bool { return v != q.Get(name) }) {
			return crmgate.Refuse("The callback's parameter %s is given more than once.", name)
		}
	}
	if code := q.Get("code"); !missing(code) && differs(r.Code, code) {
		return crmgate.Refuse("The callback's parameter code is given more than once.")
	}
	if cb.err = q.Get("error"); cb.err == "" {
		cb.err = r.Error
	}
	if cb.issuer = q.Get("iss"); cb.issuer == "" {
		cb.issuer = r.Issuer
	} else if differs(r.Issuer, cb.issuer) {
		return crmgate.Refuse("The callback's parameter iss is given more than once.")
	}
	cb.query = map[string]string{}
	for name := range q {
		if name != "code" && name != "state" {
			cb.query[name] = q.Get(name)
		}
	}
	bare, rest := *uri, maps.Clone(q)
	rest.Del("code")
	bare.RawQuery = rest.Encode()
	cb.withoutCode = bare.String()
	return nil
}

// readState finds the state, and in it the platform and the host name.
func (cb *callback) readState(r CallbackRequest, raw string, uri *url.URL) error {
	once := parseQuery(uri.RawQuery).Get("state")
	if once == "" {
		once = r.State
	}
	// The parser has decoded it once; clients that encode, encode twice.
	state, err := url.PathUnescape(once)
	if err != nil || !utf8.ValidString(state) {
		return crmgate.Refuse("URI malformed")
	}
	cb.state = state
	if state == "" && !strings.Contains(raw, "platform=") {
		return crmgate.Refuse("The callback has no state, so the CRM that it came from is not known.")
	}
	q := parseQuery(state)
	name := q.Get("platform")
	if name == "" {
		name = afterPlatform(raw)
	}
	if name == "" {
		name = afterPlatform(state)
	}
	if name == "" {
		return crmgate.RefusePlain("Missing platform name")
	}
	if err := sameState(once, r.State, name); err != nil {
		return err
	}
	cb.platform = crmgate.Platform(name)
	cb.agent = q.Get("sessionId") != ""
	cb.hostname = r.Hostname
	if missing(cb.hostname) {
		cb.hostname = q.Get("hostname")
	}
	return nil
}

// sameState refuses a second state, in the query beside the callback's own, that is one of ours or names another
// platform: clients add one that names the platform of the first.
func sameState(first, second, platform string) error {
	if !differs(second, first) {
		return nil
	}
	second, err := url.PathUnescape(second)
	if name := afterPlatform(second); err != nil || ours(second) || name != "" && name != platform {
		return crmgate.Refuse("The callback has two states that do not agree.")
	}
	return nil
}

// afterPlatform returns the name after the first "platform=". Upstream takes all that follows; a platform's name ends where its letters and digits do.
func afterPlatform(s string) string {
	_, rest, _ := strings.Cut(s, "platform=")
	for i := 0; i < len(rest); i++ {
		if !alphanumeric(rest[i]) {
			return rest[:i]
		}
	}
	return rest
}

// code checks that the callback came to redirectURI and brought a code. Upstream compares the path alone; a code that
// was sent to another origin may be known to others.
func (cb callback) code(redirectURI string) (crmgate.Secret, error) {
	want, err := url.Parse(redirectURI)
	if err != nil {
		return crmgate.Secret{}, crmgate.Refuse("Invalid URL")
	}
	if path(cb.uri) != path(want) {
		return crmgate.Secret{}, crmgate.Refuse("Redirected path should match configured path, but got: %s", path(cb.uri))
	}
	if !strings.EqualFold(cb.uri.Scheme, want.Scheme) || !strings.EqualFold(cb.uri.Host, want.Host) {
		return crmgate.Secret{}, crmgate.Refuse("Redirected origin should match configured origin, but got: %s://%s", cb.uri.Scheme, cb.uri.Host)
	}
	if cb.err != "" {
		return crmgate.Secret{}, authorizationError(cb.err, cb.params.Get("error_description"))
	}
	code := cb.params.Get("code")
	if missing(code) {
		return crmgate.Secret{}, crmgate.Refuse("Missing code, unable to request token")
	}
	return crmgate.NewSecret(code), nil
}

// parseQuery reads a query as browsers do, and url.ParseQuery does not: a semicolon is a character like others, and a
// percent sign that begins no escape stands for itself. A client that does not encode a callback has its code decoded
// once too often, so that both do come.
func parseQuery(raw string) url.Values {
	unescape := func(s string) string {
		if u, err := url.QueryUnescape(s); err == nil {
			return u
		}
		return strings.ReplaceAll(s, "+", " ")
	}
	q := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if name, value, _ := strings.Cut(pair, "="); pair != "" {
			q.Add(unescape(name), unescape(value))
		}
	}
	return q
}

// path is a URL's path as JavaScript's URL has it: never empty.
func path(u *url.URL) string {
	if u.Path == "" {
		return "/"
	}
	return u.Path
}
