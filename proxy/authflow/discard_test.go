package authflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/proxytest"
)

// signIn signs Ada in by a callback.
func signIn(w *proxytest.World) (authflow.SignedIn, error) {
	w.Helper()
	browser := &http.Client{Transport: proxytest.InProcess{Handler: w.CRM}}
	landed, err := practicecrm.Browse(w.Context(), browser, w.URL+"/oauth/authorize?response_type=code&client_id=practice-client&state=platform%3Dpractice&redirect_uri=https%3A%2F%2Fapp.example%2Fredirect.html", "ada")
	proxytest.Must(w, err)
	return w.Flows.Callback(w.Context(), authflow.CallbackRequest{CallbackURI: landed})
}

// TestFailedSignInsAreRevoked: the CRM is told of the tokens of a sign-in that fails after the exchange.
func TestFailedSignInsAreRevoked(t *testing.T) {
	t.Parallel()
	ada := connector.UserInfo{Successful: true, ID: proxytest.Person(1).ID, Name: "Ada"}
	with := func(change func(*connector.UserInfo)) connector.UserInfo {
		info := ada
		change(&info)
		return info
	}
	failure := &crmgate.ConnectorError{Platform: "practice", Operation: "getUserInfo", Message: "no", Status: 500}
	for _, c := range []struct {
		name string
		info connector.UserInfo
		err  error
	}{
		{"the connector fails", connector.UserInfo{}, failure},
		{"the request ends", connector.UserInfo{}, context.DeadlineExceeded},
		{"the person is refused", connector.UserInfo{}, nil},
		{"a person who is known is refused", with(func(i *connector.UserInfo) { i.Successful = false }), nil},
		{"no id", with(func(i *connector.UserInfo) { i.ID = "" }), nil},
		{"a wrong host", with(func(i *connector.UserInfo) { i.OverridingHostname = "a b" }), nil},
		{"wrong additional info", with(func(i *connector.UserInfo) { i.AdditionalInfo = json.RawMessage("[]") }), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := proxytest.NewVirtualWorld(t, nil)
			w.Conn.Who = func(context.Context, connector.UserInfoRequest) (connector.UserInfo, error) { return c.info, c.err }
			if in, err := signIn(w); !in.Token.IsZero() || c.err != nil && !errors.Is(err, c.err) {
				t.Fatalf("signed in: %+v, %v", in, err)
			}
			if n := w.CRM.LiveRefreshOf("ada"); n != 1 {
				t.Fatalf("%d grants before the worker runs", n)
			}
			if w.Revocations.RunDue(); w.CRM.LiveRefreshOf("ada") != 0 {
				t.Error("the grant lives on at the CRM")
			}
			if kept, err := w.DB.Journal(t.Context()); len(kept) != 0 || err != nil {
				t.Errorf("%d answers are kept, %v", len(kept), err)
			}
			if strings.Contains(w.Log(), "level=ERROR") {
				t.Error(w.Log())
			}
		})
	}
}

// TestFailedSignInWithTokensInUse: a CRM that issues the same tokens again would end the person's session.
func TestFailedSignInWithTokensInUse(t *testing.T) {
	t.Parallel()
	w := proxytest.NewVirtualWorld(t, nil)
	used := w.SignIn("ada", proxytest.Person(1))
	proxytest.Must(t, w.DB.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: crmgate.UserKey{Platform: "practice"}}, Grant: used}))
	if w.Revocations.RunDue(); !w.Alive(used) || w.Revoked("in use") != 1 {
		t.Errorf("the grant is alive: %v, counted %d", w.Alive(used), w.Revoked("in use"))
	}
}

// TestReplacedGrants: a sign-in revokes the grant before it if the manifest says so, and never one that the new grant is part of.
func TestReplacedGrants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		choice bool
		before func(w *proxytest.World) // what happens to the first grant
		lives  int                      // of the person's grants
	}{
		{"not chosen", false, nil, 2},
		{"chosen", true, nil, 1},
		{"its refresh token is kept", true, func(w *proxytest.World) { w.CRM.SetMood(practicecrm.Mood{Token: "no refresh_token"}) }, 1},
		{"the CRM has ended it", true, func(w *proxytest.World) {
			_, err := w.DB.UpdatePerson(w.Context(), proxytest.Person(1), func(p *crmgate.Person) error { p.Grant.Dead = "ended"; return nil })
			proxytest.Must(w, err)
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := proxytest.NewVirtualWorld(t, nil)
			w.Conn.Manifest().RevokeReplaced = c.choice
			_, err := signIn(w)
			proxytest.Must(t, err)
			if c.before != nil {
				c.before(w)
			}
			second, err := signIn(w)
			proxytest.Must(t, err)
			requests := w.CRM.Counts().Revoke
			w.Revocations.RunDue()
			if n := w.CRM.LiveRefreshOf("ada"); n != c.lives {
				t.Errorf("%d grants live at the CRM, want %d", n, c.lives)
			}
			if n := w.CRM.Counts().Revoke - requests; c.name != "chosen" && n != 0 {
				t.Errorf("%d revocation requests", n)
			}
			p, err := w.DB.Person(t.Context(), proxytest.Person(1))
			if err != nil || !w.Alive(p.Grant) || second.Token.IsZero() {
				t.Errorf("the new grant is alive: %v, %v", w.Alive(p.Grant), err)
			}
		})
	}
}

// TestReplacedGrantsOfAHost: an override of the manifest may choose for one host.
func TestReplacedGrantsOfAHost(t *testing.T) {
	t.Parallel()
	for host, lives := range map[string]int{"eu.crm.example": 1, "us.crm.example": 2} {
		w := proxytest.NewVirtualWorld(t, nil)
		parsed, err := manifest.Parse(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"name":"Practice CRM","auth":{"type":"oauth","oauth":{
			"authUrl":"` + w.URL + `/oauth/authorize","clientId":"practice-client","redirectUri":"https://app.example/redirect.html"}},
			"override":[{"triggerType":"hostname","triggerValue":"eu.crm.example","overrideObjects":[{"path":"crmgate.revoke.replaced","value":true}]}],
			"crmgate":{"hosts":["crm.example"],"revoke":{"url":"` + w.URL + `/oauth/revoke"}}}}}`)}, "")
		proxytest.Must(t, err)
		m, _ := parsed.Platform("practice")
		*w.Conn.Manifest() = *m
		w.Conn.Who = func(context.Context, connector.UserInfoRequest) (connector.UserInfo, error) {
			return connector.UserInfo{Successful: true, ID: proxytest.Person(1).ID, Name: "Ada", OverridingHostname: host}, nil
		}
		for range 2 {
			_, err := signIn(w)
			proxytest.Must(t, err)
		}
		if w.Revocations.RunDue(); w.CRM.LiveRefreshOf("ada") != lives {
			t.Errorf("%s: %d grants live at the CRM, want %d", host, w.CRM.LiveRefreshOf("ada"), lives)
		}
	}
}

// TestReplacedGrantWithAnUnreadAnswer: if the CRM had rotated the old refresh token, the answer has the token that lives.
func TestReplacedGrantWithAnUnreadAnswer(t *testing.T) {
	t.Parallel()
	w := proxytest.NewVirtualWorld(t, nil)
	w.Conn.Manifest().RevokeReplaced = true
	_, err := signIn(w)
	proxytest.Must(t, err)
	p, err := w.DB.Person(t.Context(), proxytest.Person(1))
	proxytest.Must(t, err)
	rotated := w.Answered(proxytest.Person(1), p.Grant, proxytest.PlainAnswer)
	w.CRM.SetMood(practicecrm.Mood{Token: "no refresh_token"})
	_, err = signIn(w)
	proxytest.Must(t, err)
	if w.Revocations.RunDue(); !w.Alive(p.Grant) || !w.Alive(rotated) {
		t.Errorf("the refresh token is kept, and it is alive: %v, the answer to it: %v", w.Alive(p.Grant), w.Alive(rotated))
	}
	w.CRM.SetMood(practicecrm.Mood{})
	_, err = signIn(w)
	proxytest.Must(t, err)
	if w.Revocations.RunDue(); w.Alive(p.Grant) || w.Alive(rotated) {
		t.Errorf("the old grant is alive: %v, the answer's: %v", w.Alive(p.Grant), w.Alive(rotated))
	}
}
