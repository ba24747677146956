package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// DefaultRedirectURI is App Connect's landing page, for manifests without a redirect URI.
const DefaultRedirectURI = "https://apps.ringcentral.com/integration/ringcentral-embeddable/latest/redirect.html"

// Manifest is the manifest of one platform: the members of App Connect's format that this server uses, and the crmgate
// object. It is immutable.
type Manifest struct {
	Platform crmgate.Platform
	Title    string // the platform's name for people
	AuthType AuthType
	OAuth    OAuthSection
	Fields   []FormField // of the API-key form
	// Environment lists the possible hosts of a person's CRM; nil if the manifest has no environment.
	Environment crmgate.Hosts
	// Page is the content of the pages for people.
	Page Page

	// From the crmgate object:

	Hosts   crmgate.Hosts // hosts that the connector and token requests may reach
	Config  []string      // names of configuration values that the connector may read
	Reveal  []string      // secrets that the connector may see: "clientSecret", "refreshToken"
	Handles bool          // the connector gets handles instead of secrets ("secrets": "handles")
	// Sends says where each secret may be sent, by its name. A configuration value that is named here is a secret. It is empty
	// without Handles.
	Sends      map[string]Send
	UserAgent  string // the User-Agent of requests to the CRM; empty for the server's
	Username   bool   // the connect page asks for the person's user name at the CRM
	ShortState bool   // the CRM does not accept a long state
	Issuer     string // the iss parameter of every callback (RFC 9207), with {hostname}; empty if unknown
	Token      TokenRules
	Refresh    TokenRules // the rules for refreshes: Token, with the members of crmgate.refresh replaced
	// RevokeURL is the revocation endpoint (RFC 7009, "revoke": {"url"}), with {hostname} for the person's host; empty if
	// there is none. It is used if the connector has no unAuthorize.
	RevokeURL string
	// RevokeReplaced says that a sign-in revokes the tokens of the person's sign-in before it ("revoke": {"replaced"}).
	RevokeReplaced bool
	// Data is a connector without code; nil if there is none.
	Data *Data

	byHost map[string]*Manifest // the manifests of hosts with overrides
}

// OAuthSection is auth.oauth.
type OAuthSection struct {
	AuthURL     string // with {hostname} for the person's host
	ClientID    string
	RedirectURI string // never empty
	Scope       string // as written: it may contain several parameters
	CustomState string
	// AdminManaged is not nil if each organisation registers its own application.
	AdminManaged *AdminManaged
}

// Application returns the section as an application, without what only connectors and admins know.
func (o OAuthSection) Application() crmgate.Application {
	return crmgate.Application{ClientID: o.ClientID, AuthorizationURI: o.AuthURL, RedirectURI: o.RedirectURI, Scopes: o.Scope}
}

// With returns the section with the values of an application.
func (o OAuthSection) With(a crmgate.Application) OAuthSection {
	o.ClientID, o.AuthURL, o.RedirectURI, o.Scope = a.ClientID, a.AuthorizationURI, a.RedirectURI, a.Scopes
	return o
}

// AdminManaged is auth.oauth.adminManaged, and crmgate.adminManaged.
type AdminManaged struct {
	SetupNotes string   // Markdown: the instructions for the admin
	Fields     []string // what the admin enters: a subset of crmgate.ApplicationFields, in the form's order
}

// defaultFields are the crmgate.ApplicationFields that an admin enters if the manifest names none.
var defaultFields = []string{"clientId", "clientSecret", "redirectUri"}

// FormField is a field of auth.apiKey.page.content, with the properties that a sign-in needs.
type FormField struct {
	Const    string
	Required bool
	// Managed means that an admin enters the value, and people do not see the field.
	Managed bool

	// Only for managed fields:

	Scope FieldScope
	// Dynamic means that the connector lists the choices (getManagedAuthOptions).
	Dynamic bool
	// Definition is the manifest's whole JSON object for the field: title, type, uiSchema, and other members for clients.
	Definition json.RawMessage
}

// FieldScope says whether the value of a managed field belongs to an organisation or to one person.
type FieldScope string

// The two scopes.
const (
	AccountScope FieldScope = "account" // one value for the organisation
	UserScope    FieldScope = "user"    // one value for each extension
)

// ForHost returns the manifest for a person's host: with its overrides applied, and with the host in place of {hostname} in
// AuthURL, Issuer and RevokeURL. hostname is a result of CheckHostname; if it is empty, the result is m.
//
// Refresh.URL stays as it is, because the connector may correct the host of a refresh.
func (m *Manifest) ForHost(hostname string) *Manifest {
	host, err := crmgate.ParseHostname(hostname)
	if err != nil {
		return m
	}
	if o := m.byHost[host]; o != nil {
		m = o
	}
	if !NeedsHostname(m.OAuth.AuthURL) && !NeedsHostname(m.Issuer) && !NeedsHostname(m.RevokeURL) {
		return m
	}
	filled := *m
	for _, u := range []*string{&filled.OAuth.AuthURL, &filled.Issuer, &filled.RevokeURL} {
		*u = HostnameURL(*u, host)
	}
	return &filled
}

// PersonHost reports whether the manifest sends requests or people to a host that the person names ({hostname}).
func (m *Manifest) PersonHost() bool {
	if slices.ContainsFunc(m.Page.Form.Content, func(e FormEntry) bool { return NeedsHostname(e.Link) }) {
		return true
	}
	return NeedsHostname(m.OAuth.AuthURL) || NeedsHostname(m.Issuer) ||
		slices.ContainsFunc(m.Hosts, func(p crmgate.HostPattern) bool { return p.Person })
}

// CheckHostname returns the host in a client's hostname parameter, and a Refusal if it is not a host of the platform. Clients
// without a host also send "undefined" and "null": for those and for an empty text the result is empty.
func (m *Manifest) CheckHostname(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == "undefined" || s == "null" {
		return "", nil
	}
	host, err := crmgate.ParseHostname(s)
	if err != nil {
		return "", m.notAnAddress(s, fmt.Errorf("hostname: %w", err))
	}
	anyHost := m.Environment == nil && !m.PersonHost() // then the host is only a label
	if anyHost || m.Environment.AllowHost(host) || m.Hosts.AllowHost(host) {
		return host, nil
	}
	return "", m.notAnAddress(host, fmt.Errorf("hostname %q is not one that the manifest of %s allows", crmgate.Clip(host), m.Platform))
}

// CheckURL checks that a URL is on a host that the manifest declares, before anything is sent there. name is the member that
// holds the URL, and hostname is a result of CheckHostname. The error is a *crmgate.Refusal.
func (m *Manifest) CheckURL(name, raw, hostname string) error {
	err := m.Hosts.AllowURL(raw, hostname)
	if err == nil {
		return nil
	}
	shown := raw
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		shown = u.Host
	}
	return m.notAnAddress(shown, fmt.Errorf("%s: %w", name, err))
}

// notAnAddress refuses a host or URL. The person cannot change the manifest, so only the log has the cause and its advice.
func (m *Manifest) notAnAddress(address string, cause error) error {
	r := crmgate.Decline("%q is not an address of %s. Please check it, or ask your administrator.", crmgate.Clip(address), m.Title)
	r.Err = cause
	return r
}

// Unavailable is the Refusal of a request that the manifest or the operator's configuration does not allow. Only the log has the cause.
func (m *Manifest) Unavailable(cause error) error {
	r := crmgate.Decline("%s cannot be reached with this configuration. Please ask your administrator.", m.Title)
	r.Err = cause
	return r
}

// ValuesHost returns the host to which the managed values of a sign-in at hostname belong. hostname is a result of
// CheckHostname. A value must not reach another host than the one that it was entered for. The result is empty for the host
// that the manifest names for all people, and for a host name that cannot decide where requests go.
func (m *Manifest) ValuesHost(hostname string) string {
	if m.hostDecides() || m.Hosts.Names(hostname) && !m.Environment.Names(hostname) && several(slices.Concat(m.Environment, m.Hosts)) {
		return hostname
	}
	return ""
}

// AsksHost reports whether a form asks people for their host, and managed values belong to that host.
func (m *Manifest) AsksHost() bool {
	return m.hostDecides() && m.Page.Environment.Kind != Fixed
}

// hostDecides reports whether people choose where requests go: to one of several hosts of the environment, or to a host that
// the manifest does not name.
func (m *Manifest) hostDecides() bool {
	choices := m.Environment
	if m.Environment != nil && len(m.Environment) == 0 { // an environment without hosts of its own
		choices = m.Hosts
	}
	return several(choices) ||
		slices.ContainsFunc(slices.Concat(m.Environment, m.Hosts), func(p crmgate.HostPattern) bool { return p.Wildcard || p.Person })
}

// several reports whether there are two different patterns.
func several(all []crmgate.HostPattern) bool {
	return slices.ContainsFunc(all, func(p crmgate.HostPattern) bool { return p != all[0] })
}

// Equal reports whether two manifests of a platform say the same.
func (m *Manifest) Equal(other *Manifest) bool { return reflect.DeepEqual(m, other) }

// RequireOAuth returns a Refusal if people sign in to the platform with an API key.
func (m *Manifest) RequireOAuth() error {
	if m.AuthType != OAuth {
		return crmgate.Refuse("%s signs people in with an API key, not by OAuth: post its form to /apiKeyLogin", m.Platform)
	}
	return nil
}

// Reveals reports whether the connector may see the secret called name.
func (m *Manifest) Reveals(name string) bool {
	return slices.Contains(m.Reveal, name)
}

// parsePlatform reads one platform without its overrides.
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
	// An organisation's own application can have its own authorization URL.
	if managed := o.at("adminManaged"); r.flag(managed.at("enabled"), false) {
		m.OAuth.AdminManaged = &AdminManaged{SetupNotes: r.text(managed.at("setupNotes")), Fields: defaultFields}
	}
	if m.OAuth.AdminManaged == nil || m.OAuth.AuthURL != "" {
		r.check(o.at("authUrl"), absolute(HostnameURL(m.OAuth.AuthURL, "person")), "an absolute URL, with {hostname} for the person's host")
	}
	r.check(o.at("redirectUri"), absolute(m.OAuth.RedirectURI), "an absolute URL") // registered at the CRM, so the same for all people
}

// field reads a field of the API-key form.
func (r *reader) field(n node) FormField {
	r.object(n)
	f := FormField{Const: r.text(n.at("const")), Required: r.flag(n.at("required"), false), Managed: r.flag(n.at("managed"), false)}
	r.flag(n.at("secret"), false) // readPage finds it
	scope, kind := AccountScope, r.text(n.at("managedFieldType"))
	if s := n.at("managedScope"); s.present() {
		scope = FieldScope(r.oneOf(s, string(AccountScope), string(UserScope)))
	}
	if f.Managed {
		r.check(n.at("const"), f.Const != "", "the name of the managed field")
		f.Scope, f.Dynamic = scope, kind == "dynamic"
		f.Definition, _ = json.Marshal(n.value) // decoded JSON always encodes
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
			r.check(n, err == nil && !p.Person, "a URL or a host, with an optional *. in front")
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
	prefix := strings.ToUpper(string(m.Platform)) + "_"
	for _, c := range r.list(n.at("config")) {
		s := r.text(c)
		r.check(c, strings.HasPrefix(s, prefix) && len(s) > len(prefix) &&
			strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "", "a name in capital letters that begins with "+prefix)
		m.Config = append(m.Config, s)
	}
	for _, h := range r.list(n.at("hosts")) {
		p, err := hostPattern(r.text(h), m.Config)
		r.check(h, err == nil, `"host", "*.suffix" or "{hostname}", each with an optional port, or "{config:NAME}" with a name of crmgate.config`)
		m.Hosts = append(m.Hosts, p)
	}
	for _, v := range r.list(n.at("reveal")) {
		m.Reveal = append(m.Reveal, r.oneOf(v, "clientSecret", "refreshToken"))
	}
	m.readSends(r, n)
	for name, link := range r.texts(n.at("buttons")) { // readPage finds them
		r.check(n.at("buttons").at(name), absolute(HostnameURL(link, "person")), "an absolute URL, with {hostname} for the person's host")
	}
	m.Username = r.flag(n.at("username"), false)
	m.ShortState = r.flag(n.at("shortState"), false)
	if u := n.at("userAgent"); u.present() {
		m.UserAgent = r.text(u)
		r.check(u, m.UserAgent != "" && len(m.UserAgent) <= 256 && printable(m.UserAgent, ' '), "printable ASCII text of 1 to 256 characters")
	}
	if m.Issuer = r.text(n.at("issuer")); n.at("issuer").present() {
		u, err := url.Parse(HostnameURL(m.Issuer, "person"))
		r.check(n.at("issuer"), err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "",
			"an https URL without a query or fragment, with {hostname} for the person's host") // RFC 9207, 2
	}
	managed := n.at("adminManaged")
	r.object(managed)
	if fields := r.list(managed.at("fields")); len(fields) > 0 && m.OAuth.AdminManaged != nil {
		m.OAuth.AdminManaged.Fields = nil
		for _, f := range fields {
			m.OAuth.AdminManaged.Fields = append(m.OAuth.AdminManaged.Fields, r.oneOf(f, crmgate.ApplicationFields()...))
		}
	}
	v := n.at("revoke")
	r.object(v)
	m.RevokeURL = r.text(v.at("url"))
	m.RevokeReplaced = r.flag(v.at("replaced"), false)
	r.check(v.at("url"), !v.at("url").present() || allowsForAll(m.Hosts, m.RevokeURL), "an absolute URL without a fragment, on one of crmgate.hosts")

	m.readTokens(r, n.at("token"), n.at("refresh"))
	m.readData(r, n)
}
