package authflow_test

import (
	"testing"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
)

func TestAuthURL(t *testing.T) {
	t.Parallel()
	const redirect = "https://app.example/redirect.html"
	const tail = "&redirect_uri=https%3A%2F%2Fapp.example%2Fredirect.html"
	for _, c := range []struct {
		name  string
		oauth manifest.OAuthSection
		state string
		want  string
		sep   string // crmgate.token.scopeSeparator
	}{
		{"plain", manifest.OAuthSection{AuthURL: "https://crm.example/authorize", ClientID: "id"}, "platform=crm",
			"https://crm.example/authorize?response_type=code&client_id=id&state=platform=crm" + tail, ""},
		{"a query in the URL", manifest.OAuthSection{AuthURL: "https://crm.example/authorize?x=1", ClientID: "a b/c"}, "platform=crm",
			"https://crm.example/authorize?x=1&response_type=code&client_id=a%20b%2Fc&state=platform=crm" + tail, ""},
		{"a scope that is a list", manifest.OAuthSection{AuthURL: "https://crm.example/a", ClientID: "id", Scope: "read write:all"}, "platform=crm",
			"https://crm.example/a?response_type=code&client_id=id&scope=read%20write%3Aall&state=platform=crm" + tail, ""},
		{"a scope that is a piece of query", manifest.OAuthSection{AuthURL: "https://crm.example/a", ClientID: "id",
			Scope: "access_type=offline&prompt=consent&scope=https://x.example/a https://x.example/b"}, "platform=crm",
			"https://crm.example/a?response_type=code&client_id=id&access_type=offline&prompt=consent&scope=https://x.example/a%20https://x.example/b&state=platform=crm" + tail, ""},
		{"scopes with commas", manifest.OAuthSection{AuthURL: "https://crm.example/a", ClientID: "id", Scope: "read  write:all"}, "platform=crm",
			"https://crm.example/a?response_type=code&client_id=id&scope=read%2Cwrite%3Aall&state=platform=crm" + tail, ","},
		{"scopes with pluses", manifest.OAuthSection{AuthURL: "https://crm.example/a", ClientID: "id", Scope: "read write+ all"}, "platform=crm",
			"https://crm.example/a?response_type=code&client_id=id&scope=read+write%2B+all&state=platform=crm" + tail, "+"},
		{"a piece of query is left alone", manifest.OAuthSection{AuthURL: "https://crm.example/a", ClientID: "id", Scope: "x=1&scope=a b"}, "platform=crm",
			"https://crm.example/a?response_type=code&client_id=id&x=1&scope=a%20b&state=platform=crm" + tail, ","},
		{"a state with a comma, and letters beyond ASCII", manifest.OAuthSection{AuthURL: "https://crm.example/ü\"", ClientID: "id"}, "fillerString,platform=netsuite",
			"https://crm.example/%C3%BC%22?response_type=code&client_id=id&state=fillerString,platform=netsuite" + tail, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.oauth.RedirectURI = redirect
			if got := authflow.AuthURL(c.oauth, c.sep, c.state, ""); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
