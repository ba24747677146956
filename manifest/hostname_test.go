package manifest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// platform returns the manifest of platform p. members are its members besides auth.
func platform(t testing.TB, members string) *manifest.Manifest {
	t.Helper()
	return mustParse(t, map[string]string{"p": `{"platforms":{"p":{"auth":{"type":"apiKey"}` + members + `}}}`}, "p")
}

func TestCheckHostname(t *testing.T) {
	t.Parallel()
	const personal = `,"auth":{"type":"oauth","oauth":{"authUrl":"https://{hostname}/authorize"}}` // a second auth, which counts
	for _, c := range []struct {
		name, members string
		given, want   string // want "!": refused
	}{
		{"empty", "", "", ""},
		{"undefined, from JavaScript", "", "undefined", ""},
		{"null, from JavaScript", "", "null", ""},
		{"white space", "", "  ", ""},
		{"no environment: any host", "", "anything.example", "anything.example"},
		{"one label is enough", "", "crm", "crm"},
		{"capital letters", "", "App.Clio.COM", "app.clio.com"},
		{"a URL", "", "https://app.clio.com/nc/#/x?y=z", "app.clio.com"},
		{"a URL with a port", "", "https://app.clio.com:8443/x", "app.clio.com:8443"},
		{"a host with a path", "", "app.clio.com/x", "app.clio.com"},
		{"a URL with the default port", "", "https://app.clio.com:443/x", "app.clio.com"},
		{"a final dot", "", "app.clio.com.", "app.clio.com"},
		{"white space around", "", " app.clio.com\n", "app.clio.com"},
		{"a user name", "", "https://u@app.clio.com", "!"},
		{"a space", "", "a b", "!"},
		{"an empty label", "", "a..b", "!"},
		{"an IPv6 literal", "", "[::1]", "!"},
		{"markup", "", "<script>", "!"},
		{"a URL without a host", "", "https://", "!"},
		{"a port out of range", "", "app.clio.com:65536", "!"},

		{"the environment's url", `,"environment":{"type":"fixed","url":"https://app.clio.com/x"}`, "app.clio.com", "app.clio.com"},
		{"another host than the environment's url", `,"environment":{"type":"fixed","url":"https://app.clio.com/x"}`, "evil.com", "!"},
		{"a host that begins with the environment's url", `,"environment":{"url":"https://app.clio.com"}`, "app.clio.com.evil.com", "!"},
		{"undefined, with an environment", `,"environment":{"url":"https://app.clio.com"}`, "undefined", ""},
		{"a selection", `,"environment":{"selections":[{"const":"https://a.com"},{"const":"b.com"}]}`, "b.com", "b.com"},
		{"a host that is not a selection", `,"environment":{"selections":[{"const":"https://a.com"}]}`, "b.com", "!"},
		{"urlIdentifier", `,"environment":{"urlIdentifier":"*.clio.com/nc*"}`, "https://x.clio.com/y", "x.clio.com"},
		{"a wildcard in urlIdentifier covers whole labels", `,"environment":{"urlIdentifier":"*.clio.com"}`, "evilclio.com", "!"},
		{"an empty environment", `,"environment":{"type":"dynamic"}`, "a.com", "!"},
		{"a port that the environment lacks", `,"environment":{"url":"https://a.com"}`, "a.com:8443", "!"},
		{"a port of the environment", `,"environment":{"url":"http://a.com:8443"}`, "a.com:8443", "a.com:8443"},
		{"a declared host", `,"environment":{},"crmgate":{"hosts":["*.clio.com"]}`, "a.clio.com", "a.clio.com"},
		{"{hostname} without an environment", `,"crmgate":{"hosts":["{hostname}","a.com"]}`, "evil.com", "!"},
		{"{hostname} beside a declared host", `,"crmgate":{"hosts":["{hostname}","a.com"]}`, "a.com", "a.com"},
		{"{hostname} in authUrl without an environment", personal, "evil.com", "!"},
		{"{hostname} in authUrl, and a declared host", personal + `,"crmgate":{"hosts":["*.a.com"]}`, "x.a.com", "x.a.com"},
		{"{hostname} in a button", `,"auth":{"type":"apiKey","apiKey":{"page":{"content":[{"const":"b","uiSchema":{"ui:field":"button"}}]}}},"crmgate":{"buttons":{"b":"https://{hostname}/keys"}}`, "evil.com", "!"},
		{"{hostname} in the issuer", `,"crmgate":{"issuer":"https://{hostname}"}`, "evil.com", "!"},
		{"hosts without {hostname}: any host", `,"crmgate":{"hosts":["a.com"]}`, "evil.com", "evil.com"},
	} {
		got, err := platform(t, c.members).CheckHostname(c.given)
		if c.want != "!" {
			if err != nil || got != c.want {
				t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
			}
			continue
		}
		var refusal *crmgate.Refusal
		if !errors.As(err, &refusal) || refusal.Kind != crmgate.Declined || got != "" ||
			!strings.HasSuffix(refusal.Message, " is not an address of "+platform(t, c.members).Title+". Please check it, or ask your administrator.") || refusal.Err == nil {
			t.Errorf("%s: got %q, %v, want a refusal", c.name, got, err)
		}
	}
}
