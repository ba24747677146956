package authflow_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
)

const landing = "https://app.example/redirect.html"

func TestCallbackShapes(t *testing.T) {
	t.Parallel()
	type got = authflow.ReadCallbackResult
	for _, c := range []struct {
		name string
		in   authflow.CallbackRequest
		want got
	}{
		{"unencoded, code first",
			authflow.CallbackRequest{CallbackURI: landing + "?code=ABC", State: "platform=clio", Hostname: "app.clio.com"},
			got{Platform: "clio", Hostname: "app.clio.com", State: "platform=clio", Code: "ABC"}},
		{"unencoded, state first",
			authflow.CallbackRequest{CallbackURI: landing + "?state=platform=clio", Code: "ABC", Hostname: "undefined"},
			got{Platform: "clio", State: "platform=clio", Code: "ABC"}},
		{"encoded",
			authflow.CallbackRequest{CallbackURI: landing + "?code=ABC&state=platform%3Dclio", Hostname: "app.clio.com"},
			got{Platform: "clio", Hostname: "app.clio.com", State: "platform=clio", Code: "ABC"}},
		{"encoded, state first, its platform not encoded again",
			authflow.CallbackRequest{CallbackURI: landing + "?state=platform=clio&code=ABC"},
			got{Platform: "clio", State: "platform=clio", Code: "ABC"}},
		{"state encoded twice",
			authflow.CallbackRequest{CallbackURI: landing + "?code=ABC", State: "platform%3Dclio%26hostname%3Deu.app.clio.com"},
			got{Platform: "clio", Hostname: "eu.app.clio.com", State: "platform=clio&hostname=eu.app.clio.com", Code: "ABC"}},
		{"comma state in the query",
			authflow.CallbackRequest{CallbackURI: landing + "?code=ABC", State: "fillerString,platform=netsuite"},
			got{Platform: "netsuite", State: "fillerString,platform=netsuite", Code: "ABC"}},
		{"comma state in the URI, before the code",
			authflow.CallbackRequest{CallbackURI: landing + "?state=fillerString,platform=netsuite&code=ABC"},
			got{Platform: "netsuite", State: "fillerString,platform=netsuite", Code: "ABC"}},
		{"comma state, encoded in the URI",
			authflow.CallbackRequest{CallbackURI: landing + "?code=ABC&state=fillerString%2Cplatform%3Dnetsuite"},
			got{Platform: "netsuite", State: "fillerString,platform=netsuite", Code: "ABC"}},
		{"no state, but a platform in the URI",
			authflow.CallbackRequest{CallbackURI: landing + "?platform=clio&code=ABC"},
			got{Platform: "clio", Code: "ABC"}},
		{"an agent's session",
			authflow.CallbackRequest{CallbackURI: landing + "?code=ABC", State: "sessionId%3D7%26platform%3Dclio%26hostname%3Dapp.clio.com"},
			got{Platform: "clio", Hostname: "app.clio.com", State: "sessionId=7&platform=clio&hostname=app.clio.com", Code: "ABC", Agent: true}},
		{"the query's host name goes before the state's",
			authflow.CallbackRequest{CallbackURI: landing + "?code=ABC", State: "platform=clio&hostname=a.example", Hostname: "b.example"},
			got{Platform: "clio", Hostname: "b.example", State: "platform=clio&hostname=a.example", Code: "ABC"}},
		{"a code with a semicolon and a percent sign, decoded once too often",
			authflow.CallbackRequest{CallbackURI: landing + "?code=A;B%C%41&state=platform=clio"},
			got{Platform: "clio", State: "platform=clio", Code: "A;B%C%41"}},
		{"a state with a semicolon",
			authflow.CallbackRequest{CallbackURI: landing + "?code=ABC", State: "x;y&platform=clio"},
			got{Platform: "clio", State: "x;y&platform=clio", Code: "ABC"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := authflow.ReadCallback(c.in, landing)
			r.Bare = ""
			if err != nil || r != c.want {
				t.Errorf("got %+v, %v; want %+v", r, err, c.want)
			}
		})
	}
}

func TestCallbackWithoutURI(t *testing.T) {
	t.Parallel()
	in := authflow.CallbackRequest{CallbackURI: "undefined", Code: "A&B=C", State: "platform=clio"}
	r, err := authflow.ReadCallback(in, "https://gate.example/oauth-callback")
	if err != nil || r.Code != "A&B=C" {
		t.Errorf("got %+v, %v; want the query's code", r, err)
	}
}

func TestCallbackRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   authflow.CallbackRequest
		want string
	}{
		{"no parameters", authflow.CallbackRequest{}, "Missing callbackUri"},
		{"the text undefined, without a code", authflow.CallbackRequest{CallbackURI: "undefined", Code: "undefined"}, "Missing callbackUri"},
		{"not absolute", authflow.CallbackRequest{CallbackURI: "/redirect.html?code=A", State: "platform=clio"}, "Invalid URL"},
		{"not a URL", authflow.CallbackRequest{CallbackURI: "https://[x?code=A", State: "platform=clio"}, "Invalid URL"},
		{"state with a stray percent sign", authflow.CallbackRequest{CallbackURI: landing + "?code=A", State: "platform=clio%zz"}, "URI malformed"},
		{"a state that is not UTF-8", authflow.CallbackRequest{CallbackURI: landing + "?code=A", State: "platform=clio%ff"}, "URI malformed"},
		{"the state undefined", authflow.CallbackRequest{CallbackURI: landing + "?code=A", State: "undefined"}, "Missing platform name"},
		{"no path", authflow.CallbackRequest{CallbackURI: "https://app.example?code=A", State: "platform=clio"}, "Redirected path should match configured path, but got: /"},
		{"no state", authflow.CallbackRequest{CallbackURI: landing + "?code=A"}, "The callback has no state, so its CRM is unknown."},
		{"a state without a platform", authflow.CallbackRequest{CallbackURI: landing + "?code=A", State: "abc"}, "Missing platform name"},
		{"other path", authflow.CallbackRequest{CallbackURI: "https://app.example/other?code=A", State: "platform=clio"}, "Redirected path should match configured path, but got: /other"},
		{"code lands in the path", authflow.CallbackRequest{CallbackURI: landing, Code: "A", State: "platform=clio"}, "Redirected path should match configured path, but got: /redirect.html&code=A"},
		{"other host", authflow.CallbackRequest{CallbackURI: "https://evil.example/redirect.html?code=A", State: "platform=clio"}, "Redirected origin should match configured origin, but got: https://evil.example"},
		{"other scheme", authflow.CallbackRequest{CallbackURI: "http://app.example/redirect.html?code=A", State: "platform=clio"}, "Redirected origin should match configured origin, but got: http://app.example"},
		{"denied", authflow.CallbackRequest{CallbackURI: landing + "?error=access_denied", State: "platform=clio"}, "The resource owner or authorization server denied the request."},
		{"denied, cut off from the URI", authflow.CallbackRequest{CallbackURI: landing + "?state=platform=clio", Error: "access_denied"}, "The resource owner or authorization server denied the request."},
		{"an error of the CRM's own", authflow.CallbackRequest{CallbackURI: landing + "?error=odd&error_description=Odd+day", State: "platform=clio"}, "Odd day"},
		{"no code", authflow.CallbackRequest{CallbackURI: landing + "?state=platform=clio"}, "Missing code, unable to request token"},
		{"the code undefined", authflow.CallbackRequest{CallbackURI: landing + "?state=platform=clio", Code: "undefined"}, "Missing code, unable to request token"},
		{"an empty code", authflow.CallbackRequest{CallbackURI: landing + "?code=", State: "platform=clio"}, "Missing code, unable to request token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var refusal *crmgate.Refusal
			if r, err := authflow.ReadCallback(c.in, landing); !errors.As(err, &refusal) || refusal.Message != c.want {
				t.Errorf("got %+v, %v; want %q", r, err, c.want)
			}
		})
	}
}

func FuzzReadCallback(f *testing.F) {
	f.Add(landing+"?code=ABC", "platform=clio", "", "app.clio.com")
	f.Add(landing+"?state=fillerString,platform=netsuite&code=A", "", "A", "undefined")
	f.Add("undefined", "cg.xxx,platform=clio", "A%zz", "")
	f.Fuzz(func(t *testing.T, uri, state, code, hostname string) {
		r, err := authflow.ReadCallback(authflow.CallbackRequest{CallbackURI: uri, State: state, Code: code, Hostname: hostname}, landing)
		if err != nil {
			return
		}
		if r.Code == "" || r.Code == "undefined" {
			t.Errorf("took %q without a code", uri)
		}
		for _, c := range r.Platform {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789", c|0x20) && strings.Contains(state, "platform=") && !strings.Contains(state, "&") {
				return // a state that is a query may name any platform; it is then not found
			}
		}
		if !strings.HasPrefix(strings.ToLower(uri), "https://app.example/") && uri != "" && uri != "undefined" {
			t.Errorf("took a code from %q", uri)
		}
	})
}

// TestIssuerInTheLog: the cause of a refused issuer, which only the log gets, has the issuer and the manifest's.
func TestIssuerInTheLog(t *testing.T) {
	t.Parallel()
	hosts := crmgate.Hosts{{Host: "api.crm.example"}}
	for _, c := range []struct{ declared, issuer, cause string }{
		{"https://id.crm.example", "https://evil.example", `iss is "https://evil.example", and the manifest's issuer is "https://id.crm.example"`},
		{"https://id.crm.example", "", `the manifest's issuer is "https://id.crm.example"`},
		{"", "https://evil.example", `iss "https://evil.example" is not on a host of the manifest`},
		{"", "https://api.crm.example", ""},
		{"https://id.crm.example", "https://id.crm.example", ""},
	} {
		err := authflow.CheckIssuer(&manifest.Manifest{Platform: "crm", Issuer: c.declared, Hosts: hosts}, "", c.issuer)
		var refusal *crmgate.Refusal
		switch {
		case c.cause == "" && err != nil:
			t.Errorf("%q, declared %q: %v", c.issuer, c.declared, err)
		case c.cause != "" && (!errors.As(err, &refusal) || !strings.Contains(fmt.Sprint(refusal.Err), c.cause) || strings.Contains(refusal.Message, "evil")):
			t.Errorf("%q, declared %q: got %v, want the cause %q", c.issuer, c.declared, err, c.cause)
		}
	}
}
