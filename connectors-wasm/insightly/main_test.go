//go:build !wasip1

package main

import (
	"testing"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/sdktest"
)

func TestVectors(t *testing.T) {
	t.Parallel()
	sdktest.Replay(t, "insightly.vectors.json", map[string]func() int32{
		"getAuthType":  getAuthType,
		"getBasicAuth": getBasicAuth,
		"getUserInfo":  getUserInfo,
		"unAuthorize":  unAuthorize,
	})
}

func TestAPIURL(t *testing.T) {
	t.Parallel()
	const pod, none, missing = "https://api.na1.insightly.com", "is not one of Insightly's", "is missing"
	for _, c := range []struct{ pasted, want, err string }{
		{"https://api.na1.insightly.com/v3.1/", pod, ""},
		{"https://api.na1.insightly.com/v3.1", pod, ""},
		{"https://api.na1.insightly.com", pod, ""},
		{"https://api.na1.insightly.com/", pod, ""},
		{"https://api.na1.insightly.com:443/v3.1/", pod, ""},
		{" https://API.na1.Insightly.com/v3.1/ \n", pod, ""},
		{"http://api.na1.insightly.com/v3.1/", pod, ""},
		{"api.na1.insightly.com/v3.1/", pod, ""},
		{"api.na1.insightly.com", pod, ""},
		{"https://api.na1.insightly.com/v3.1/Help#!/Users/GetUserMe?x=y", pod, ""},
		{"na1", pod, ""},
		{"NA1/", pod, ""},
		{"https://api.insightly.com/v3.1/Help", "https://api.insightly.com", ""},
		{"", "", missing},
		{" ", "", missing},
		{"https://crm.na1.insightly.com/list/Contact", "", none},
		{"https://insightly.com", "", none},
		{"https://na1.insightly.com", "", none},
		{"https://api.a.b.insightly.com", "", none},
		{"https://api..insightly.com", "", none},
		{"https://api.insightly.com.evil.example/v3.1", "", none},
		{"https://evil.example/api.na1.insightly.com", "", none},
		{"https://evil.example?.insightly.com", "", none},
		{"https://evil.example#api.na1.insightly.com", "", none},
		{"https://evil.example\\.api.na1.insightly.com", "", none},
		{"https://api.na1.insightly.com@evil.example/", "", none},
		{"https://key@api.na1.insightly.com/", "", none},
		{"https://api.na1.insightly.com:8443/", "", none},
		{"https://apixinsightly.com", "", none},
		{"https://api.na1%2einsightly.com", "", none},
		{"https://api.-na1.insightly.com", "", none},
		{"https://api.ná1.insightly.com", "", none},
		{"ftp://api.na1.insightly.com", "", none},
		{"api", "", none},
		{"my key", "", none},
	} {
		t.Run(c.pasted, func(t *testing.T) {
			t.Parallel()
			got, err := apiURL(c.pasted)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if got != c.want || said != c.err {
				t.Errorf("got %q (%q), want %q (%q)", got, said, c.want, c.err)
			}
		})
	}
}

func TestTheVersionCanBeChosen(t *testing.T) {
	t.Parallel()
	var asked string
	host := sdk.Host{Config: map[string]string{"INSIGHTLY_API_VERSION": "v3.2"}, Fetch: func(r sdk.Request) (sdk.Response, error) {
		asked = r.URL
		return sdk.Response{Status: 200, Body: `{"USER_ID":1}`}, nil
	}}
	r, err := sdk.Run(host, sdk.UserInfoRequest{AdditionalInfo: json.Parse(`{"apiUrl":"na1"}`)}, getUserInfo)
	if want := "https://api.na1.insightly.com/v3.2/users/me"; err != nil || r.Code != 0 || asked != want {
		t.Errorf("asked %s (%d %s, %v), want %s", asked, r.Code, r.Output, err, want)
	}
}
