//go:build !wasip1

package sdk_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/hmac"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/sdktest"
)

// With handles the server derives; without, the helpers compute the value.
func TestDerive(t *testing.T) {
	t.Parallel()
	const key = "{{apiKey:NONCE}}"
	var derived []string
	host := sdk.Host{Derive: func(d sdk.Derivation) { derived = append(derived, string(mustMarshal(t, d))) }}
	mustRun(t, host, func(sdk.None) (sdk.None, error) {
		for _, c := range []struct{ name, got, want string }{
			{"base64 of a handle", sdk.Base64(key), "{{derived:1:NONCE}}"},
			{"Basic of a handle", sdk.Basic("ada", key), "{{derived:2:NONCE}}"},
			{"an HMAC with a handle", hmac.SHA256(key, "m", "hex"), "{{derived:3:NONCE}}"},
			{"base64", sdk.Base64("ada"), "YWRh"},
			{"Basic", sdk.Basic("ada", "key"), "YWRhOmtleQ=="},
			{"a handle without a nonce", sdk.Base64("{{apiKey}}"), "e3thcGlLZXl9fQ=="},
			{"an HMAC in hex", hmac.SHA256("key", "m", "hex"), "782906cfdc87462bf9242b96f17057c3389530ff937920823bf7a583f5d983a5"},
			{"an HMAC in base64", hmac.SHA256("key", "m", "base64"), "eCkGz9yHRiv5JCuW8XBXwziVMP+TeSCCO/elg/XZg6U="},
		} {
			if c.got != c.want {
				t.Errorf("%s: got %s, want %s", c.name, c.got, c.want)
			}
		}
		return sdk.None{}, nil
	})
	want := []string{`{"base64":"{{apiKey:NONCE}}"}`, `{"base64":"ada:{{apiKey:NONCE}}"}`, `{"hmac":"sha256","key":"{{apiKey:NONCE}}","message":"m","encoding":"hex"}`}
	if !slices.Equal(derived, want) {
		t.Errorf("the host was asked for %q, want %q", derived, want)
	}
}

// A Derivation has every member of the vectors.
func TestDerivationsOfTheVectors(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../abi/imports/derive.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct{ Request json.RawMessage }
	}
	if err := json.Unmarshal(b, &golden); err != nil || len(golden.Cases) == 0 {
		t.Fatal(err)
	}
	for _, c := range golden.Cases {
		var d sdk.Derivation
		mustStrictly(t, c.Request, &d)
		if back := mustMarshal(t, d); !sdktest.Equal(back, c.Request) {
			t.Errorf("%s crosses as %s", c.Request, back)
		}
	}
}
