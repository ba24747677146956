package identity_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
)

// canary stands for a credential in an answer: no error may quote it.
const canary = "canary-4f1c9be2"

// FuzzRingCentralAnswer: an answer is accepted only with an account and an extension, each a string or a number. No error quotes
// the answer.
func FuzzRingCentralAnswer(f *testing.F) {
	var answer string
	var status int
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	rc, err := identity.NewRingCentral("https://rc.example", func(*http.Request, crmgate.Egress) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(answer))}, nil
	}, func() time.Time {
		now = now.Add(time.Hour) // later than every cached answer
		return now
	})
	if err != nil {
		f.Fatal(err)
	}
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
		who, err := rc.Verify(t.Context(), crmgate.NewSecret(canary+"-token"))
		account, extension := string(who.Account), string(who.Extension)
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
			t.Fatalf("%d %s is read as %q, %q", code, body, account, extension)
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
			t.Errorf("%s is read as %q, %q", body, account, extension)
		}
	})
}
