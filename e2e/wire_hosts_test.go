package e2e_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/edge/edgetest"
)

// TestStrangerOfAnotherHost: the owner of a tenant lets it answer with the id of a person of another tenant. The stranger gets
// a session of their own, and nothing of the person's.
func TestStrangerOfAnotherHost(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wire": {
		"getUserInfo":     `{"successful":true,"platformUserInfo":{"id":"7-$PLATFORM","name":"Wired","platformAdditionalInfo":{"a":1}}}`,
		"refreshUserInfo": `{"successful":true}`,
	}})
	const stored = `{"secret":{"value":"vic's"}}`
	vic := w.token(w.in("wire", "&hostname=us.example&rcAccountId=1"))
	w.postJSON("/user/settings", `{"userSettings":`+stored+`}`, bearer(vic)...).want(t, 200, `{"userSettings":`+stored+`}`)
	before := w.only("wire", "7-wire")

	stranger := w.token(w.in("wire", "&hostname=evil.example&rcAccountId=2"))
	t.Run("7.34 the person keeps everything", func(t *testing.T) {
		w.get("/hostname", bearer(vic)...).want(t, 200, "us.example")
		w.get("/user/settings", bearer(vic)...).want(t, 200, stored)
		p, err := w.Edge.DB().Person(t.Context(), before.User.Key)
		if edgetest.Must(t, err); p.User.Account != "1" || !p.User.SignedIn.Equal(before.User.SignedIn) || !p.Grant.AccessToken.Equal(before.Grant.AccessToken) {
			t.Errorf("the person is %+v, was %+v", p.User, before.User)
		}
	})
	t.Run("7.34 the stranger has nothing of it", func(t *testing.T) {
		w.get("/hostname", bearer(stranger)...).want(t, 200, "evil.example")
		w.get("/user/settings", bearer(stranger)...).want(t, 200, `{}`)
		w.get("/user/refreshInfo", bearer(stranger)...)
		if in := w.got("wire", "refreshUserInfo"); strings.Contains(in, "us.example") {
			t.Errorf("the connector got %s", in)
		}
	})
	t.Run("the operator names the host", func(t *testing.T) {
		_, err := w.operator().Person(t.Context(), edge.PersonName{Platform: "wire", ID: "7-wire"})
		if err == nil || !strings.Contains(err.Error(), "2 people of wire have the id 7-wire. Add --host and one of: evil.example, us.example") {
			t.Errorf("without a host: %v", err)
		}
		host := "evil.example"
		e, err := w.operator().Person(t.Context(), edge.PersonName{Platform: "wire", ID: "7-wire", Hostname: &host})
		if edgetest.Must(t, err); e.Hostname != host || e.Account != "2" {
			t.Errorf("got %+v", e)
		}
		_, err = w.operator().Forget(t.Context(), edge.PersonName{Platform: "wire", ID: "7-wire", Hostname: &host})
		edgetest.Must(t, err)
		w.get("/hostname", bearer(stranger)...).want(t, 400, noSession)
		w.get("/hostname", bearer(vic)...).want(t, 200, "us.example")
	})
}

// TestPersonsHostInAuthURL: {hostname} in authUrl and issuer is the host that the client, the page or the person names.
func TestPersonsHostInAuthURL(t *testing.T) {
	t.Parallel()
	g := newPages(t, func(f *edgetest.Options) {
		text := `{"platforms": {"tenant": {"name": "Tenant CRM", "environment": {"type": "dynamic", "urlIdentifier": "*.tenant.example"}, "auth": {"type": "oauth", "oauth": {
			"authUrl": "https://{hostname}/oauth/authorize", "clientId": "t", "redirectUri": "{publicUrl}/redirect.html"}},
			"crmgate": {"hosts": ["{hostname}"], "issuer": "https://{hostname}/"}}}}`
		connector := guest{"getAuthType": `{"type":"oauth"}`, "getOauthInfo": `{"accessTokenUri":"https://acme.tenant.example/token"}`, "getUserInfo": `{"successful":false}`}
		edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, "tenant.json"), []byte(text), 0o600))
		edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, "tenant.wasm"), []byte(connector.wasm()), 0o600))
	})
	const host = "acme.tenant.example"
	const start = "https://" + host + "/oauth/authorize?response_type=code&client_id=t&state="
	t.Run("7.39 /authUrl", func(t *testing.T) {
		for query, want := range map[string]string{
			"&hostname=https://Acme.tenant.example/x": start + "platform=tenant&",
			"&hostname=" + host + "&mode=bound":       start + "cg.",
		} {
			if a := g.get("/authUrl?platform=tenant" + query); a.status != 200 || !strings.Contains(a.body, `"authUrl":"`+want) {
				t.Errorf("%s: got %d %s, want %s", query, a.status, a.body, want)
			}
		}
		for _, none := range []string{"", "&hostname=undefined", "&mode=bound"} {
			g.get("/authUrl?platform=tenant"+none).want(t, 400, `{"error":"hostname is missing: people sign in to Tenant CRM at their own host"}`)
		}
		for _, other := range []string{"evil.example", host + ":8443"} {
			g.get("/authUrl?platform=tenant&hostname="+other).wantError(t, 400, "is not an address of Tenant CRM")
		}
	})
	t.Run("7.39 the page", func(t *testing.T) {
		if to := g.visitor().send("/connect/tenant", url.Values{"hostname": {host}}).follow(t); !strings.HasPrefix(to, start+"cg.") {
			t.Errorf("the page leads to %s", to)
		}
	})
	t.Run("7.39 iss", func(t *testing.T) {
		for issuer, want := range map[string]string{
			"https://" + host + "/":         "Missing code", // the next check
			"https://other.tenant.example/": "issuer (iss) of the callback is not",
			"https://%7Bhostname%7D/":       "issuer (iss) of the callback is not",
		} {
			a := g.get("/oauth-callback?platform=tenant&hostname=" + host + "&iss=" + issuer + "&callbackUri=" + url.QueryEscape(g.URL+"/redirect.html?code=&state=platform=tenant"))
			if !strings.Contains(a.body, want) {
				t.Errorf("got %s, want %s", a.body, want)
			}
		}
	})
}
