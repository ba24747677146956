package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/token"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestParseTokens(t *testing.T) {
	t.Parallel()
	const ten = 10 * 365 * 24 * time.Hour
	for _, c := range []struct {
		name, body      string
		m               manifest.TokenRules
		access, refresh string
		life            time.Duration // 0: unknown
		data            string        // "": not looked at
	}{
		{"the answer of RFC 6749", `{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r"}`,
			manifest.TokenRules{}, "a", "r", time.Hour, `{"expires_in":3600,"token_type":"Bearer"}`},
		{"a form", "access_token=a&token_type=bearer&expires_in=3600&refresh_token=r", manifest.TokenRules{}, "a", "r", time.Hour, `{"expires_in":"3600","token_type":"bearer"}`},
		{"a form with escapes", "access_token=a%2Bb+c&refresh_token=r%3D", manifest.TokenRules{}, "a+b c", "r=", 0, `{}`},
		{"a form with a malformed pair", "x=%zz&access_token=a", manifest.TokenRules{}, "a", "", 0, ""},
		{"a byte order mark", "\uFEFF" + `{"access_token":"a"}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"a byte order mark after blanks, before a form", " \uFEFF\r\naccess_token=a\n", manifest.TokenRules{}, "a", "", 0, ""},

		{"expires_in a float", `{"access_token":"a","expires_in":3599.9}`, manifest.TokenRules{}, "a", "", 3599900 * time.Millisecond, ""},
		{"expires_in with an exponent", `{"access_token":"a","expires_in":3.6e3}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_in a text", `{"access_token":"a","expires_in":" 3600 "}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_in empty", `{"access_token":"a","expires_in":""}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"expires_in null", `{"access_token":"a","expires_in":null}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"expires_in zero", `{"access_token":"a","expires_in":0}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"expires_in negative", `{"access_token":"a","expires_in":-1}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"expires_in words", `{"access_token":"a","expires_in":"never"}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"expires_in an object", `{"access_token":"a","expires_in":{"s":1}}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"expires_in not a number", `{"access_token":"a","expires_in":"NaN"}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"expires_in infinite", `{"access_token":"a","expires_in":1e999}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"expires_in huge", `{"access_token":"a","expires_in":1e300}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"milliseconds by the manifest", `{"access_token":"a","expires_in":3600000}`, manifest.TokenRules{Unit: time.Millisecond}, "a", "", time.Hour, ""},
		{"milliseconds by the manifest, huge", `{"access_token":"a","expires_in":1e300}`, manifest.TokenRules{Unit: time.Millisecond}, "a", "", ten, ""},
		{"minutes by the manifest", `{"access_token":"a","expires_in":"60"}`, manifest.TokenRules{Unit: time.Minute}, "a", "", time.Hour, ""},
		{"minutes by the manifest, huge", `{"access_token":"a","expires_in":1e300}`, manifest.TokenRules{Unit: time.Minute}, "a", "", ten, ""},
		{"milliseconds, absurd as seconds", `{"access_token":"a","expires_in":500000000}`, manifest.TokenRules{}, "a", "", 500000 * time.Second, ""},
		{"an epoch under expires_in", `{"access_token":"a","expires_in":1795525200}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"an epoch in milliseconds under expires_in", `{"access_token":"a","expires_in":1795525200000}`, manifest.TokenRules{}, "a", "", time.Hour, ""},

		{"expires_at in seconds", `{"access_token":"a","expires_at":1795525200}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_at in seconds, a text", `{"access_token":"a","expires_at":"1795525200"}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_at in milliseconds", `{"access_token":"a","expires_at":1795525200000}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_at in ISO 8601", `{"access_token":"a","expires_at":"2026-11-24T13:00:00Z"}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_at with an offset and a fraction", `{"access_token":"a","expires_at":"2026-11-24T14:00:00.000+0100"}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_at without a zone", `{"access_token":"a","expires_at":"2026-11-24T13:00:00"}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_on with a blank", `{"access_token":"a","expires_on":"2026-11-24 13:00:00"}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires in RFC 1123", `{"access_token":"a","expires":"Tue, 24 Nov 2026 13:00:00 GMT"}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires in RFC 1123, UTC", `{"access_token":"a","expires":"Tue, 24 Nov 2026 13:00:00 UTC"}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires in RFC 1123 with an offset", `{"access_token":"a","expires":"Tue, 24 Nov 2026 15:00:00 +0200"}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires relative", `{"access_token":"a","expires":3600}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_in empty beside expires_at", `{"access_token":"a","expires_in":"","expires_at":1795525200}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_in_sec", `{"access_token":"a","expires_in_sec":3600}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_in_sec beside expires_in in milliseconds", `{"access_token":"a","expires_in":3600000,"expires_in_sec":3600}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expires_in_sec has its own unit", `{"access_token":"a","expires_in":3600000,"expires_in_sec":3600}`, manifest.TokenRules{Unit: time.Millisecond}, "a", "", time.Hour, ""},
		{"expires_in_sec empty", `{"access_token":"a","expires_in":3600,"expires_in_sec":""}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"the path of the manifest before expires_in_sec", `{"access_token":"a","expires_in_sec":3600,"left":60}`, manifest.TokenRules{Paths: manifest.TokenPaths{ExpiresIn: "left"}}, "a", "", time.Minute, ""},
		{".expires", `{"access_token":"a",".issued":"Tue, 24 Nov 2026 12:00:00 GMT",".expires":"Tue, 24 Nov 2026 13:00:00 GMT"}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"an expires_in of the past beside expires_at", `{"access_token":"a","expires_in":1595525200,"expires_at":1795525200}`, manifest.TokenRules{}, "a", "", time.Hour, ""},
		{"expired when issued", `{"access_token":"a","expires_at":"2020-01-01T00:00:00Z"}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"a lifetime of millennia", `{"access_token":"a","expires_at":"9999-12-31T23:59:59Z"}`, manifest.TokenRules{}, "a", "", ten, ""},
		{"the manifest's lifetime", `{"access_token":"a"}`, manifest.TokenRules{Lifetime: 60}, "a", "", time.Minute, ""},
		{"the manifest's lifetime is only a default", `{"access_token":"a","expires_in":30}`, manifest.TokenRules{Lifetime: 60}, "a", "", 30 * time.Second, ""},

		{"nested in data", `{"status":1,"data":{"access_token":"a","refresh_token":"r","expires_in":60,"x":"y"}}`, manifest.TokenRules{}, "a", "r", time.Minute, `{"data":{"expires_in":60,"x":"y"},"status":1}`},
		{"response.token, a text", `{"response":{"token":"a","refreshToken":"r"}}`, manifest.TokenRules{}, "a", "r", 0, `{"response":{}}`},
		{"response.token, an object", `{"response":{"token":{"access_token":"a","expires_in":60}}}`, manifest.TokenRules{}, "a", "", time.Minute, ""},
		{"camelCase", `{"accessToken":"a","refreshToken":"r","expiresIn":60,"idToken":"i"}`, manifest.TokenRules{}, "a", "r", time.Minute, `{"expiresIn":60}`},
		{"the manifest's path", `{"x":{"y":{"access_token":"a","expires_in":60}},"access_token":"b"}`, manifest.TokenRules{Path: "x.y"}, "a", "", time.Minute, ""},
		{"a path that is not there", `{"access_token":"b"}`, manifest.TokenRules{Path: "x.y"}, "b", "", 0, ""},
		{"the manifest's paths", `{"x":{"key":"a","other":"q"},"y":{"renew":"r","left":60},"access_token":"b","refresh_token":"s"}`,
			manifest.TokenRules{Paths: manifest.TokenPaths{AccessToken: "x.key", RefreshToken: "y.renew", ExpiresIn: "y.left"}}, "a", "r", time.Minute,
			`{"x":{"other":"q"},"y":{"left":60}}`},
		{"a path of the access token alone", `{"x":{"key":"a","refresh_token":"r","expires_in":60}}`,
			manifest.TokenRules{Paths: manifest.TokenPaths{AccessToken: "x.key"}}, "a", "r", time.Minute, `{"x":{"expires_in":60}}`},
		{"a path at the top", `{"key":"a","until":"2026-11-24T13:00:00Z","expires_in":5}`,
			manifest.TokenRules{Paths: manifest.TokenPaths{AccessToken: "key", ExpiresAt: "until"}}, "a", "", time.Hour, ""},
		{"paths that are not there", `{"access_token":"b","refresh_token":"s","expires_in":60}`,
			manifest.TokenRules{Paths: manifest.TokenPaths{AccessToken: "x.key", RefreshToken: "y", ExpiresIn: "z"}}, "b", "s", time.Minute, ""},
		{"a member without a name", `{"":"x","access_token":"a"}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"a path in minutes", `{"access_token":"a","left":60}`, manifest.TokenRules{Unit: time.Minute, Paths: manifest.TokenPaths{ExpiresIn: "left"}}, "a", "", time.Hour, ""},
		{"expiry beside the object that has the token", `{"data":{"access_token":"a"},"expires_in":60}`, manifest.TokenRules{}, "a", "", time.Minute, ""},

		{"error null", `{"access_token":"a","error":null}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"error false", `{"access_token":"a","error":false}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"error zero", `{"access_token":"a","error":0}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"error empty", `{"access_token":"a","error":""}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"error an empty object", `{"access_token":"a","error":{}}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"ok true", `{"access_token":"a","ok":true}`, manifest.TokenRules{}, "a", "", 0, ""},
		{"token_type null", `{"access_token":"a","token_type":null}`, manifest.TokenRules{}, "a", "", 0, `{"token_type":null}`},
		{"token_type a number", `{"access_token":"a","token_type":7}`, manifest.TokenRules{}, "a", "", 0, `{"token_type":7}`},
		{"an access token that is a number", `{"access_token":12345678901234567890}`, manifest.TokenRules{}, "12345678901234567890", "", 0, `{}`},
		{"refresh_token null", `{"access_token":"a","refresh_token":null}`, manifest.TokenRules{}, "a", "", 0, `{}`},
		{"extra members", `{"access_token":"a","id_token":"i","instance_url":"https://eu1.example","scope":"read write","big":12345678901234567890}`,
			manifest.TokenRules{}, "a", "", 0, `{"big":12345678901234567890,"instance_url":"https://eu1.example","scope":"read write"}`},
		{"a token again under another name", `{"access_token":"aaaa","refresh_token":"rrrr","legacy":"rrrr","all":["aaaa",{"access_token":"b"},1]}`,
			manifest.TokenRules{}, "aaaa", "rrrr", 0, `{"all":[{},1]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, err := token.Parse([]byte(c.body), c.m, noon)
			var life time.Duration
			if !a.Expiry.IsZero() {
				life = a.Expiry.Sub(noon)
			}
			if err != nil || a.Access != c.access || a.Refresh != c.refresh || a.Code != "" || life != c.life {
				t.Errorf("got %+v, life %v, %v; want %q %q, life %v", a, life, err, c.access, c.refresh, c.life)
			}
			if c.data != "" && a.Data != c.data {
				t.Errorf("data %s, want %s", a.Data, c.data)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, code, text string }{
		{"the error of RFC 6749", `{"error":"invalid_grant","error_description":"x"}`, "invalid_grant", "x"},
		{"in a form", `error=invalid_grant&error_description=x+y`, "invalid_grant", "x y"},
		{"in an object", `{"error":{"code":"invalid_grant","message":"x"}}`, "invalid_grant", "x"},
		{"in an object without a code", `{"error":{"hint":1}}`, "error", ""},
		{"a number", `{"error":401,"message":"x"}`, "401", "x"},
		{"true", `{"error":true}`, "error", ""},
		{"nested", `{"response":{"error":"invalid_grant"}}`, "invalid_grant", ""},
		{"ok false", `{"ok":false,"error":"invalid_client"}`, "invalid_client", ""},
		{"ok false alone", `{"ok":false}`, "error", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, err := token.Parse([]byte(c.body), manifest.TokenRules{}, noon)
			if err != nil || a.Access != "" || a.Code != c.code || a.Text != c.text {
				t.Errorf("got %+v, %v; want %q %q", a, err, c.code, c.text)
			}
		})
	}
}

func TestParseRejects(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", " ", "\uFEFF", "null", "true", "7", `""`, `"x"`, "[]", `[{"access_token":"a"}]`, "{}", "{", `{"access_token":"a"`, `{"access_token":"abc`,
		"<html>", "<html a=b>", "hello", "hello=", `{"access_token":""}`, `{"access_token":null}`, `{"access_token":{}}`, `{"access_token":["a"]}`,
		`{"access_token":true}`, `{"data":[{"access_token":"a"}]}`, `{"token":7}`,
		strings.Repeat("x", 2<<20), strings.Repeat("[", 1<<20), `{"a":` + strings.Repeat(`{"a":`, 1<<16),
	} {
		a, err := token.Parse([]byte(body), manifest.TokenRules{}, noon)
		if err == nil || a.Access != "" || a.Code != "" {
			t.Errorf("%.60q was read as %+v, %v", body, a, err)
		}
		if err != nil && len(body) > 3 && strings.Contains(err.Error(), body) {
			t.Errorf("%.60q is quoted by the error", body)
		}
	}
}

func TestPreviewsShowNoToken(t *testing.T) {
	t.Parallel()
	const secret = "abcDEF123-._~abcDEF123abcDEF123"
	for _, pad := range []int{0, 100, 170, 190, 199, 500, 760, 770, 780, 790, 795} {
		for _, filler := range []string{"x ", strings.Repeat("y", 790)} {
			body := strings.Repeat(filler, pad/len(filler)+1)[:pad] + `{"access_token":"` + secret + `"`
			p := token.Preview([]byte(body))
			if strings.Contains(p, secret[:4]) || len(p) > 200 {
				t.Errorf("pad %d: %s", pad, p)
			}
		}
	}
	for body, want := range map[string]string{
		`{"refresh_token":"short","x":1}`:             `{"refresh_token":[…],"x":1}`,
		`{"token":"sh\"ort`:                           `{"token":[…]`,
		"access_token=short&expires_in=9":             "access_token=[…]&expires_in=9",
		"The token sent-by-us is bad":                 "The token […] is bad",
		"<h1>Maintenance</h1> We will be back soon.":  "<h1>Maintenance</h1> We will be back soon.",
		"opaque eyJhbGciOiJub25lIn0.e30.c2ln goes on": "opaque […] goes on",
	} {
		if got := token.Preview([]byte(body), crmgate.NewSecret("sent-by-us"), crmgate.Secret{}); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","expires_in":"3600","data":{"x":[1]}}`), "data", "x.y", int64(60), uint8(0))
	f.Add([]byte("access_token=a&expires_in=1"), "", "", int64(0), uint8(1))
	f.Add([]byte("\uFEFF{\"error\":{\"code\":1}}"), "a.b.", "error", int64(0), uint8(2))
	f.Add([]byte(`{"token":{"access_token":1},"expires_at":"2026-11-24T13:00:00Z"}`), ".", "token.access_token", int64(1), uint8(2))
	f.Fuzz(func(t *testing.T, body []byte, path, paths string, life int64, unit uint8) {
		m := manifest.TokenRules{
			Path: path, Lifetime: max(0, life%1e9), Unit: []time.Duration{0, time.Millisecond, time.Minute}[unit%3],
			Paths: manifest.TokenPaths{AccessToken: paths, RefreshToken: path, ExpiresIn: path, ExpiresAt: paths},
		}
		a, err := token.Parse(body, m, noon)
		switch {
		case err == nil && (a.Access == "") == (a.Code == ""):
			t.Errorf("neither a token nor an error, or both: %+v", a)
		case err != nil && (a.Access != "" || a.Code != ""):
			t.Errorf("%+v beside %v", a, err)
		case !a.Expiry.IsZero() && !a.Expiry.After(noon):
			t.Errorf("%v is over already", a.Expiry)
		}
		if _, err := a.Expiry.MarshalJSON(); err != nil {
			t.Errorf("cannot be stored: %v", err)
		}
		if p := token.Preview(body); len(p) > 200 {
			t.Errorf("a preview of %d bytes", len(p))
		}
	})
}
