package identity_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
)

// canary stands for a credential in an answer: no error may quote it.
const canary = "canary-4f1c9be2"

// office is a RingCentral that counts the requests about each token.
type office struct {
	*identity.RingCentral
	mu     sync.Mutex
	asked  map[string]int
	status map[string]int // of the answer about a token; default 200
	wait   chan struct{}  // if not nil, answers wait until it is closed
	now    time.Time
}

func newOffice(t *testing.T) *office {
	o := &office{asked: map[string]int{}, status: map[string]int{}, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	var err error
	o.RingCentral, err = identity.NewRingCentral("https://rc.example", func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		o.mu.Lock()
		o.asked[token]++
		status, wait := o.status[token], o.wait
		o.mu.Unlock()
		if wait != nil {
			<-wait
		}
		return &http.Response{StatusCode: cmp.Or(status, 200), Body: io.NopCloser(strings.NewReader(`{"id":7,"account":{"id":42}}`))}, nil
	}, func() time.Time { return o.now })
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// want verifies a token. It checks the error, and how often RingCentral was asked about the token in all.
func (o *office) want(t *testing.T, token, text string, asked int) {
	t.Helper()
	_, err := o.Verify(t.Context(), crmgate.NewSecret(token))
	if got := fmt.Sprint(err); got != text {
		t.Errorf("%s: got the error %q, want %q", token, got, text)
	}
	if o.asked[token] != asked {
		t.Errorf("%s: RingCentral was asked %d times, want %d", token, o.asked[token], asked)
	}
}

// TestAnswersAreRemembered: RingCentral is asked about a token once a minute, whether it accepts or refuses the token. A
// failure of RingCentral is not remembered.
func TestAnswersAreRemembered(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.status["junk"], o.status["no"], o.status["busy"], o.status["ill"] = 401, 403, 429, 500
	for range 3 {
		o.want(t, "good", "<nil>", 1)
		o.want(t, "junk", "Request failed with status code 401: the token is not valid", 1)
		o.want(t, "no", "Request failed with status code 403: the token is not valid", 1)
	}
	for i := range 3 {
		o.want(t, "busy", "Request failed with status code 429", i+1)
		o.want(t, "ill", "Request failed with status code 500", i+1)
	}
	_, err := o.Verify(t.Context(), crmgate.NewSecret("junk"))
	if !errors.Is(err, crmgate.ErrInvalidToken) {
		t.Errorf("a remembered refusal is %v", err)
	}
	o.now = o.now.Add(time.Minute)
	o.want(t, "good", "<nil>", 2)
	o.want(t, "junk", "Request failed with status code 401: the token is not valid", 2)
}

// TestJunkDoesNotPushOut: many refused tokens do not push valid ones out of the cache.
func TestJunkDoesNotPushOut(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.want(t, "good", "<nil>", 1)
	for i := range 5000 {
		token := fmt.Sprint("junk ", i)
		o.status[token] = 401
		o.want(t, token, "Request failed with status code 401: the token is not valid", 1)
	}
	o.want(t, "good", "<nil>", 1)
}

// TestATokenInUseIsKept: a full cache forgets the token that was used longest ago, and not one that is in use.
func TestATokenInUseIsKept(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.want(t, "old", "<nil>", 1)
	for i := range 5000 {
		o.want(t, fmt.Sprint("good ", i), "<nil>", 1)
		if i%1000 == 0 {
			o.want(t, "good", "<nil>", 1)
		}
	}
	o.want(t, "good", "<nil>", 1)
	o.want(t, "old", "<nil>", 2)
}

// TestOneRequestForManyCallers: callers that ask about one token at the same time share a request. It goes on if the first of
// them leaves.
func TestOneRequestForManyCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.wait = make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		errs := make(chan error, 200)
		for i := range cap(errs) {
			go func() {
				ctx := ctx
				if i > 0 {
					ctx = t.Context()
				}
				_, err := o.Verify(ctx, crmgate.NewSecret("good"))
				errs <- err
			}()
			synctest.Wait()
		}
		leave()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller that left got %v", err)
		}
		close(o.wait)
		for range cap(errs) - 1 {
			if err := <-errs; err != nil {
				t.Errorf("a caller that waited got %v", err)
			}
		}
		o.want(t, "good", "<nil>", 1)
	})
}

// TestPanicIsAnError: a panic in a request does not end the process, and is not remembered.
func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	calls := 0
	rc, err := identity.NewRingCentral("https://rc.example", func(*http.Request, crmgate.Egress) (*http.Response, error) {
		if calls++; calls == 1 {
			panic("canary")
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"id":7,"account":{"id":42}}`))}, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = rc.Verify(t.Context(), crmgate.NewSecret("token"))
	var refusal *crmgate.Refusal
	if !errors.As(err, &refusal) || refusal.Kind != crmgate.Unavailable || !strings.Contains(fmt.Sprint(refusal.Err), "canary") {
		t.Errorf("got %v", err)
	}
	if _, err := rc.Verify(t.Context(), crmgate.NewSecret("token")); err != nil {
		t.Errorf("the next one got %v", err)
	}
}

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
