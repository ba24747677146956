package authflow_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
)

// canary stands for a credential in strangers' bytes: no error may repeat it.
const canary = "canary-4f1c9be2"

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// newFlows makes flows over a store in memory, at noon.
func newFlows(f *testing.F, fetch crmgate.Fetch) *authflow.Flows {
	f.Helper()
	must := func(err error) {
		if err != nil {
			f.Fatal(err)
		}
	}
	engine, err := badger.Open(badger.Config{Logger: slog.New(slog.DiscardHandler)})
	must(err)
	f.Cleanup(func() { engine.Close() })
	ring, err := storage.NewKeyRing()
	must(err)
	now := func() time.Time { return noon }
	db, err := storage.Open(f.Context(), engine, ring, storage.Config{Now: now})
	must(err)
	flows, err := authflow.New(authflow.Config{
		DB: db, Fetch: fetch, PublicURL: "https://gate.example", RingCentralURL: "https://rc.example",
		SessionKey: crmgate.NewSecret(strings.Repeat("k", 32)), Now: now, Logger: slog.New(slog.DiscardHandler),
	})
	must(err)
	return flows
}

// FuzzSessionToken: a token is good if it is one of those that were issued, byte for byte, and no other text is.
func FuzzSessionToken(f *testing.F) {
	issue, good := authflow.SessionTokens(strings.Repeat("k", 32), func() time.Time { return noon })
	issued := map[string]bool{}
	for _, id := range []crmgate.UserID{"1-clio", "2-clio", "आर्यभट"} {
		t := issue(crmgate.UserKey{Platform: "clio", ID: id}, "AAAAAAAAAAAAAAAAAAAAAA").Reveal()
		issued[t] = true
		f.Add(t)
		f.Add(t + "\n")
		f.Add(t[:len(t)-1] + string(t[len(t)-1]^1))
		head, rest, _ := strings.Cut(t, ".")
		f.Add(head + "=." + rest)
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + rest)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if good(token) != issued[token] {
			t.Errorf("%q: good is %v", token, good(token))
		}
	})
}

// FuzzSessionClaims signs any header and claims with the right key: what is then good says who and until when, once.
func FuzzSessionClaims(f *testing.F) {
	const key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
	_, good := authflow.SessionTokens(key, func() time.Time { return noon })
	claims := `{"id":"1-clio","platform":"clio","iat":1795521600,"exp":1796731200,"sid":"AAAAAAAAAAAAAAAAAAAAAA"}`
	for _, h := range []string{`{"alg":"HS256","typ":"JWT"}`, `{"alg":"hs256"}`, `{"alg":"HS512"}`, `{"alg":"HS256","crit":["x"],"x":1}`, `{"alg":"none","alg":"HS256"}`, `[]`} {
		f.Add(h, claims)
	}
	for _, c := range []string{`{"id":"a","id":"b"}`, `{"id":7,"platform":"clio","exp":1e300}`, `{"id":"a","platform":"clio","exp":"1796731200"}`, `null`, `{"ID":"a"}`} {
		f.Add(`{"alg":"HS256"}`, c)
	}
	f.Fuzz(func(t *testing.T, header, claims string) {
		part := base64.RawURLEncoding.EncodeToString
		signed := part([]byte(header)) + "." + part([]byte(claims))
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(signed))
		if !good(signed + "." + part(mac.Sum(nil))) {
			return
		}
		var h map[string]any
		var c struct {
			ID, Platform string
			Exp          float64
		}
		if json.Unmarshal([]byte(header), &h) != nil || h["alg"] != "HS256" || h["crit"] != nil {
			t.Errorf("took the header %s", header)
		}
		if json.Unmarshal([]byte(claims), &c) != nil || c.ID == "" || !crmgate.Platform(c.Platform).Valid() || c.Exp <= float64(noon.Unix()) {
			t.Errorf("took the claims %s", claims)
		}
		names := map[string]bool{}
		d := json.NewDecoder(strings.NewReader(claims))
		_, _ = d.Token()
		for d.More() {
			name, _ := d.Token()
			lower := strings.ToLower(name.(string))
			if names[lower] {
				t.Errorf("took %q twice: %s", lower, claims)
			}
			names[lower] = true
			var skip json.RawMessage
			_ = d.Decode(&skip)
		}
	})
}

// FuzzBearer: what is taken for a bearer token is all that follows the scheme and one space.
func FuzzBearer(f *testing.F) {
	for _, s := range []string{"Bearer a", "bEARER a b", "Bearer  a", "Bearer", "Basic a", " Bearer a", "Bearer\ta", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, ok := authflow.Bearer(header)
		want := len(header) > 7 && strings.EqualFold(header[:6], "bearer") && header[6] == ' ' && header[7] != ' '
		if ok != want || ok && header[7:] != token {
			t.Errorf("%q: %q, %v", header, token, ok)
		}
	})
}

// FuzzState: a state opens if it is one that was made, byte for byte; any other is a refusal that repeats nothing of it.
func FuzzState(f *testing.F) {
	flows := newFlows(f, nil)
	made := map[string]authflow.BoundState{}
	for _, short := range []bool{false, true} {
		want := authflow.BoundState{Platform: "clio", Account: "42", Hostname: "eu.app.clio.com"}
		param, err := flows.BindState(f.Context(), want, short)
		if err != nil {
			f.Fatal(err)
		}
		made[param] = want
	}
	forged := make([]byte, 120) // what a state of another server looks like
	// The states differ from run to run, and so a mutation of one is told by how to change it, not by its bytes.
	f.Add(true, 0, byte(0), "")
	f.Add(false, 3, byte(1), "")
	f.Add(false, 60, byte(0), "\n")
	for param := range made { // the last character of the handle has bits that say nothing
		f.Add(len(param) < 64, strings.IndexByte(param, ',')-1, byte(1), "")
	}
	f.Add(true, -1, byte(1), ",platform=clio")
	f.Add(false, 1<<30, byte(0), "cg."+base64.RawURLEncoding.EncodeToString(forged)+",platform=clio")
	f.Fuzz(func(t *testing.T, short bool, at int, flip byte, insert string) {
		for param := range made {
			if (len(param) < 64) != short {
				continue
			}
			if at == 1<<30 {
				param = insert
			} else {
				i := int(uint(at) % uint(len(param)))
				param = param[:i] + string([]byte{param[i] ^ flip}) + insert + param[i+1:]
			}
			s, err := flows.OpenState(t.Context(), param)
			same := param // clients append a state of their own, which names the platform again
			for strings.HasSuffix(same, ",platform=clio,platform=clio") {
				same = strings.TrimSuffix(same, ",platform=clio")
			}
			want, ours := made[same]
			var refusal *crmgate.Refusal
			switch {
			case ours && (err != nil || s != want):
				t.Errorf("%q: %+v, %v", param, s, err)
			case !ours && !errors.As(err, &refusal):
				t.Errorf("%q opened, or failed: %+v, %v", param, s, err)
			case !ours && len(param) > 12 && strings.Contains(err.Error(), param[3:]):
				t.Errorf("%q is repeated: %v", param, err)
			}
		}
	})
}

// FuzzForm: whatever is typed into a form, the connector gets an object, and no refusal repeats what was typed.
func FuzzForm(f *testing.F) {
	f.Add(`{"apiKey":"`+canary+`","region":"eu"}`, "apiKey")
	f.Add(`{"apiKey":null,"region":{"a":[1]}}`, canary)
	f.Add(`["`+canary+`"]`, "")
	f.Add(`"`+canary+`"`, "")
	f.Add(`{"apiKey":"`+canary, "")
	f.Add(`null`, "")
	f.Fuzz(func(t *testing.T, info, key string) {
		fields := []manifest.FormField{{Const: "apiKey", Required: true}, {Const: "region", Required: true}, {Const: "note"}}
		out, got, missing, err := authflow.ReadForm(authflow.APIKeyRequest{APIKey: crmgate.NewSecret(key), AdditionalInfo: crmgate.NewSecret(info)}, fields)
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %v", info, err)
			}
			return
		}
		var all map[string]any
		if json.Unmarshal([]byte(out), &all) != nil || all == nil {
			t.Fatalf("%s became %s", info, out)
		}
		if s, _ := all["apiKey"].(string); s != got {
			t.Errorf("the key is %q, and the connector gets %s", got, out)
		}
		if key != "" && utf8.ValidString(key) && all["apiKey"] == nil {
			t.Errorf("%s: the key %q was lost", info, key)
		}
		for _, name := range []string{"apiKey", "region", "note"} {
			v := all[name]
			if empty := v == nil || v == ""; (empty && name != "note") != slices.Contains(missing, name) {
				t.Errorf("%s: missing %v", out, missing)
			}
		}
	})
}

// FuzzFillForm: a managed field of a form holds the stored value, or the submitted one as a text, or nothing, and what is
// kept as the person's own is what the connector gets; no refusal repeats what was typed.
func FuzzFillForm(f *testing.F) {
	f.Add(`{"a":"`+canary+`","b":"x","c":{"d":1}}`, "stored", false)
	f.Add(`{"a":"********","b":7,"c":"********"}`, "", true)
	f.Add(`{"a":["`+canary+`"],"b":null}`, "stored", true)
	f.Add(`{"b":" ******** ","a":true}`, "", false)
	f.Fuzz(func(t *testing.T, info, stored string, failed bool) {
		fields := []manifest.FormField{
			{Const: "a", Managed: true, Scope: manifest.AccountScope}, {Const: "b", Managed: true, Scope: manifest.UserScope}, {Const: "c"},
		}
		there := storage.Fields{Account: storage.FieldValues{}, Extension: storage.FieldValues{}, Failed: failed}
		if stored = strings.ToValidUTF8(stored, ""); stored != "" {
			there.Account["a"] = crmgate.NewSecret(stored)
		}
		out, own, err := authflow.FillForm(authflow.APIKeyRequest{AdditionalInfo: crmgate.NewSecret(info)}, fields, there)
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %v", info, err)
			}
			return
		}
		var all map[string]any
		if json.Unmarshal([]byte(out), &all) != nil || all == nil {
			t.Fatalf("%s became %s", info, out)
		}
		for name, kept := range map[string]crmgate.Secret{"a": own.Account["a"], "b": own.Extension["b"]} {
			v, given := all[name]
			s, isText := v.(string)
			switch {
			case given && (!isText || s == "" || strings.TrimSpace(s) == "********" && s != stored):
				t.Errorf("%s became %s", info, out)
			case !kept.IsZero() && kept.Reveal() != s:
				t.Errorf("%s: %s is kept, and the connector gets %s", info, name, out)
			case kept.IsZero() && given && (name == "b" || s != stored):
				t.Errorf("%s: %s is not stored, and the connector gets %s", info, name, out)
			case name == "a" && stored != "" && !failed && s != stored:
				t.Errorf("%s: the connector gets %s, and not what is stored", info, out)
			}
		}
	})
}

// FuzzFieldValues: what is read of submitted values is a text within bounds; no refusal repeats one.
func FuzzFieldValues(f *testing.F) {
	for _, s := range []string{``, `null`, `{"a":"` + canary + `","b":1e9,"c":false,"d":null,"e":"********"}`, `{"a":["` + canary + `"]}`, `["` + canary, `{"":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, object string) {
		values, err := authflow.ReadFieldValues(object)
		if err != nil {
			named := strings.Contains(object, canary+`":`) || strings.Contains(object, canary+`" :`) // a refusal names the field
			if strings.Contains(err.Error(), canary) && !named {
				t.Errorf("%s: %v", object, err)
			}
			return
		}
		for name, v := range values {
			s := v.Reveal()
			if s == "" || len(s) > 8<<10 || len(name) > 256 || !utf8.ValidString(s) || s[0] == '{' && !strings.Contains(object, `"`) {
				t.Errorf("%q: %q is %q", object, name, s)
			}
		}
		if len(values) > storage.MaxFields {
			t.Errorf("%d values", len(values))
		}
	})
}

// FuzzRingCentralAnswer: an answer names one account and one extension by text or number, or nobody; no error repeats it.
func FuzzRingCentralAnswer(f *testing.F) {
	var answer string
	var status int
	flows := newFlows(f, func(*http.Request, crmgate.Egress) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(answer))}, nil
	})
	for _, s := range []string{
		`{"id":7,"account":{"id":"42"},"permissions":{"admin":{"enabled":true}}}`, `{"id":"7","account":{"id":42}}`, `{"id":7,"account":{"id":{}}}`,
		`{"id":7,"account":{"id":"a\/b\u00e9"}}`, `{"id":7,"account":{"id":true}}`, `{"id":7,"account":{"id":null}}`, `{"id":"","account":{"id":""}}`,
		`{"id":1e400,"account":{"id":-0}}`, `"` + canary + `"`, `{"` + canary + `":`, ``,
	} {
		f.Add(200, s)
		f.Add(403, s)
	}
	f.Fuzz(func(t *testing.T, code int, body string) {
		status, answer = code, body
		account, extension, err := flows.Identify(t.Context(), crmgate.NewSecret(canary+"-token"))
		if err != nil {
			if account != "" || extension != "" {
				t.Errorf("%q, %q beside %v", account, extension, err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %v", body, err)
			}
			return
		}
		var told struct {
			ID      any
			Account struct{ ID any }
		}
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		if code >= 400 || d.Decode(&told) != nil {
			t.Fatalf("%d %s is taken for %q, %q", code, body, account, extension)
		}
		is := func(v any, id string) bool {
			switch v := v.(type) {
			case string:
				return v == id
			case json.Number:
				return v.String() == id
			}
			return false
		}
		if account == "" || extension == "" || !is(told.Account.ID, account) || !is(told.ID, extension) {
			t.Errorf("%s is taken for %q, %q", body, account, extension)
		}
	})
}

// FuzzMergeObjects: what comes is laid over what was there, member by member, and the result is an object.
func FuzzMergeObjects(f *testing.F) {
	for _, s := range [][2]string{{`{"a":1,"b":{"c":2}}`, `{"b":null}`}, {``, `{}`}, {`null`, `null`}, {`{}`, `[]`}, {`{"a":1}`, ``}, {`{"a":1,"a":2}`, `{"A":3}`}} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, old, over []byte) {
		merged, err := authflow.MergeObjects(old, over)
		if err != nil || len(over) == 0 {
			return
		}
		var was, came, is map[string]any
		_ = json.Unmarshal(old, &was)
		if json.Unmarshal(over, &came) != nil || json.Unmarshal(merged, &is) != nil || is == nil {
			t.Fatalf("%s over %s is %s", over, old, merged)
		}
		want := func(m map[string]any, name string) string { b, _ := json.Marshal(m[name]); return string(b) }
		for name := range is {
			from := was
			if _, ok := came[name]; ok {
				from = came
			}
			if _, ok := from[name]; !ok || want(from, name) != want(is, name) {
				t.Errorf("%s over %s is %s", over, old, merged)
			}
		}
		for _, m := range []map[string]any{was, came} {
			for name := range m {
				if _, ok := is[name]; !ok {
					t.Errorf("%s over %s is %s, without %q", over, old, merged, name)
				}
			}
		}
	})
}
