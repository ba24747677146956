//go:build !wasip1

package sdk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/sdktest"
)

// operations maps each operation of the ABI to a check that its types have every member of a vector's documents.
var operations = map[string]func(*testing.T, sdktest.Case){
	"getAuthType":                crosses[sdk.None, sdk.AuthType],
	"getOauthInfo":               crosses[sdk.OAuthInfoRequest, sdk.OAuthInfo],
	"getOverridingOAuthOption":   crosses[sdk.OAuthOptionRequest, sdk.OAuthOption],
	"getBasicAuth":               crosses[sdk.BasicAuthRequest, sdk.BasicAuth],
	"getUserInfo":                crosses[sdk.UserInfoRequest, sdk.UserInfo],
	"authValidation":             crosses[sdk.UserRequest, sdk.Outcome],
	"refreshUserInfo":            crosses[sdk.UserRequest, sdk.Outcome],
	"unAuthorize":                crosses[sdk.UserRequest, sdk.Outcome],
	"postSaveUserInfo":           crosses[sdk.UserRequest, sdk.Outcome],
	"getLicenseStatus":           crosses[sdk.UserRequest, sdk.LicenseStatus],
	"checkAndRefreshAccessToken": crosses[sdk.RefreshRequest, sdk.Refreshed],
	"getManagedAuthOptions":      crosses[sdk.ManagedAuthRequest, sdk.ManagedAuthOptions],
}

func TestTypesHoldTheVectors(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range sdktest.MustRead(t, "../abi") {
		check := operations[v.Operation]
		if check == nil {
			t.Errorf("%s: no such operation", v.Operation)
			continue
		}
		seen[v.Operation] = true
		for _, c := range v.Cases {
			t.Run(v.Operation+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				check(t, c)
				for _, x := range c.Fetches {
					exchangeCrosses(t, x)
				}
			})
		}
	}
	for name := range operations {
		if !seen[name] {
			t.Errorf("%s has no vectors", name)
		}
	}
}

// crosses runs an operation that answers as the vector says, and compares its input and output with the vector.
func crosses[In any, Out sdk.Output, P sdk.Input[In]](t *testing.T, c sdktest.Case) {
	r, err := sdk.Run(sdk.Host{}, c.Input, func() int32 {
		return sdk.Answer[In, Out, P](func(in In) (Out, error) {
			var out Out
			mustStrictly(t, c.Input, new(In))
			if back := mustMarshal(t, in); !sdktest.Equal(back, c.Input) {
				t.Errorf("the input arrives as %s, want %s", back, c.Input)
			}
			switch c.Result {
			case 0:
				mustStrictly(t, c.Output, &out)
				return out, nil
			case 1:
				var e sdk.Error
				mustStrictly(t, c.Output, &e)
				return out, e
			}
			return out, errors.ErrUnsupported
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != c.Result || !holds(t, r.Output, c.Output) {
		t.Errorf("got %d %s, want %d %s", r.Code, r.Output, c.Result, c.Output)
	}
}

func exchangeCrosses(t *testing.T, x sdktest.Exchange) {
	var q sdk.Request
	var a sdk.Response
	if err := json.Unmarshal(x.Request, &q); err != nil || !sdktest.Equal(mustMarshal(t, q), x.Request) {
		t.Errorf("the request crosses as %s (%v), want %s", mustMarshal(t, q), err, x.Request)
	}
	if bytes.Contains(x.Answer, []byte(`"kind"`)) {
		var f struct {
			Error sdk.FetchError `json:"error"`
		}
		mustStrictly(t, x.Answer, &f)
		return
	}
	if err := json.Unmarshal(x.Answer, &a); err != nil || !sdktest.Equal(mustMarshal(t, a), x.Answer) {
		t.Errorf("the answer crosses as %s (%v), want %s", mustMarshal(t, a), err, x.Answer)
	}
}

// holds reports whether got has every member of want. It may have more, because Go writes false values that a vector omits.
func holds(t *testing.T, got, want []byte) bool {
	t.Helper()
	if len(got) == 0 || len(want) == 0 {
		return len(got) == len(want)
	}
	var g, w map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal(want, &w)); err != nil {
		t.Fatal(err)
	}
	for name, v := range w {
		if !sdktest.Equal(g[name], v) {
			return false
		}
	}
	return true
}

func mustStrictly(t *testing.T, b []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Errorf("%s: %v", b, err)
	}
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
