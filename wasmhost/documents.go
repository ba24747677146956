package wasmhost

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
)

// The JSON documents that the host passes to guests and gets from them, by operation. connectors-wasm/ABI.md specifies them.
// Secrets are revealed to a connector in secrets.go and connector.go, and by the import config.

type authTypeOut struct {
	Type manifest.AuthType `json:"type"`
}

func (d authTypeOut) check() error {
	if d.Type != manifest.OAuth && d.Type != manifest.APIKey {
		return errors.New("type is neither oauth nor apiKey")
	}
	return nil
}

type oauthInfoIn struct {
	Hostname string            `json:"hostname,omitempty"`
	TokenURL string            `json:"tokenUrl,omitempty"`
	Account  crmgate.AccountID `json:"rcAccountId,omitempty"`
	Email    string            `json:"userEmail,omitempty"`
	Username string            `json:"username,omitempty"`
}

// oauthInfoDoc is an application in the input of operations. ClientSecret replaces the Application's, which does not reveal
// itself, and ClientID comes before it.
type oauthInfoDoc struct {
	ClientID     string `json:"clientId,omitempty"`
	ClientSecret string `json:"clientSecret,omitempty"`
	crmgate.Application
	RevocationURI string            `json:"revocationUri,omitempty"`
	TokenAuth     crmgate.TokenAuth `json:"tokenAuth,omitempty"`
}

// oauthInfoOut is the answer of getOauthInfo.
type oauthInfoOut struct {
	crmgate.Application
	Scopes        crmgate.Words     `json:"scopes"`
	RevocationURI string            `json:"revocationUri"`
	TokenAuth     crmgate.TokenAuth `json:"tokenAuth"`
	AuthMethod    string            `json:"tokenEndpointAuthMethod"`
	FailMessage   string            `json:"failMessage"`
}

// authMethods are the token endpoint authentication methods of RFC 7591, section 2, and our names for them.
var authMethods = map[string]crmgate.TokenAuth{
	"":                    "",
	"client_secret_basic": crmgate.TokenAuthBasic,
	"client_secret_post":  crmgate.TokenAuthBody,
	"none":                crmgate.TokenAuthNone,
}

func (d oauthInfoOut) check() error {
	if d.TokenAuth != "" && !d.TokenAuth.Valid() {
		return errors.New("tokenAuth is not basic, basicRaw, body or none")
	}
	if _, known := authMethods[d.AuthMethod]; !known {
		return errors.New("tokenEndpointAuthMethod is not client_secret_basic, client_secret_post or none")
	}
	return nil
}

func (d oauthInfoOut) info() connector.OAuthInfo {
	i := connector.OAuthInfo{
		Application: d.Application, RevocationURI: d.RevocationURI, TokenAuth: cmp.Or(d.TokenAuth, authMethods[d.AuthMethod]), FailMessage: d.FailMessage,
	}
	i.Scopes = string(d.Scopes)
	return i
}

type oauthOptionIn struct {
	Code      string       `json:"code"`
	State     string       `json:"state,omitempty"`
	OAuthInfo oauthInfoDoc `json:"oauthInfo"`
}

type oauthOptionOut struct {
	Headers map[string]string `json:"headers"`
	Query   map[string]string `json:"query"`
	Body    map[string]string `json:"body"`
}

func (o oauthOptionOut) check() error { return crmgate.CheckHeaders(o.Headers) }

type basicAuthIn struct {
	APIKey string `json:"apiKey"`
}

type basicAuthOut struct {
	Basic  string `json:"basic"`
	Header string `json:"header"`
}

func (d basicAuthOut) check() error {
	if d.Basic != "" && d.Header != "" {
		return errors.New("basic and header are both given")
	}
	return require("basic", d.Basic+d.Header)
}

// authorization returns the whole Authorization header.
func (d basicAuthOut) authorization() string {
	if d.Header != "" {
		return d.Header
	}
	return "Basic " + d.Basic
}

type userInfoIn struct {
	AuthHeader     string            `json:"authHeader"`
	Hostname       string            `json:"hostname"`
	Platform       crmgate.Platform  `json:"platform"`
	Query          map[string]string `json:"query,omitempty"`
	CallbackURI    string            `json:"callbackUri,omitempty"`
	TokenURL       string            `json:"tokenUrl,omitempty"`
	APIURL         string            `json:"apiUrl,omitempty"`
	Username       string            `json:"username,omitempty"`
	Data           json.RawMessage   `json:"data,omitempty"`
	APIKey         string            `json:"apiKey,omitempty"`
	AdditionalInfo json.RawMessage   `json:"additionalInfo,omitempty"`
}

type userInfoOut struct {
	Successful *bool `json:"successful"`
	User       struct {
		ID                 id              `json:"id"`
		Name               string          `json:"name"`
		TimezoneName       string          `json:"timezoneName"`
		TimezoneOffset     json.RawMessage `json:"timezoneOffset"`
		AdditionalInfo     json.RawMessage `json:"platformAdditionalInfo"`
		OverridingHostname string          `json:"overridingHostname"`
		OverridingAPIKey   string          `json:"overridingApiKey"`
	} `json:"platformUserInfo"`
	Message *crmgate.ReturnMessage `json:"returnMessage"`
}

func (d userInfoOut) check() error {
	switch {
	case d.Successful == nil:
		return errors.New("successful is missing")
	case !*d.Successful:
		return nil
	case d.User.ID == "":
		return errors.New("platformUserInfo.id is missing")
	}
	if o := d.User.TimezoneOffset; len(o) > 0 && strings.ContainsAny(string(o[:1]), "{[tf") {
		return errors.New("platformUserInfo.timezoneOffset is not a number or string")
	}
	return checkObject("platformUserInfo.platformAdditionalInfo", d.User.AdditionalInfo)
}

func (d userInfoOut) info() connector.UserInfo {
	u := d.User
	return connector.UserInfo{
		Successful: *d.Successful, Message: d.Message, ID: crmgate.UserID(u.ID), Name: u.Name,
		TimezoneName: u.TimezoneName, TimezoneOffset: nullToNil(u.TimezoneOffset), AdditionalInfo: nullToNil(u.AdditionalInfo),
		OverridingHostname: u.OverridingHostname, OverridingAPIKey: crmgate.NewSecret(u.OverridingAPIKey),
	}
}

// userIn is the input of operations for a signed-in user.
type userIn struct {
	User       userDoc `json:"user"`
	AuthHeader string  `json:"authHeader"`
	// RefreshToken is in the inputs of unAuthorize and checkAndRefreshAccessToken.
	RefreshToken string `json:"refreshToken,omitempty"`
}

type userDoc struct {
	ID             crmgate.UserID    `json:"id"`
	Platform       crmgate.Platform  `json:"platform"`
	Hostname       string            `json:"hostname"`
	Account        crmgate.AccountID `json:"rcAccountId,omitempty"`
	TimezoneName   string            `json:"timezoneName,omitempty"`
	TimezoneOffset json.RawMessage   `json:"timezoneOffset,omitempty"`
	TokenExpiry    json.RawMessage   `json:"tokenExpiry,omitempty"`
	AdditionalInfo json.RawMessage   `json:"platformAdditionalInfo,omitempty"`
}

func userOf(r connector.UserRequest) userDoc {
	u := r.User
	return userDoc{
		ID: u.Key.ID, Platform: u.Key.Platform, Hostname: u.Key.Hostname, Account: u.Account, TimezoneName: u.TimezoneName,
		TimezoneOffset: u.TimezoneOffset, TokenExpiry: r.TokenExpiry, AdditionalInfo: u.AdditionalInfo,
	}
}

// userChange is the part of an answer that changes the stored user. A connector has no database.
type userChange struct {
	AdditionalInfo json.RawMessage `json:"platformAdditionalInfo"`
}

func (d userChange) check() error {
	return checkObject("user.platformAdditionalInfo", d.AdditionalInfo)
}

type outcomeOut struct {
	Successful *bool                  `json:"successful"`
	Message    *crmgate.ReturnMessage `json:"returnMessage"`
	User       userChange             `json:"user"`
}

func (d outcomeOut) check() error { return d.User.check() }

// outcome treats a missing successful as true: in App Connect's interfaces, unAuthorize and postSaveUserInfo do not have it.
func (d outcomeOut) outcome() connector.Outcome {
	return connector.Outcome{
		Successful: d.Successful == nil || *d.Successful, Message: d.Message, AdditionalInfo: nullToNil(d.User.AdditionalInfo),
	}
}

// validationOut is an outcome with a required member successful.
type validationOut struct{ outcomeOut }

func (d validationOut) check() error {
	if d.Successful == nil {
		return errors.New("successful is missing")
	}
	return d.outcomeOut.check()
}

// licenseOut is an object that is passed on unchanged.
type licenseOut struct{ json.RawMessage }

func (d licenseOut) check() error { return nil } // decode checks that it is an object

type refreshIn struct {
	userIn
	OAuthInfo oauthInfoDoc `json:"oauthInfo"`
}

type refreshOut struct {
	AccessToken  string     `json:"accessToken"`
	RefreshToken string     `json:"refreshToken"`
	ExpiresIn    seconds    `json:"expiresIn"`
	User         userChange `json:"user"`
}

// seconds is a number (such as 3600.0) or a string that contains one. CRMs use both.
type seconds float64

func (d *seconds) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" || s == "" {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return &json.UnmarshalTypeError{Value: "value"} // the decoder adds the field
	}
	*d = seconds(f)
	return nil
}

func (d refreshOut) check() error {
	return errors.Join(require("accessToken", d.AccessToken), d.User.check())
}

type managedOptionsIn struct {
	FieldConst    string            `json:"fieldConst"`
	AccountValues map[string]string `json:"accountValues"`
}

type managedOptionsOut struct {
	Options []struct {
		Value id `json:"value"` // numbers keep their spelling
		Label id `json:"label"`
	} `json:"options"`
}

func (d managedOptionsOut) check() error {
	if d.Options == nil {
		return errors.New("options is missing")
	}
	for i, o := range d.Options {
		if err := errors.Join(require("value", string(o.Value)), require("label", string(o.Label))); err != nil {
			return fmt.Errorf("options[%d]: %w", i, err)
		}
	}
	return nil
}

func (d managedOptionsOut) options() []connector.ManagedAuthOption {
	all := make([]connector.ManagedAuthOption, len(d.Options))
	for i, o := range d.Options {
		all[i] = connector.ManagedAuthOption{Value: string(o.Value), Label: string(o.Label)}
	}
	return all
}

// document is an answer that can check its required members.
type document interface{ check() error }

// decode reads an answer. The error says what is wrong, but does not quote the answer, which may contain secrets.
func decode[D document](b []byte) (D, error) {
	var d D
	if b = bytes.TrimSpace(b); len(b) == 0 || b[0] != '{' {
		return d, errors.New("it is not a JSON object")
	}
	if err := json.Unmarshal(b, &d); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) && t.Field != "" {
			// encoding/json prefixes a field of an embedded struct with the struct's name
			return d, fmt.Errorf("%s has the wrong type", strings.TrimPrefix(t.Field, "Application."))
		}
		return d, errors.New("it is not a JSON object")
	}
	return d, d.check()
}

// checkAnswer checks an operation's answer against the requirements of ABI.md.
func checkAnswer(operation string, b []byte) error {
	var err error
	switch operation {
	case "getAuthType":
		_, err = decode[authTypeOut](b)
	case "getOauthInfo":
		_, err = decode[oauthInfoOut](b)
	case "getOverridingOAuthOption":
		_, err = decode[oauthOptionOut](b)
	case "getBasicAuth":
		_, err = decode[basicAuthOut](b)
	case "getUserInfo":
		_, err = decode[userInfoOut](b)
	case "authValidation", "refreshUserInfo":
		_, err = decode[validationOut](b)
	case "unAuthorize", "postSaveUserInfo":
		_, err = decode[outcomeOut](b)
	case "getLicenseStatus":
		_, err = decode[licenseOut](b)
	case "checkAndRefreshAccessToken":
		_, err = decode[refreshOut](b)
	case "getManagedAuthOptions":
		_, err = decode[managedOptionsOut](b)
	}
	return err
}

func require(name, v string) error {
	if v == "" {
		return fmt.Errorf("%s is missing", name)
	}
	return nil
}

func checkObject(name string, v json.RawMessage) error {
	if v = nullToNil(v); len(v) > 0 && v[0] != '{' {
		return fmt.Errorf("%s is not an object", name)
	}
	return nil
}

func nullToNil(v json.RawMessage) json.RawMessage {
	if string(v) == "null" {
		return nil
	}
	return v
}

// id is a string, or a number in its original spelling.
type id string

func (d *id) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case string(b) == "null":
	case b[0] == '"':
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
	case bytes.ContainsAny(b, "{[tf"):
		return &json.UnmarshalTypeError{Value: "value"} // the decoder adds the field
	default:
		s = string(b)
	}
	*d = id(s)
	return nil
}
