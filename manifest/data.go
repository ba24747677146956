package manifest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Data is a connector without code: requests, and where their answers have what is wanted (crmgate.userInfo, validate and revoke, with
// tokenUrl, or with basicAuth or authHeader). It is immutable. The interpreter of package wasmhost gets it as JSON.
type Data struct {
	Title      string     `json:"title"`
	AuthType   AuthType   `json:"authType"`
	Prefix     string     `json:"prefix"` // of the names of configuration values
	TokenURL   Template   `json:"tokenUrl,omitempty"`
	BasicAuth  Template   `json:"basicAuth,omitempty"`
	AuthHeader Template   `json:"authHeader,omitempty"`
	UserInfo   Operation  `json:"userInfo"`
	Validate   *Operation `json:"validate,omitempty"`
	Revoke     *Operation `json:"revoke,omitempty"` // with a request
}

// Operation is a request, and what its answer means.
type Operation struct {
	Request  Request `json:"request"`
	Rejected []int   `json:"rejected"`          // the statuses that say that the credential is not valid
	Message  string  `json:"message,omitempty"` // what the person reads then

	// Person is what the answer says about the person, by the names of platformUserInfo; only the id in validate.
	Person         map[string]Template `json:"person,omitempty"`
	AdditionalInfo map[string]Template `json:"additionalInfo,omitempty"` // only in userInfo
}

// Request is an HTTP request.
type Request struct {
	Method  string              `json:"method"`
	URL     Template            `json:"url"`
	Headers map[string]Template `json:"headers,omitempty"` // by their names in lower case
	Body    Template            `json:"body,omitempty"`
}

// What the paths of templates begin with.
var (
	endpointRoots = []string{"hostname", "config"}
	keyRoots      = []string{"apiKey", "config"}
	signInRoots   = []string{"authHeader", "accessToken", "apiKey", "hostname", "data", "query", "username", "additionalInfo", "tokenUrl", "apiUrl", "callbackUri", "config"}
	answerRoots   = slices.Concat([]string{"body", "headers"}, signInRoots)
	personRoots   = []string{"authHeader", "accessToken", "hostname", "id", "additionalInfo", "refreshToken", "config"}
)

// personMembers are the members of userInfo that platformUserInfo has.
var personMembers = []string{"id", "name", "timezoneName", "timezoneOffset", "overridingHostname"}

// readData reads a connector that is data, if there is one, after the rest of the crmgate object.
func (m *Manifest) readData(r *reader, n node) {
	from := n
	if p := n.at("proxyConfig"); p.present() {
		from = m.fromProxy(r, p)
	}
	info, revoke := from.at("userInfo"), from.at("revoke")
	if !info.present() {
		for _, v := range []node{n.at("validate"), n.at("tokenUrl"), n.at("basicAuth"), n.at("authHeader"), revoke.at("request")} {
			r.check(v, !v.present(), "crmgate.userInfo beside this member: both are for a connector without code")
		}
		return
	}
	m.Data = m.newData()
	m.Data.UserInfo = m.operation(r, info, signInRoots, []int{http.StatusUnauthorized, http.StatusForbidden})
	m.Data.UserInfo.readPerson(r, info)
	m.readCredentials(r, n.at("tokenUrl"), from)
	if v := n.at("validate"); v.present() {
		o := m.operation(r, v, personRoots, []int{http.StatusUnauthorized, http.StatusForbidden})
		o.readID(r, v.at("id"), slices.Concat([]string{"body", "headers"}, personRoots))
		m.Data.Validate = &o
	}
	if revoke.at("request").present() {
		o := m.operation(r, revoke, personRoots, []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound})
		m.Data.Revoke = &o
	}
	m.checkData(r, n)
	m.Handles = true
	if !n.at("sends").present() {
		m.Sends = m.dataSends()
	}
}

func (m *Manifest) newData() *Data {
	return &Data{Title: m.Title, AuthType: m.AuthType, Prefix: strings.ToUpper(string(m.Platform)) + "_"}
}

// readCredentials reads the token endpoint, or how an API key becomes a header.
func (m *Manifest) readCredentials(r *reader, tokenURL, n node) {
	d := m.Data
	if m.AuthType == OAuth {
		d.TokenURL = r.template(tokenURL, endpointRoots).inURL()
		if m.OAuth.AdminManaged == nil || tokenURL.present() {
			m.checkURL(r, tokenURL, d.TokenURL)
		}
		return
	}
	d.BasicAuth, d.AuthHeader = r.template(n.at("basicAuth"), keyRoots), r.template(n.at("authHeader"), keyRoots)
	r.check(n.at("authHeader"), (d.BasicAuth == nil) != (d.AuthHeader == nil),
		`either basicAuth, such as "{apiKey}:", or authHeader, such as "Bearer {apiKey}"`)
}

// operation reads a request and what its answer means. rejected are the statuses that reject the credential if it names none.
func (m *Manifest) operation(r *reader, n node, roots []string, rejected []int) Operation {
	r.object(n)
	o := Operation{Request: m.request(r, n.at("request"), roots), Rejected: rejected, Message: r.text(n.at("message"))}
	if list := r.list(n.at("rejected")); n.at("rejected").present() {
		o.Rejected = []int{}
		for _, v := range list {
			f, ok := v.value.(float64)
			r.check(v, ok && f >= 400 && f <= 499 && f == float64(int(f)), "a status from 400 to 499")
			o.Rejected = append(o.Rejected, int(f))
		}
	}
	return o
}

func (m *Manifest) request(r *reader, n node, roots []string) Request {
	r.object(n)
	r.check(n, n.present(), `a request, such as {"url": "https://api.acme.example/me", "headers": {"Authorization": "{authHeader}"}}`)
	q := Request{Method: http.MethodGet, URL: r.template(n.at("url"), roots).inURL(), Headers: map[string]Template{}}
	m.checkURL(r, n.at("url"), q.URL)
	r.object(n.at("headers"))
	for name, v := range n.at("headers").members() {
		r.forbid(v, !ownHeader(name) && !strings.EqualFold(name, "Content-Type"), "this header must not be set here: the server sets Content-*, Host and those of the connection")
		q.Headers[strings.ToLower(name)] = r.template(v, roots)
	}
	body, form := n.at("body"), n.at("form")
	r.check(form, !body.present() || !form.present(), "either body or form")
	switch {
	case form.present():
		q.Method = http.MethodPost
		q.setBody("application/x-www-form-urlencoded", r.form(form, roots))
	case body.present():
		q.Method = http.MethodPost
		q.setBody("application/json", r.json(body, roots))
	}
	if v := n.at("method"); v.present() {
		q.Method = r.oneOf(v, "GET", "POST", "PUT", "PATCH", "DELETE")
	}
	return q
}

func (q *Request) setBody(contentType string, body Template) {
	q.Body = body
	if q.Headers["content-type"] == nil {
		q.Headers["content-type"] = Template{{Text: contentType}}
	}
}

// form reads the fields of a form or a query, which are strings.
func (r *reader) form(n node, roots []string) (t Template) {
	r.object(n)
	for name, v := range n.members() {
		if t != nil {
			t = append(t, Part{Text: "&"})
		}
		t = append(t, Part{Text: url.QueryEscape(name) + "="})
		for _, p := range r.template(v, roots).as(asURL) {
			p.Text = url.QueryEscape(p.Text)
			t = append(t, p)
		}
	}
	return t
}

// json reads a JSON value with templates in its strings.
func (r *reader) json(n node, roots []string) (t Template) {
	switch n.value.(type) {
	case string:
		return r.template(n, roots).inJSON()
	case []any:
		t = Template{{Text: "["}}
		for i, item := range r.list(n) {
			if i > 0 {
				t = append(t, Part{Text: ","})
			}
			t = append(t, r.json(item, roots)...)
		}
		return append(t, Part{Text: "]"})
	case map[string]any:
		t = Template{{Text: "{"}}
		for name, member := range n.members() {
			if len(t) > 1 {
				t = append(t, Part{Text: ","})
			}
			quoted, _ := json.Marshal(name) // a string always encodes
			t = append(t, Part{Text: string(quoted) + ":"})
			t = append(t, r.json(member, roots)...)
		}
		return append(t, Part{Text: "}"})
	}
	b, _ := json.Marshal(n.value) // decoded JSON always encodes
	return Template{{Text: string(b)}}
}

// checkURL checks the template of a URL. If its host depends on nothing but the person's, it must be one of hosts; otherwise the
// server checks it when the request is sent.
func (m *Manifest) checkURL(r *reader, n node, t Template) {
	const want = "an absolute URL on one of crmgate.hosts, with {hostname} for the person's host"
	r.check(n, len(t) > 0 && len(t[0].Path) == 0 && absolute(strings.ReplaceAll(t.filled("x"), placeholder, "x")), want)
	r.check(n, !t.hostKnown() || allowsForSome(m.Hosts, t.filled("x")), want)
}

// readID reads the template of the person's id.
func (o *Operation) readID(r *reader, n node, roots []string) {
	id := r.template(n, roots)
	r.check(n, id.uses("body") || id.uses("data") || id.uses("query"), `a template that identifies the person at the CRM, such as "{body.id}-acme"`)
	o.Person = map[string]Template{"id": id}
}

// readPerson reads where an answer has what is stored with a person.
func (o *Operation) readPerson(r *reader, n node) {
	o.readID(r, n.at("id"), answerRoots)
	for _, name := range personMembers {
		if v := n.at(name); v.present() {
			o.Person[name] = r.template(v, answerRoots)
		}
	}
	o.AdditionalInfo = map[string]Template{}
	r.object(n.at("additionalInfo"))
	for name, v := range n.at("additionalInfo").members() {
		o.AdditionalInfo[name] = r.template(v, answerRoots)
	}
}

// checkData checks what the templates use.
func (m *Manifest) checkData(r *reader, n node) {
	d := m.Data
	for _, t := range d.templates() {
		for _, path := range t.paths() {
			r.check(n.at("config"), path[0] != "config" || len(path) == 2 && slices.Contains(m.Config, path[1]), strings.Join(path, ".")+" of a template in this list")
		}
	}
	if d.Revoke != nil {
		uses := slices.ContainsFunc(d.Revoke.Request.templates(), func(t Template) bool { return t.uses("refreshToken") })
		r.check(n.at("reveal"), !uses || m.Reveals(RefreshToken), `["refreshToken"], because crmgate.revoke.request uses {refreshToken}`)
	}
}

func (q Request) templates() []Template {
	return append(slices.Collect(maps.Values(q.Headers)), q.URL, q.Body)
}

func (d *Data) templates() []Template {
	all := append(d.UserInfo.Request.templates(), d.TokenURL, d.BasicAuth, d.AuthHeader)
	all = slices.AppendSeq(all, maps.Values(d.UserInfo.Person))
	all = slices.AppendSeq(all, maps.Values(d.UserInfo.AdditionalInfo))
	for _, o := range []*Operation{d.Validate, d.Revoke} {
		if o != nil {
			all = append(slices.AppendSeq(all, maps.Values(o.Person)), o.Request.templates()...)
		}
	}
	return all
}

// dataSends says where the secrets of a connector without code may be sent if its manifest does not: the credential in headers, and the
// others where the server sends them to the token endpoint. A configuration value with the name of a secret is one, and sent in headers.
func (m *Manifest) dataSends() map[string]Send {
	all := map[string]Send{
		AccessToken:  {In: []Position{InHeader}, Hosts: m.Hosts},
		RefreshToken: {In: m.tokenPositions("body"), Hosts: m.Hosts},
	}
	if m.AuthType == APIKey {
		all = map[string]Send{AccessToken: all[AccessToken], APIKeySecret: all[AccessToken]}
	}
	for _, name := range m.Config {
		switch {
		case strings.HasSuffix(name, "_CLIENT_SECRET"):
			all[name] = Send{In: slices.Compact(slices.Sorted(slices.Values(slices.Concat(
				m.tokenPositions(string(m.Token.Auth)), m.tokenPositions(string(m.Refresh.Auth)))))), Hosts: m.Hosts}
		case secretive(name) || strings.HasSuffix(name, "_KEY"):
			all[name] = all[AccessToken]
		}
	}
	return all
}

// tokenPositions returns where a token request has the client secret with this client authentication.
func (m *Manifest) tokenPositions(auth string) []Position {
	switch {
	case auth != "body":
		return []Position{InHeader}
	case m.Token.Body == TokenBodyQuery || m.Refresh.Body == TokenBodyQuery:
		return []Position{InBody, InQuery}
	}
	return []Position{InBody}
}
