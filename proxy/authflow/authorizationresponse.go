package authflow

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/token"
)

// response is an authorization response (RFC 6749, 4.1.2) as a client forwards it.
type response struct {
	platform crmgate.Platform
	hostname string   // as the client sent it, until check
	state    string   // decoded
	agent    bool     // the state names an agent's session
	session  string   // the ID of the auth session that this sign-in concludes; empty if no client waits
	landing  *Landing // the landing page that has opened the state; nil for a forwarded response
	uri      *url.URL
	params   url.Values // of uri
	err      string     // the error parameter
	errText  string     // the error_description parameter
	issuer   string     // the iss parameter
	// query has the parameters without code, state and tokens of this server and RingCentral. withoutCode is the URI without the
	// code and these tokens. The connector gets both.
	query       map[string]string
	withoutCode string
}

// missing reports whether a parameter is absent. Clients also send the text "undefined".
func missing(s string) bool { return s == "" || s == "undefined" }

// readResponse reads the shapes that clients send. Some put the URL that the browser ended on into the query without
// encoding it, so its parameters arrive separately, in any order:
//
//	callbackUri=https://…/redirect.html?code=ABC & state=platform=clio & hostname=app.clio.com
//	callbackUri=https://…/redirect.html?state=platform=clio & code=ABC
//
// The behaviour and the texts are upstream App Connect's, with one exception: without a code, upstream sends the code
// "undefined" to the CRM. This server refuses the request.
func readResponse(r CallbackRequest, publicURL string) (response, error) {
	var resp response
	raw := r.CallbackURI
	if missing(raw) {
		if missing(r.Code) {
			return resp, crmgate.RefusePlain("Missing callbackUri")
		}
		raw = publicURL + "/oauth-callback?code=" + url.QueryEscape(r.Code)
	}
	uri, err := url.Parse(raw)
	if err != nil || !uri.IsAbs() || uri.Host == "" {
		return resp, crmgate.Refuse("Invalid URL")
	}
	if err := resp.readState(r, raw, uri); err != nil {
		return resp, err
	}
	if !strings.Contains(raw, "code=") && !missing(r.Code) {
		raw += "&code=" + url.QueryEscape(r.Code)
		if uri, err = url.Parse(raw); err != nil {
			return resp, crmgate.Refuse("Invalid URL")
		}
	}
	return resp, resp.readParams(r, uri, parseQuery(uri.RawQuery))
}

// readParams reads the parameters q with which the CRM sent the browser to uri.
func (resp *response) readParams(r CallbackRequest, uri *url.URL, q url.Values) error {
	resp.uri, resp.params = uri, q
	for _, name := range []string{"code", "state", "error", "iss"} {
		if slices.ContainsFunc(q[name], func(v string) bool { return v != q.Get(name) }) {
			return crmgate.Refuse("The callback's parameter %s is given more than once.", name)
		}
	}
	if code := q.Get("code"); !missing(code) && differs(r.Code, code) {
		return crmgate.Refuse("The callback's parameter code is given more than once.")
	}
	if resp.err = q.Get("error"); resp.err == "" {
		resp.err = r.Error
	}
	resp.errText = cmp.Or(q.Get("error_description"), r.ErrorDescription)
	if resp.issuer = q.Get("iss"); resp.issuer == "" {
		resp.issuer = r.Issuer
	} else if differs(r.Issuer, resp.issuer) {
		return crmgate.Refuse("The callback's parameter iss is given more than once.")
	}
	resp.query = map[string]string{}
	maps.Copy(resp.query, r.Others) // the CRM's, if the client did not encode callbackUri
	for name := range q {
		resp.query[name] = q.Get(name)
	}
	withoutCode, rest := *uri, maps.Clone(q)
	for _, name := range []string{"code", "state", "callbackUri", "jwtToken", "rcAccessToken"} {
		delete(resp.query, name)
		if name != "state" {
			rest.Del(name)
		}
	}
	withoutCode.RawQuery = rest.Encode()
	resp.withoutCode = withoutCode.String()
	return nil
}

// readState finds the state, and in it the platform and the host name.
func (resp *response) readState(r CallbackRequest, raw string, uri *url.URL) error {
	once := parseQuery(uri.RawQuery).Get("state")
	if once == "" {
		once = r.State
	}
	// The query parser has decoded it once. Clients that encode it encode it twice.
	state, err := url.PathUnescape(once)
	if err != nil || !utf8.ValidString(state) {
		return crmgate.Refuse("URI malformed")
	}
	resp.state = state
	if state == "" && !strings.Contains(raw, "platform=") {
		return crmgate.Refuse("The callback has no state, so its CRM is unknown.")
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
	resp.platform = crmgate.Platform(name)
	resp.agent = q.Get("sessionId") != ""
	resp.hostname = r.Hostname
	if missing(resp.hostname) {
		resp.hostname = q.Get("hostname")
	}
	return nil
}

// sameState refuses a second state, beside the one in callbackUri, that is a bound state or names another platform. Some
// clients add a second state that names the same platform.
func sameState(first, second, platform string) error {
	if !differs(second, first) {
		return nil
	}
	second, err := url.PathUnescape(second)
	if name := afterPlatform(second); err != nil || isBound(second) || name != "" && name != platform {
		return crmgate.Refuse("The callback has two states that differ.")
	}
	return nil
}

// afterPlatform returns the letters and digits after the first "platform=". Upstream takes everything that follows.
func afterPlatform(s string) string {
	_, rest, _ := strings.Cut(s, "platform=")
	for i := 0; i < len(rest); i++ {
		if !alphanumeric(rest[i]) {
			return rest[:i]
		}
	}
	return rest
}

// code checks that the response came to redirectURI, and returns its code. Upstream compares only the path. A code that was
// sent to another origin may be known there.
func (resp response) code(redirectURI string) (crmgate.Secret, error) {
	want, err := url.Parse(redirectURI)
	if err != nil {
		return crmgate.Secret{}, crmgate.Refuse("Invalid URL")
	}
	if path(resp.uri) != path(want) {
		return crmgate.Secret{}, crmgate.Refuse("Redirected path should match configured path, but got: %s", path(resp.uri))
	}
	if !strings.EqualFold(resp.uri.Scheme, want.Scheme) || !strings.EqualFold(resp.uri.Host, want.Host) {
		return crmgate.Secret{}, crmgate.Refuse("Redirected origin should match configured origin, but got: %s://%s", resp.uri.Scheme, resp.uri.Host)
	}
	if resp.err != "" {
		return crmgate.Secret{}, authorizationError(resp.err, resp.errText)
	}
	code := resp.params.Get("code")
	if missing(code) {
		return crmgate.Secret{}, crmgate.Refuse("Missing code, unable to request token")
	}
	return crmgate.NewSecret(code), nil
}

// parseQuery reads a query as browsers do. Unlike url.ParseQuery it accepts semicolons, and percent signs that begin no
// escape. The code of a client that does not encode callbackUri is decoded once too often, so both occur.
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

// path is a URL's path as in JavaScript's URL: never empty.
func path(u *url.URL) string {
	if u.Path == "" {
		return "/"
	}
	return u.Path
}

// authorizationError is the error for the error parameter of a response. The state was opened before: only the browser that
// began the sign-in sees the description on a page.
func authorizationError(code, description string) error {
	r := crmgate.Decline("%s", token.StandardText(code, description))
	r.Said = description
	r.Err = fmt.Errorf("error %q: %q", code, description)
	if code == "access_denied" {
		r.Err = fmt.Errorf("%w: %q", crmgate.ErrDenied, description)
	}
	return r
}

// check checks the host name, tokenUrl and apiUrl of the request against the manifest, before the connector sees them.
func (resp *response) check(m *manifest.Manifest, r CallbackRequest) error {
	var err error
	if resp.hostname, err = m.CheckHostname(resp.hostname); err != nil {
		return err
	}
	for _, p := range []struct{ name, url string }{{"tokenUrl", r.TokenURL}, {"apiUrl", r.APIURL}} {
		if p.url == "" {
			continue
		}
		if err := m.CheckURL(p.name, p.url, resp.hostname); err != nil {
			return err
		}
	}
	return nil
}

// checkIssuer checks the iss parameter (RFC 9207, 2.4), so that a response of another authorization server is not taken
// for this CRM's. Without an issuer in the manifest, iss must at least be on one of the CRM's hosts.
func checkIssuer(m *manifest.Manifest, hostname, issuer string) error {
	other := crmgate.Refuse("The issuer (iss) of the callback is not %s.", m.Platform)
	switch {
	case m.Issuer != "" && issuer == "":
		other.Message = fmt.Sprintf("The callback lacks its issuer (iss), which %s always sends.", m.Platform)
		other.Err = fmt.Errorf("the manifest's issuer is %q", m.Issuer)
		return other
	case m.Issuer != "" && issuer != m.Issuer:
		other.Err = fmt.Errorf("iss is %q, and the manifest's issuer is %q", issuer, m.Issuer)
		return other
	case m.Issuer != "" || issuer == "":
		return nil
	}
	u, err := url.Parse(issuer)
	if err == nil && u.Scheme == "https" && u.User == nil && u.Host != "" {
		if at, err := url.Parse(m.OAuth.AuthURL); err == nil && strings.EqualFold(at.Host, u.Host) || m.Hosts.Allow(u, hostname) == nil {
			return nil
		}
	}
	other.Err = fmt.Errorf("iss %q is not on a host of the manifest: if it is the CRM's, name it as crmgate.issuer", issuer)
	return other
}
