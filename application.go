package crmgate

// OAuthInfo is an OAuth client registration as a connector knows it. Empty members are the manifest's to fill.
type OAuthInfo struct {
	ClientID         string
	ClientSecret     Secret
	AccessTokenURI   string
	AuthorizationURI string
	RedirectURI      string
	Scopes           string
	Hostname         string
	TokenAuth        TokenAuth // empty: the manifest's
	// FailMessage, if not empty, ends the sign-in with this text for the person.
	FailMessage string
}

// TokenAuth is how a client authenticates at a token endpoint.
type TokenAuth string

// The four styles. Basic encodes id and secret first, as RFC 6749 section 2.3.1 demands; BasicRaw does not.
const (
	TokenAuthBasic    TokenAuth = "basic"
	TokenAuthBasicRaw TokenAuth = "basicRaw"
	TokenAuthBody     TokenAuth = "body"
	TokenAuthNone     TokenAuth = "none"
)

// Valid reports whether a is one of the four styles.
func (a TokenAuth) Valid() bool {
	return a == TokenAuthBasic || a == TokenAuthBasicRaw || a == TokenAuthBody || a == TokenAuthNone
}
