package token_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/token"
)

// A client secret that the connector only has a handle of goes where the manifest allows it: in an exchange, a refresh and a
// revocation. An admin's secret goes wherever the token endpoint is.
func TestClientSecretsGoWhereTheManifestAllows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, auth string
		in         manifest.Position
		elsewhere  bool
		want       bool
	}{
		{"the header", "basic", manifest.InHeader, false, true},
		{"the header, raw", "basicRaw", manifest.InHeader, false, true},
		{"the body", "body", manifest.InBody, false, true},
		{"the header, of which only the body is allowed", "basic", manifest.InBody, false, false},
		{"the body, of which only the header is allowed", "body", manifest.InHeader, false, false},
		{"another host", "basic", manifest.InHeader, true, false},
	} {
		w := newWorld(t, `"auth": "`+c.auth+`"`)
		w.conn.info.AccessTokenURI = w.url + "/oauth/token"
		w.signIn()
		p := w.person()
		host := hostOf(w.url)
		if c.elsewhere {
			host = "other.example:80"
		}
		w.conn.info.SecretSends = []manifest.Send{{In: []manifest.Position{c.in}, Hosts: mustHosts(t, host)}}
		w.revokesAt(w.url+"/oauth/revoke", c.auth)
		asked := w.requests(func() {
			_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("made-up"), RedirectURI: redirect})
			for what, err := range map[string]error{"an exchange": err, "a revocation": w.engine.Revoke(t.Context(), w.conn, p)} {
				if refused := err != nil && strings.Contains(causes(err), "the client secret may not be sent in the"); refused == c.want {
					t.Errorf("%s, %s: got %v", c.name, what, err)
				}
			}
		})
		if (asked > 0) != c.want {
			t.Errorf("%s: %d token requests", c.name, asked)
		}
		admins := &crmgate.OrgApplication{Application: crmgate.Application{ClientID: "practice-client", ClientSecret: crmgate.NewSecret("of the admin")}}
		client, err := w.engine.Client(t.Context(), w.conn, connector.OAuthInfoRequest{}, admins)
		if err != nil || client.Info.SecretSends != nil {
			t.Errorf("%s: the admin's secret has %v (%v)", c.name, client.Info.SecretSends, err)
		}
	}
}

func mustHosts(t *testing.T, host string) crmgate.Hosts {
	t.Helper()
	p, err := crmgate.ParseHostPattern(host)
	must(t, err)
	return crmgate.Hosts{p}
}

// causes returns the texts of an error and its causes.
func causes(err error) (all string) {
	for ; err != nil; err = errors.Unwrap(err) {
		all += err.Error() + "\n"
	}
	return all
}
