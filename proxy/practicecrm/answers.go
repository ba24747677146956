package practicecrm

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// TokenAnswer is a form of token response that real token endpoints use.
type TokenAnswer struct {
	// Name is the value of Mood.Token that selects it.
	Name string
	// Valid says that it contains a usable token. An invalid answer has no effect: the code or refresh token in the request
	// still works afterwards.
	Valid bool
	// Lifetime is the lifetime that it states if Config.AccessLife is the default; 0 if it states none.
	Lifetime time.Duration
	// Refresh says that it contains a refresh token.
	Refresh bool
	// Path is the path to the tokens that the manifest must declare; empty for none.
	Path string
	// Milliseconds says that the manifest must declare that expires_in is in milliseconds.
	Milliseconds bool

	keep   bool   // the refresh token is not rotated
	status int    // 0: 200
	kind   string // content type; empty: none
	body   string // with placeholders, see render
	pad    int    // spaces after the body
	short  bool   // the connection ends before the announced length
}

// render replaces placeholders such as $ACCESS. The constant plain is the response of RFC 6749, 5.1.
const (
	plain = `{"access_token":"$ACCESS","token_type":"Bearer","expires_in":$SECONDS,"refresh_token":"$REFRESH"}`
	form  = "access_token=$ACCESS&token_type=Bearer&expires_in=$SECONDS&refresh_token=$REFRESH"

	typeJSON = "application/json"
	typeText = "text/plain; charset=utf-8"
	typeHTML = "text/html; charset=utf-8"
	typeForm = "application/x-www-form-urlencoded"
)

// with returns a body with member in place of expires_in; "" for no member.
func with(member string) string {
	if member != "" {
		member = "," + member
	}
	return `{"access_token":"$ACCESS","token_type":"Bearer","refresh_token":"$REFRESH"` + member + "}"
}

// typed returns a body with member in place of token_type.
func typed(member string) string {
	return strings.Replace(plain, `"token_type":"Bearer",`, member, 1)
}

// TokenAnswers lists the forms. The first is the standard one.
func TokenAnswers() []TokenAnswer {
	const life = defaultAccessLife
	// good states token and lifetime, timeless states no lifetime, bad has no usable token.
	good := func(name, kind, body string) TokenAnswer {
		return TokenAnswer{Name: name, Valid: true, Lifetime: life, Refresh: true, kind: kind, body: body}
	}
	timeless := func(name, body string) TokenAnswer {
		return TokenAnswer{Name: name, Valid: true, Refresh: true, kind: typeJSON, body: body}
	}
	bad := func(name, kind, body string) TokenAnswer { return TokenAnswer{Name: name, kind: kind, body: body} }
	return []TokenAnswer{
		good("json", typeJSON, plain),
		good("json as text", typeText, plain),
		good("json as html", typeHTML, plain),
		good("json as form", typeForm, plain),
		good("json without type", "", plain),
		good("form", typeForm, form),
		good("form as json", typeJSON, form),
		good("form as text", typeText, form),
		good("form as html", typeHTML, form),
		good("form without type", "", form),
		good("byte order mark", typeJSON, "\uFEFF"+plain),
		good("blanks around", typeJSON, "\r\n\t "+plain+"\r\n"),

		good("expires_in float", typeJSON, with(`"expires_in":$SECONDS.0`)),
		good("expires_in text", typeJSON, with(`"expires_in":"$SECONDS"`)),
		good("expires_in epoch", typeJSON, with(`"expires_in":$EPOCH`)),
		{
			Name: "expires_in milliseconds", Valid: true, Lifetime: life, Refresh: true, Milliseconds: true,
			kind: typeJSON, body: with(`"expires_in":$MILLIS`),
		},
		{ // ten years and more can only be milliseconds
			Name: "expires_in absurd", Valid: true, Lifetime: 500_000 * time.Second, Refresh: true,
			kind: typeJSON, body: with(`"expires_in":500000000`),
		},
		timeless("expires_in empty", with(`"expires_in":""`)),
		timeless("expires_in null", with(`"expires_in":null`)),
		timeless("expires_in zero", with(`"expires_in":0`)),
		timeless("expires_in negative", with(`"expires_in":-1`)),
		timeless("expires_in words", with(`"expires_in":"never"`)),
		timeless("expires_in missing", with("")),
		good("expires_in_sec", typeJSON, with(`"expires_in_sec":$SECONDS,"expires_in":$MILLIS`)), // Zoho
		good("expires_at seconds", typeJSON, with(`"expires_at":$EPOCH`)),
		good("expires_at text", typeJSON, with(`"expires_at":"$EPOCH"`)),
		good("expires_at milliseconds", typeJSON, with(`"expires_at":$MSEPOCH`)),
		good("expires_at iso", typeJSON, with(`"expires_at":"$ISO"`)),
		good("expires_at rfc1123", typeJSON, with(`"expires_at":"$HTTPDATE"`)),
		good("expires seconds", typeJSON, with(`"expires":$EPOCH`)),
		good("expires milliseconds", typeJSON, with(`"expires":$MSEPOCH`)),
		good("expires iso", typeJSON, with(`"expires":"$ISO"`)),
		good("expires rfc1123", typeJSON, with(`"expires":"$HTTPDATE"`)),

		good("nested data", typeJSON, `{"status":"success","data":`+plain+`}`),
		good("nested response", typeJSON, `{"ok":true,"response":`+plain+`}`),
		good("camelCase", typeJSON, `{"accessToken":"$ACCESS","tokenType":"Bearer","expiresIn":$SECONDS,"refreshToken":"$REFRESH"}`),
		{
			Name: "custom path", Valid: true, Lifetime: life, Refresh: true, Path: "result.oauth",
			kind: typeJSON, body: `{"result":{"oauth":` + plain + `}}`,
		},

		good("error null", typeJSON, with(`"expires_in":$SECONDS,"error":null`)),
		good("error false", typeJSON, with(`"expires_in":$SECONDS,"error":false`)),
		good("error zero", typeJSON, with(`"expires_in":$SECONDS,"error":0`)),
		good("error empty", typeJSON, with(`"expires_in":$SECONDS,"error":""`)),
		good("token_type null", typeJSON, typed(`"token_type":null,`)),
		good("token_type number", typeJSON, typed(`"token_type":7,`)),
		good("token_type missing", typeJSON, typed("")),
		{Name: "status 201", Valid: true, Lifetime: life, Refresh: true, status: 201, kind: typeJSON, body: plain},
		{
			Name: "no refresh_token", Valid: true, Lifetime: life, keep: true,
			kind: typeJSON, body: `{"access_token":"$ACCESS","token_type":"Bearer","expires_in":$SECONDS}`,
		},
		{Name: "same refresh_token", Valid: true, Lifetime: life, Refresh: true, keep: true, kind: typeJSON, body: plain},
		good("extra fields", typeJSON, with(`"expires_in":$SECONDS,"instance_url":"https://eu1.practice.example",`+
			`"api_domain":"https://api.practice.example","restUrl":"https://rest.practice.example/9/","scope":"read write",`+
			`"big":12345678901234567890`)), // more digits than a float64 has

		{Name: "error object", status: 400, kind: typeJSON, body: `{"error":{"code":"invalid_grant","message":"It is not good."}}`},
		bad("error with status 200", typeJSON, `{"error":"invalid_grant","error_description":"It is not good."}`),
		bad("ok false", typeJSON, `{"ok":false,"error":"invalid_grant"}`),
		bad("ok false alone", typeJSON, `{"ok":false}`),
		bad("html", typeHTML, "<!doctype html><title>Maintenance</title><p>We will be back soon."),
		{Name: "html with status 502", status: 502, kind: typeHTML, body: "<html><h1>502 Bad Gateway</h1></html>"},
		bad("empty", typeJSON, ""),
		bad("empty without type", "", ""),
		bad("cut", typeJSON, `{"access_token":"$ACCESS","token_type":"Bear`),
		{Name: "cut connection", kind: typeJSON, body: `{"access_token":"$ACCESS","token_type":"Bear`, short: true},
		bad("array", typeJSON, "["+plain+"]"),
		bad("text", typeJSON, `"$ACCESS"`),
		bad("null", typeJSON, "null"),
		bad("no token", typeJSON, `{"token_type":"Bearer","expires_in":$SECONDS}`),
		bad("empty token", typeJSON, `{"access_token":"","token_type":"Bearer","expires_in":$SECONDS}`),
		{Name: "two megabytes", kind: typeJSON, body: plain, pad: 2 << 20},
	}
}

// PeculiarAnswers lists forms that can be read in full only if the manifest declares where the values are, or in which unit.
// Mood.Token selects them like the others.
func PeculiarAnswers() []TokenAnswer {
	const life = defaultAccessLife
	return []TokenAnswer{
		{Name: "expires_in minutes", Valid: true, Lifetime: life, Refresh: true, kind: typeJSON, body: with(`"expires_in":$MINUTES`)},
		{
			Name: "custom paths", Valid: true, Lifetime: life, Refresh: true, kind: typeJSON,
			body: `{"result":{"key":"$ACCESS","left":$SECONDS},"renewal":{"key":"$REFRESH"},"refresh_token":"none of these"}`,
		},
		{Name: "custom end", Valid: true, Lifetime: life, Refresh: true, kind: typeJSON, body: with(`"session":{"until":"$ISO"},"expires_in":7`)},
		{ // Salesforce, for a refresh
			Name: "token and address", Valid: true, keep: true, kind: typeJSON,
			body: `{"access_token":"$ACCESS","signature":"x","scope":"refresh_token api","instance_url":"https://eu1.practice.example","token_type":"Bearer","issued_at":"1795521600000"}`,
		},
		{ // GitHub, for applications whose tokens expire
			Name: "form with two lifetimes", Valid: true, Lifetime: life, Refresh: true, kind: typeForm + "; charset=utf-8",
			body: "access_token=$ACCESS&expires_in=$SECONDS&refresh_token=$REFRESH&refresh_token_expires_in=15897600&scope=&token_type=bearer",
		},
		{ // QuickBooks
			Name: "json with two lifetimes", Valid: true, Lifetime: life, Refresh: true, kind: typeJSON,
			body: with(`"x_refresh_token_expires_in":8726400,"expires_in":$SECONDS`),
		},
		{ // CRMs whose tokens never expire
			Name: "token alone", Valid: true, keep: true, kind: typeJSON, body: `{"access_token":"$ACCESS","token_type":"Bearer"}`,
		},
	}
}

// granted holds the values for the placeholders.
type granted struct {
	access, refresh string
	life            time.Duration
	now             time.Time
}

// render returns the body with its placeholders replaced.
func (a TokenAnswer) render(g granted) string {
	end := g.now.Add(g.life).UTC()
	return strings.NewReplacer(
		"$ACCESS", g.access, "$REFRESH", g.refresh,
		"$SECONDS", strconv.FormatInt(int64(g.life/time.Second), 10),
		"$MINUTES", strconv.FormatInt(int64(g.life/time.Minute), 10),
		"$MILLIS", strconv.FormatInt(g.life.Milliseconds(), 10),
		"$EPOCH", strconv.FormatInt(end.Unix(), 10),
		"$MSEPOCH", strconv.FormatInt(end.UnixMilli(), 10),
		"$ISO", end.Format(time.RFC3339),
		"$HTTPDATE", end.Format(http.TimeFormat),
	).Replace(a.body) + strings.Repeat(" ", a.pad)
}
