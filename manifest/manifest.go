package manifest

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/crmgate/crmgate"
)

// DefaultRedirectURI is App Connect's landing page, used where a manifest names none.
const DefaultRedirectURI = "https://apps.ringcentral.com/integration/ringcentral-embeddable/latest/redirect.html"

// Manifest is what a connector's author declares about one platform: App Connect's format, read for what this server
// needs of it, and the crmgate object. It is immutable once parsed.
type Manifest struct {
	Platform crmgate.Platform
	Title    string // the platform's name for people
	AuthType AuthType
	OAuth    OAuthSection
	Fields   []FormField // of the API-key form
	// Environment lists where a person's CRM may be; nil if the manifest has no environment.
	Environment crmgate.Hosts
	// Page is what people are shown.
	Page Page

	// From the crmgate object:

	Hosts      crmgate.Hosts // what may be reached
	Config     []string      // names of configuration values that the connector may read
	Reveal     []string      // what the connector may see that others may not: "clientSecret", "refreshToken"
	ShortState bool          // the CRM cannot take a long state
	Issuer     string        // what the iss parameter of every callback must be (RFC 9207); empty: not known
	Token      TokenRules
	Refresh    TokenRules // what holds for refreshes: Token, with crmgate.refresh laid over it
	// RevokeURL is where tokens are revoked as RFC 7009 says ("revoke": {"url"}), with {hostname} for the person's host;
	// empty: nowhere. A connector's own unAuthorize goes before it.
	RevokeURL string

	byHost map[string]*Manifest // with the overrides of that host applied
}

// OAuthManifest is auth.oauth.
type OAuthSection struct {
	AuthURL     string
	ClientID    string
	RedirectURI string // never empty
	Scope       string // verbatim: it may hold several parameters
	CustomState string
	// AdminManaged is how an organisation brings its own application; nil if it does not.
	AdminManaged *AdminManaged
}

// AdminManaged is auth.oauth.adminManaged, and crmgate.adminManaged.
type AdminManaged struct {
	SetupNotes string   // Markdown: what an admin has to do at the CRM
	Fields     []string // what an admin enters, of ManagedFields, in the form's order
}

// ManagedFields are what an admin may enter of an organisation's own application, by their names in App Connect's routes.
var ApplicationFields = []string{"clientId", "clientSecret", "accessTokenUri", "authorizationUri", "redirectUri", "scopes", "hostname"}

// usualFields are what CRMs ask for when an application is registered.
var usualFields = []string{"clientId", "clientSecret", "redirectUri"}

// FormField is a field of auth.apiKey.page.content, as far as a sign-in depends on it.
type FormField struct {
	Const    string
	Required bool
	// Managed says that an admin fills it in, for everybody or for each person, who then do not see it.
	Managed bool

	// Of managed fields:

	Scope FieldScope
	// Dynamic says that the connector knows the choices (getManagedAuthOptions).
	Dynamic bool
	// Definition is the whole field as the manifest has it, a JSON object: title, type, uiSchema and what else clients read.
	Definition json.RawMessage
}

// FieldScope is whom the value of a managed field belongs to.
type FieldScope string

// The two scopes.
const (
	AccountScope FieldScope = "account" // one value for the organisation
	UserScope    FieldScope = "user"    // one value for each extension
)

// ForHost returns the manifest with the overrides for a person's host applied.
func (m *Manifest) ForHost(hostname string) *Manifest {
	host, err := crmgate.ParseHostname(hostname)
	if o := m.byHost[host]; err == nil && o != nil {
		return o
	}
	return m
}

// CheckHostname turns what a client sent as hostname into a host that the platform may have: "" if none was given (the
// texts "undefined" and "null", which clients do send, included), a Refusal if it is not one of the platform's.
func (m *Manifest) CheckHostname(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == "undefined" || s == "null" {
		return "", nil
	}
	host, err := crmgate.ParseHostname(s)
	if err != nil {
		return "", crmgate.Refuse("hostname: %v", err)
	}
	anyHost := m.Environment == nil
	for _, p := range m.Hosts {
		anyHost = anyHost && !p.Person
	}
	if anyHost || m.Environment.AllowHost(host) || m.Hosts.AllowHost(host) {
		return host, nil
	}
	return "", crmgate.Refuse("hostname %q is not one that the manifest of %s allows", crmgate.Clip(host), m.Platform)
}

// RequireOAuth refuses platforms that sign people in by an API key.
func (m *Manifest) RequireOAuth() error {
	if m.AuthType != OAuth {
		return crmgate.Refuse("%s signs people in with an API key, not by OAuth: post its form to /apiKeyLogin", m.Platform)
	}
	return nil
}

// Reveals reports whether the manifest lets the connector see name.
func (m *Manifest) Reveals(name string) bool {
	for _, r := range m.Reveal {
		if r == name {
			return true
		}
	}
	return false
}

// parsePlatform reads one platform's member, overrides not applied.
func parsePlatform(p crmgate.Platform, n node) (*Manifest, error) {
	m := &Manifest{Platform: p}
	r := reader{}
	r.object(n)
	m.Title = cmp.Or(r.text(n.at("displayName")), r.text(n.at("name")), string(p))
	m.readAuth(&r, n.at("auth"))
	m.readEnvironment(&r, n.at("environment"))
	m.readCrmgate(&r, n.at("crmgate"))
	m.Page = readPage(n)
	return m, r.err
}

func (m *Manifest) readAuth(r *reader, n node) {
	r.object(n)
	m.AuthType = AuthType(r.oneOf(n.at("type"), string(OAuth), string(APIKey)))
	o := n.at("oauth")
	r.object(o)
	m.OAuth = OAuthSection{
		AuthURL:     r.text(o.at("authUrl")),
		ClientID:    r.text(o.at("clientId")),
		RedirectURI: r.text(o.at("redirectUri")),
		Scope:       r.text(o.at("scope")),
		CustomState: r.text(o.at("customState")),
	}
	if m.OAuth.RedirectURI == "" {
		m.OAuth.RedirectURI = DefaultRedirectURI
	}
	for _, f := range r.list(n.at("apiKey").at("page").at("content")) {
		m.Fields = append(m.Fields, r.field(f))
	}
	if m.AuthType != OAuth {
		return
	}
	// An organisation's own application brings its own authorization URL.
	if managed := o.at("adminManaged"); r.flag(managed.at("enabled"), false) {
		m.OAuth.AdminManaged = &AdminManaged{SetupNotes: r.text(managed.at("setupNotes")), Fields: usualFields}
	}
	if m.OAuth.AdminManaged == nil || m.OAuth.AuthURL != "" {
		r.absolute(o.at("authUrl"), m.OAuth.AuthURL)
	}
	r.absolute(o.at("redirectUri"), m.OAuth.RedirectURI)
}

// field reads a field of the API-key form.
func (r *reader) field(n node) FormField {
	r.object(n)
	f := FormField{Const: r.text(n.at("const")), Required: r.flag(n.at("required"), false), Managed: r.flag(n.at("managed"), false)}
	scope, kind := AccountScope, r.text(n.at("managedFieldType"))
	if s := n.at("managedScope"); s.present() {
		scope = FieldScope(r.oneOf(s, string(AccountScope), string(UserScope)))
	}
	if f.Managed {
		r.check(n.at("const"), f.Const != "", "the name of the managed field")
		f.Scope, f.Dynamic = scope, kind == "dynamic"
		f.Definition, _ = json.Marshal(n.value) // it came out of JSON
	}
	return f
}

func (m *Manifest) readEnvironment(r *reader, n node) {
	if !n.present() {
		return
	}
	r.object(n)
	m.Environment = crmgate.Hosts{}
	add := func(n node) {
		if s := r.text(n); s != "" {
			p, err := crmgate.ParseHostPattern(crmgate.HostOf(s))
			r.check(n, err == nil && !p.Person, "a URL or a host, with or without *. in front")
			m.Environment = append(m.Environment, p)
		}
	}
	add(n.at("url"))
	add(n.at("urlIdentifier"))
	for _, s := range r.list(n.at("selections")) {
		add(s.at("const"))
	}
}

func (m *Manifest) readCrmgate(r *reader, n node) {
	r.object(n)
	for _, h := range r.list(n.at("hosts")) {
		p, err := crmgate.ParseHostPattern(r.text(h))
		r.check(h, err == nil, `"host", "*.suffix" or "{hostname}", each with an optional port`)
		m.Hosts = append(m.Hosts, p)
	}
	prefix := strings.ToUpper(string(m.Platform)) + "_"
	for _, c := range r.list(n.at("config")) {
		s := r.text(c)
		r.check(c, strings.HasPrefix(s, prefix) && len(s) > len(prefix) &&
			strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "", "a name of capitals that begins with "+prefix)
		m.Config = append(m.Config, s)
	}
	for _, v := range r.list(n.at("reveal")) {
		m.Reveal = append(m.Reveal, r.oneOf(v, "clientSecret", "refreshToken"))
	}
	m.ShortState = r.flag(n.at("shortState"), false)
	if m.Issuer = r.text(n.at("issuer")); n.at("issuer").present() {
		u, err := url.Parse(m.Issuer)
		r.check(n.at("issuer"), err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "",
			"an https URL without query and fragment") // RFC 9207, 2
	}
	managed := n.at("adminManaged")
	r.object(managed)
	if fields := r.list(managed.at("fields")); len(fields) > 0 && m.OAuth.AdminManaged != nil {
		m.OAuth.AdminManaged.Fields = nil
		for _, f := range fields {
			m.OAuth.AdminManaged.Fields = append(m.OAuth.AdminManaged.Fields, r.oneOf(f, ApplicationFields...))
		}
	}
	v := n.at("revoke")
	r.object(v)
	m.RevokeURL = r.text(v.at("url"))
	r.check(v.at("url"), !v.at("url").present() || m.revokesWithin(m.RevokeURL), "an absolute URL without fragment, on one of the crmgate.hosts")

	m.readTokens(r, n.at("token"), n.at("refresh"))
}

// revokesWithin reports whether a URL is allowed for some person: {hostname} stands in its host, if anywhere.
func (m *Manifest) revokesWithin(raw string) bool {
	const person = "person"
	filled := revokeURL(raw, person)
	u, err := url.Parse(filled)
	return err == nil && u.Fragment == "" && !strings.ContainsAny(filled, "{}#") && m.Hosts.AllowURL(filled, person) == nil
}

// RevokeURLFor is RevokeURL for a person's host.
func (m *Manifest) RevokeURLFor(hostname string) string {
	if m.RevokeURL == "" {
		return ""
	}
	return revokeURL(m.RevokeURL, hostname)
}

// revokeURL fills in the host of a person, where a host stands.
func revokeURL(raw, hostname string) string {
	scheme, rest, _ := strings.Cut(raw, "://")
	host, path, _ := strings.Cut(rest, "/")
	filled := scheme + "://" + strings.ReplaceAll(host, "{hostname}", hostname)
	if strings.Contains(rest, "/") {
		filled += "/" + path
	}
	return filled
}

// absolute checks the text that n gave, or its default, to be an absolute http or https URL.
func (r *reader) absolute(n node, s string) {
	u, err := url.Parse(s)
	r.check(n, err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "", "an absolute URL")
}
