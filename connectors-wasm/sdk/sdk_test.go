//go:build !wasip1

package sdk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
)

// mustRun runs fn as an export with the input {}.
func mustRun[Out sdk.Output](t *testing.T, host sdk.Host, fn func(sdk.None) (Out, error)) sdk.Result {
	t.Helper()
	r, err := sdk.Run(host, sdk.None{}, func() int32 { return sdk.Answer(fn) })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		err    error
		code   int32
		output string
	}{
		{"an answer, its text as it is", nil, 0, `{"type":"a<b&c"}`},
		{"an error", errors.New("no such region"), 1, `{"message":"no such region"}`},
		{"an error with a status", sdk.Error{Message: "gone", Status: 410}, 1, `{"message":"gone","status":410}`},
		{"a wrapped status", fmt.Errorf("ask: %w", sdk.Error{Message: "gone", Status: 410}), 1, `{"message":"ask: gone","status":410}`},
		{"an error with a code", sdk.Error{Message: "over", Status: 400, Code: "invalid_grant"}, 1, `{"message":"over","status":400,"code":"invalid_grant"}`},
		{"an error without a text", sdk.Error{}, 1, `{"message":"the connector gave no reason"}`},
		{"unsupported", fmt.Errorf("not here: %w", errors.ErrUnsupported), 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := mustRun(t, sdk.Host{}, func(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "a<b&c"}, c.err })
			if r.Code != c.code || string(r.Output) != c.output {
				t.Errorf("got %d %s, want %d %s", r.Code, r.Output, c.code, c.output)
			}
		})
	}
}

func TestAnswerRefusesAnotherInput(t *testing.T) {
	t.Parallel()
	r, err := sdk.Run(sdk.Host{}, json.RawMessage(`{"apiKey":7}`), func() int32 {
		return sdk.Answer(func(sdk.BasicAuthRequest) (sdk.BasicAuth, error) {
			t.Error("called with an input that does not fit")
			return sdk.BasicAuth{}, nil
		})
	})
	const want = `{"message":"the input is not the JSON that was expected: byte 10 is a number, want a string"}`
	if err != nil || r.Code != 1 || string(r.Output) != want {
		t.Errorf("got %d %s (%v), want 1 %s", r.Code, r.Output, err, want)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	sent := sdk.Request{Method: "PUT", URL: "https://crm.example/a", Headers: map[string]string{"X-A": "1"}, Body: "\xff\x00", Timeout: sdk.Second}
	var got sdk.Request
	host := sdk.Host{Fetch: func(r sdk.Request) (sdk.Response, error) {
		got = r
		return sdk.Response{Status: 204, Headers: map[string]string{"x-b": "2"}, Body: "\xfe"}, nil
	}}
	mustRun(t, host, func(sdk.None) (sdk.None, error) {
		a, err := sdk.Fetch(sent)
		if err != nil || a.Status != 204 || a.Headers["x-b"] != "2" || a.Body != "\xfe" || !a.OK() {
			t.Errorf("got %+v, %v", a, err)
		}
		return sdk.None{}, nil
	})
	if got.Method != sent.Method || got.URL != sent.URL || got.Headers["X-A"] != "1" || got.Body != sent.Body || got.Timeout != sent.Timeout {
		t.Errorf("the host got %+v, want %+v", got, sent)
	}
}

func TestFetchFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		host sdk.Host
		kind string
	}{
		{"a host without Fetch", sdk.Host{}, "refused"},
		{"a kind of the host's", sdk.Host{Fetch: func(sdk.Request) (sdk.Response, error) {
			return sdk.Response{}, &sdk.FetchError{Kind: "size", Message: "too large"}
		}}, "size"},
		{"any other error", sdk.Host{Fetch: func(sdk.Request) (sdk.Response, error) {
			return sdk.Response{}, errors.New("reset")
		}}, "connect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mustRun(t, c.host, func(sdk.None) (sdk.None, error) {
				_, err := sdk.Get("https://crm.example", "Bearer x")
				var fe *sdk.FetchError
				if !errors.As(err, &fe) || fe.Kind != c.kind || fe.Message == "" {
					t.Errorf("got %v, want the kind %s", err, c.kind)
				}
				return sdk.None{}, nil
			})
		})
	}
}

func TestTheRestOfTheHost(t *testing.T) {
	t.Parallel()
	clock := time.UnixMilli(1_770_000_000_123)
	var lines []string
	host := sdk.Host{
		Config: map[string]string{"CLIO_A": "a", "CLIO_EMPTY": ""},
		Now:    func() time.Time { return clock },
		Log:    func(l sdk.Level, s string) { lines = append(lines, fmt.Sprint(l, " ", s)) },
	}
	mustRun(t, host, func(sdk.None) (sdk.None, error) {
		if v, ok := sdk.Config("CLIO_EMPTY"); v != "" || !ok {
			t.Errorf("an empty value: got %q, %v", v, ok)
		}
		if _, ok := sdk.Config("CLIO_B"); ok {
			t.Error("got a value that is not set")
		}
		if a, b := sdk.ConfigOr("CLIO_A", "z"), sdk.ConfigOr("CLIO_EMPTY", "z"); a != "a" || b != "z" {
			t.Errorf("got %q and %q, want a and z", a, b)
		}
		if sdk.Now() != clock.UnixMilli() {
			t.Errorf("got %v, want %v", sdk.Now(), clock)
		}
		b := make([]byte, 100<<10)
		sdk.Random(b)
		if tail := b[len(b)-32:]; slices.Max(tail) == 0 {
			t.Error("the end of a long buffer is not random")
		}
		sdk.Log(sdk.LevelWarn, "page 2")
		return sdk.None{}, nil
	})
	if !slices.Equal(lines, []string{"2 page 2"}) {
		t.Errorf("got the lines %q", lines)
	}
}

func TestReturnMessages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		got  *sdk.ReturnMessage
		want string
	}{
		{"a success", sdk.Success("In.", sdk.Second), `{"message":"In.","messageType":"success","ttl":1000}`},
		{"a warning", sdk.Warning("No.", 3*sdk.Second), `{"message":"No.","messageType":"warning","ttl":3000}`},
		{"a warning with details", sdk.Warning("No.", sdk.Second, "a", "b"), `{"message":"No.","messageType":"warning","ttl":1000,` +
			`"details":[{"title":"Details","items":[{"id":"1","type":"text","text":"a"},{"id":"2","type":"text","text":"b"}]}]}`},
	} {
		if got := mustMarshal(t, c.got); string(got) != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer sdk.Object
		code   int32
		output string
	}{
		{"any members", sdk.Object{"b": []string{"c"}, "a": 1}, 0, `{"a":1,"b":["c"]}`},
		{"no members", sdk.Object{}, 0, `{}`},
		{"a value that has no JSON", sdk.Object{"a": int8(1)}, 1, `{"message":"write a: a value of this type cannot be written as JSON: Append lists the types"}`},
	} {
		r := mustRun(t, sdk.Host{}, func(sdk.None) (sdk.Object, error) { return c.answer, nil })
		if r.Code != c.code || string(r.Output) != c.output {
			t.Errorf("%s: got %d %s, want %d %s", c.name, r.Code, r.Output, c.code, c.output)
		}
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, got, want string }{
		{"segments", sdk.URL("https://crm.example/api", "users", "me"), "https://crm.example/api/users/me"},
		{"a slash at the end", sdk.URL("https://crm.example/", "a b/c?d#é"), "https://crm.example/a%20b%2Fc%3Fd%23%C3%A9"},
		{"no segments", sdk.URL("https://crm.example/"), "https://crm.example"},
		{"letters and digits", sdk.Escape("azAZ09-._~"), "azAZ09-._~"},
		{"their neighbours", sdk.Escape("`{@[/:"), "%60%7B%40%5B%2F%3A"},
		{"parameters", sdk.Parameters{{"b", "1 & 2"}, {"a[]", "="}, {"b", ""}}.Encode(), "b=1%20%26%202&a%5B%5D=%3D&b="},
		{"no parameters", sdk.Parameters{}.Encode(), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, c.got, c.want)
		}
	}
}
