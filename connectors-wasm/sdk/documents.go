package sdk

import (
	"maps"
	"slices"
	"strconv"

	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
)

// The tags of the types are the names in ABI.md, for encoding/json in tests. The methods read and write repeat them: a test compares
// both.

// None is the input of an operation without one.
type None struct{}

func (*None) read(string, json.Value) {}

func (None) write(*writer) {}

// Object is an answer with any members. The values are nil, strings, bools, ints, int64s, float64s, json.Values, lists (of any or of
// strings), and maps (of any or of strings) by name.
type Object map[string]any

func (d Object) write(w *writer) {
	for _, name := range slices.Sorted(maps.Keys(d)) {
		w.any(name, d[name])
	}
}

// AuthType is getAuthType's answer: "oauth" or "apiKey", as the manifest says.
type AuthType struct {
	Type string `json:"type"`
}

func (d AuthType) write(w *writer) { w.text("type", d.Type) }

// OAuthInfoRequest is getOauthInfo's input. For a stored grant, Hostname and TokenURL are those stored with it.
type OAuthInfoRequest struct {
	Hostname    string `json:"hostname,omitempty"`
	TokenURL    string `json:"tokenUrl,omitempty"`
	RCAccountID string `json:"rcAccountId,omitempty"`
	UserEmail   string `json:"userEmail,omitempty"`
	Username    string `json:"username,omitempty"`
}

func (d *OAuthInfoRequest) read(name string, v json.Value) {
	switch name {
	case "hostname":
		d.Hostname = v.String()
	case "tokenUrl":
		d.TokenURL = v.String()
	case "rcAccountId":
		d.RCAccountID = v.String()
	case "userEmail":
		d.UserEmail = v.String()
	case "username":
		d.Username = v.String()
	}
}

// OAuthInfo is getOauthInfo's answer, and the oauthInfo in the input of other operations. In the answer, the manifest supplies
// empty fields. In an input, an empty field is unknown or not revealed.
type OAuthInfo struct {
	ClientID         string `json:"clientId,omitempty"`
	ClientSecret     string `json:"clientSecret,omitempty"`
	AccessTokenURI   string `json:"accessTokenUri,omitempty"`
	AuthorizationURI string `json:"authorizationUri,omitempty"`
	RedirectURI      string `json:"redirectUri,omitempty"`
	// Scopes are separated by blanks.
	Scopes   string `json:"scopes,omitempty"`
	Hostname string `json:"hostname,omitempty"`
	// RevocationURI is the revocation endpoint, if it is not the manifest's.
	RevocationURI string `json:"revocationUri,omitempty"`
	// TokenAuth is how the client authenticates at the token endpoint: "basic", "basicRaw", "body" or "none".
	TokenAuth string `json:"tokenAuth,omitempty"`
	// TokenEndpointAuthMethod says the same in the words of RFC 7591: "client_secret_basic", "client_secret_post" or "none".
	// TokenAuth takes precedence. Inputs have only TokenAuth.
	TokenEndpointAuthMethod string `json:"tokenEndpointAuthMethod,omitempty"`
	// FailMessage, if not empty, ends the sign-in with this text for the person.
	FailMessage string `json:"failMessage,omitempty"`
}

func (d *OAuthInfo) read(name string, v json.Value) {
	switch name {
	case "clientId":
		d.ClientID = v.String()
	case "clientSecret":
		d.ClientSecret = v.String()
	case "accessTokenUri":
		d.AccessTokenURI = v.String()
	case "authorizationUri":
		d.AuthorizationURI = v.String()
	case "redirectUri":
		d.RedirectURI = v.String()
	case "scopes":
		d.Scopes = v.String()
	case "hostname":
		d.Hostname = v.String()
	case "revocationUri":
		d.RevocationURI = v.String()
	case "tokenAuth":
		d.TokenAuth = v.String()
	case "tokenEndpointAuthMethod":
		d.TokenEndpointAuthMethod = v.String()
	case "failMessage":
		d.FailMessage = v.String()
	}
}

func (d OAuthInfo) write(w *writer) {
	w.optional("clientId", d.ClientID)
	w.optional("clientSecret", d.ClientSecret)
	w.optional("accessTokenUri", d.AccessTokenURI)
	w.optional("authorizationUri", d.AuthorizationURI)
	w.optional("redirectUri", d.RedirectURI)
	w.optional("scopes", d.Scopes)
	w.optional("hostname", d.Hostname)
	w.optional("revocationUri", d.RevocationURI)
	w.optional("tokenAuth", d.TokenAuth)
	w.optional("tokenEndpointAuthMethod", d.TokenEndpointAuthMethod)
	w.optional("failMessage", d.FailMessage)
}

// OAuthOptionRequest is getOverridingOAuthOption's input.
type OAuthOptionRequest struct {
	Code      string    `json:"code"`
	State     string    `json:"state,omitempty"` // with which the CRM sent the browser back
	OAuthInfo OAuthInfo `json:"oauthInfo"`
}

func (d *OAuthOptionRequest) read(name string, v json.Value) {
	switch name {
	case "code":
		d.Code = v.String()
	case "state":
		d.State = v.String()
	case "oauthInfo":
		read(v, &d.OAuthInfo)
	}
}

// OAuthOption is getOverridingOAuthOption's answer. Its values are added to the token request, or replace those of the same
// name. A header with an empty value is removed.
type OAuthOption struct {
	Headers map[string]string `json:"headers,omitempty"`
	Query   map[string]string `json:"query,omitempty"`
	Body    map[string]string `json:"body,omitempty"`
}

func (d OAuthOption) write(w *writer) {
	w.optionalTexts("headers", d.Headers)
	w.optionalTexts("query", d.Query)
	w.optionalTexts("body", d.Body)
}

// BasicAuthRequest is getBasicAuth's input.
type BasicAuthRequest struct {
	APIKey string `json:"apiKey"`
}

func (d *BasicAuthRequest) read(name string, v json.Value) {
	if name == "apiKey" {
		d.APIKey = v.String()
	}
}

// BasicAuth is getBasicAuth's answer: the credentials after "Basic ", or the whole header.
type BasicAuth struct {
	Basic string `json:"basic,omitempty"`
	// Header is the value of the Authorization header, if that is not Basic: "Token abc".
	Header string `json:"header,omitempty"`
}

func (d BasicAuth) write(w *writer) {
	w.optional("basic", d.Basic)
	w.optional("header", d.Header)
}

// UserInfoRequest is getUserInfo's input.
type UserInfoRequest struct {
	AuthHeader  string            `json:"authHeader"`
	Hostname    string            `json:"hostname"`
	Platform    string            `json:"platform"`
	Query       map[string]string `json:"query,omitempty"` // the callback's parameters without code and state
	CallbackURI string            `json:"callbackUri,omitempty"`
	TokenURL    string            `json:"tokenUrl,omitempty"`
	APIURL      string            `json:"apiUrl,omitempty"`
	Username    string            `json:"username,omitempty"`
	// Data is the token answer, an object, without the tokens.
	Data json.Value `json:"data,omitzero"`
	// APIKey and AdditionalInfo, an object, are the values of the form.
	APIKey         string     `json:"apiKey,omitempty"`
	AdditionalInfo json.Value `json:"additionalInfo,omitzero"`
}

func (d *UserInfoRequest) read(name string, v json.Value) {
	switch name {
	case "authHeader":
		d.AuthHeader = v.String()
	case "hostname":
		d.Hostname = v.String()
	case "platform":
		d.Platform = v.String()
	case "query":
		d.Query = texts(v)
	case "callbackUri":
		d.CallbackURI = v.String()
	case "tokenUrl":
		d.TokenURL = v.String()
	case "apiUrl":
		d.APIURL = v.String()
	case "username":
		d.Username = v.String()
	case "data":
		d.Data = v
	case "apiKey":
		d.APIKey = v.String()
	case "additionalInfo":
		d.AdditionalInfo = v
	}
}

// UserInfo is getUserInfo's answer. If it is not successful, it should have a message.
type UserInfo struct {
	Successful       bool              `json:"successful"`
	PlatformUserInfo *PlatformUserInfo `json:"platformUserInfo,omitempty"` // required if successful
	ReturnMessage    *ReturnMessage    `json:"returnMessage,omitempty"`
}

func (d UserInfo) write(w *writer) {
	w.bool("successful", d.Successful)
	if d.PlatformUserInfo != nil {
		w.object("platformUserInfo", d.PlatformUserInfo)
	}
	w.returnMessage(d.ReturnMessage)
}

// PlatformUserInfo says who the person is.
type PlatformUserInfo struct {
	ID           string `json:"id"` // unique in the platform, by custom with its name as suffix: "123-clio"
	Name         string `json:"name"`
	TimezoneName string `json:"timezoneName,omitempty"`
	// TimezoneOffset is a number or a string, kept as it is.
	TimezoneOffset json.Value `json:"timezoneOffset,omitzero"`
	// PlatformAdditionalInfo has values as an Object has.
	PlatformAdditionalInfo map[string]any `json:"platformAdditionalInfo,omitempty"`
	OverridingHostname     string         `json:"overridingHostname,omitempty"`
	OverridingAPIKey       string         `json:"overridingApiKey,omitempty"`
}

func (d *PlatformUserInfo) write(w *writer) {
	w.text("id", d.ID)
	w.text("name", d.Name)
	w.optional("timezoneName", d.TimezoneName)
	if d.TimezoneOffset.Exists() {
		w.any("timezoneOffset", d.TimezoneOffset)
	}
	w.optionalObject("platformAdditionalInfo", d.PlatformAdditionalInfo)
	w.optional("overridingHostname", d.OverridingHostname)
	w.optional("overridingApiKey", d.OverridingAPIKey)
}

// Milliseconds is a duration. The SDK does not use package time, which would make a small module a tenth larger.
type Milliseconds int64

// Second is a duration: 3*Second.
const Second Milliseconds = 1000

// ReturnMessage is a message that the client shows as a toast.
type ReturnMessage struct {
	Message     string       `json:"message"`
	MessageType string       `json:"messageType,omitempty"` // "success", "warning", "danger" or "error"
	TTL         Milliseconds `json:"ttl,omitempty"`
	Details     []Detail     `json:"details,omitempty"`
}

func (d *ReturnMessage) write(w *writer) {
	w.text("message", d.Message)
	w.optional("messageType", d.MessageType)
	w.optionalInt("ttl", int64(d.TTL))
	if len(d.Details) > 0 {
		list(w, "details", d.Details)
	}
}

func (w *writer) returnMessage(m *ReturnMessage) {
	if m != nil {
		w.object("returnMessage", m)
	}
}

// Success returns a message of success.
func Success(message string, shown Milliseconds) *ReturnMessage {
	return &ReturnMessage{MessageType: "success", Message: message, TTL: shown}
}

// Warning returns a message of failure. Each of details is a line below it.
func Warning(message string, shown Milliseconds, details ...string) *ReturnMessage {
	m := &ReturnMessage{MessageType: "warning", Message: message, TTL: shown}
	var items []DetailItem
	for i, text := range details {
		items = append(items, DetailItem{ID: strconv.Itoa(i + 1), Type: "text", Text: text})
	}
	if len(items) > 0 {
		m.Details = []Detail{{Title: "Details", Items: items}}
	}
	return m
}

// Detail is a section under a message.
type Detail struct {
	Title string       `json:"title"`
	Items []DetailItem `json:"items"`
}

func (d Detail) write(w *writer) {
	w.text("title", d.Title)
	list(w, "items", d.Items)
}

// DetailItem is a line of a Detail.
type DetailItem struct {
	ID   string `json:"id"`
	Type string `json:"type"` // "text"
	Text string `json:"text"`
}

func (d DetailItem) write(w *writer) {
	w.text("id", d.ID)
	w.text("type", d.Type)
	w.text("text", d.Text)
}

// UserRequest is the input of the operations on a signed-in person: authValidation, refreshUserInfo, unAuthorize,
// postSaveUserInfo and getLicenseStatus.
type UserRequest struct {
	User       User   `json:"user"`
	AuthHeader string `json:"authHeader"`
	// RefreshToken is only in unAuthorize's input. It needs "refreshToken" in the manifest's reveal.
	RefreshToken string `json:"refreshToken,omitempty"`
}

func (d *UserRequest) read(name string, v json.Value) {
	switch name {
	case "user":
		read(v, &d.User)
	case "authHeader":
		d.AuthHeader = v.String()
	case "refreshToken":
		d.RefreshToken = v.String()
	}
}

// User is a signed-in person.
type User struct {
	ID                     string     `json:"id"`
	Platform               string     `json:"platform"`
	Hostname               string     `json:"hostname"`
	RCAccountID            string     `json:"rcAccountId,omitempty"`
	TimezoneName           string     `json:"timezoneName,omitempty"`
	TimezoneOffset         json.Value `json:"timezoneOffset,omitzero"`
	TokenExpiry            string     `json:"tokenExpiry,omitempty"` // RFC 3339
	PlatformAdditionalInfo json.Value `json:"platformAdditionalInfo,omitzero"`
}

func (d *User) read(name string, v json.Value) {
	switch name {
	case "id":
		d.ID = v.String()
	case "platform":
		d.Platform = v.String()
	case "hostname":
		d.Hostname = v.String()
	case "rcAccountId":
		d.RCAccountID = v.String()
	case "timezoneName":
		d.TimezoneName = v.String()
	case "timezoneOffset":
		d.TimezoneOffset = v
	case "tokenExpiry":
		d.TokenExpiry = v.String()
	case "platformAdditionalInfo":
		d.PlatformAdditionalInfo = v
	}
}

// Outcome is the answer of authValidation, refreshUserInfo, unAuthorize and postSaveUserInfo.
type Outcome struct {
	Successful    bool           `json:"successful"`
	ReturnMessage *ReturnMessage `json:"returnMessage,omitempty"`
	User          *UserChange    `json:"user,omitempty"`
}

func (d Outcome) write(w *writer) {
	w.bool("successful", d.Successful)
	w.returnMessage(d.ReturnMessage)
	w.userChange(d.User)
}

// UserChange is a change of the stored user. The members of the object are merged over the stored ones. They have values as an Object
// has.
type UserChange struct {
	PlatformAdditionalInfo map[string]any `json:"platformAdditionalInfo"`
}

func (d *UserChange) write(w *writer) { w.any("platformAdditionalInfo", d.PlatformAdditionalInfo) }

func (w *writer) userChange(u *UserChange) {
	if u != nil {
		w.object("user", u)
	}
}

// LicenseStatus is getLicenseStatus's usual answer. A connector may answer with an Object in its place, which the client gets
// as it is.
type LicenseStatus struct {
	IsLicenseValid           bool   `json:"isLicenseValid"`
	LicenseStatus            string `json:"licenseStatus"`
	LicenseStatusDescription string `json:"licenseStatusDescription"`
}

func (d LicenseStatus) write(w *writer) {
	w.bool("isLicenseValid", d.IsLicenseValid)
	w.text("licenseStatus", d.LicenseStatus)
	w.text("licenseStatusDescription", d.LicenseStatusDescription)
}

// RefreshRequest is checkAndRefreshAccessToken's input. RefreshToken needs "refreshToken" in the manifest's reveal.
type RefreshRequest struct {
	User         User      `json:"user"`
	AuthHeader   string    `json:"authHeader"`
	OAuthInfo    OAuthInfo `json:"oauthInfo"`
	RefreshToken string    `json:"refreshToken,omitempty"`
}

func (d *RefreshRequest) read(name string, v json.Value) {
	switch name {
	case "user":
		read(v, &d.User)
	case "authHeader":
		d.AuthHeader = v.String()
	case "oauthInfo":
		read(v, &d.OAuthInfo)
	case "refreshToken":
		d.RefreshToken = v.String()
	}
}

// Refreshed is checkAndRefreshAccessToken's answer. Without a refresh token the old one is kept. ExpiresIn is in seconds.
// Without it the lifetime is unknown.
type Refreshed struct {
	AccessToken  string      `json:"accessToken"`
	RefreshToken string      `json:"refreshToken,omitempty"`
	ExpiresIn    int64       `json:"expiresIn,omitempty"`
	User         *UserChange `json:"user,omitempty"`
}

func (d Refreshed) write(w *writer) {
	w.text("accessToken", d.AccessToken)
	w.optional("refreshToken", d.RefreshToken)
	w.optionalInt("expiresIn", d.ExpiresIn)
	w.userChange(d.User)
}

// ManagedAuthRequest is getManagedAuthOptions' input: a field of the form, and the account's current values.
type ManagedAuthRequest struct {
	FieldConst    string            `json:"fieldConst"`
	AccountValues map[string]string `json:"accountValues"`
}

func (d *ManagedAuthRequest) read(name string, v json.Value) {
	switch name {
	case "fieldConst":
		d.FieldConst = v.String()
	case "accountValues":
		d.AccountValues = texts(v)
	}
}

// ManagedAuthOptions is getManagedAuthOptions' answer.
type ManagedAuthOptions struct {
	Options []ManagedAuthOption `json:"options"`
}

func (d ManagedAuthOptions) write(w *writer) { list(w, "options", d.Options) }

// ManagedAuthOption is one choice.
type ManagedAuthOption struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

func (d ManagedAuthOption) write(w *writer) {
	w.text("value", d.Value)
	w.text("label", d.Label)
}
