package authflow_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/proxytest"
)

// TestRetiredGrantsAreRevokedAtOnce: the worker does not wait for its next look at the queue if a sign-in replaces an
// application, or an admin discards one that sign-ins have used.
func TestRetiredGrantsAreRevokedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := proxytest.NewVirtualWorld(t, nil)
		var revoked atomic.Int64
		w.Conn.Own = func(context.Context, connector.UserRequest) (connector.Outcome, error) {
			revoked.Add(1)
			return connector.Outcome{Successful: true}, nil
		}
		browser := &http.Client{Transport: proxytest.InProcess{Handler: w.CRM}}
		admin := w.Orgs.AdminOf(identity.Identity{Account: "1", Extension: "101", Admin: true})
		enter := func(id string, state crmgate.ApplicationState) {
			w.CRM.Register(id, "secret")
			_, err := admin.Enter(t.Context(), "practice", map[string]string{"clientId": id, "clientSecret": "secret"}, state)
			proxytest.Must(t, err)
		}
		signIn := func(r authflow.CallbackRequest, authURL string) {
			landed, err := practicecrm.Browse(t.Context(), browser, authURL, "ada")
			proxytest.Must(t, err)
			r.CallbackURI = landed
			_, err = w.Flows.Callback(t.Context(), r)
			proxytest.Must(t, err)
		}
		confirm := func() {
			c, err := w.Flows.Compose(t.Context(), authflow.ComposeRequest{Platform: "practice", Mode: "bound", RCToken: crmgate.NewSecret(practicecrm.RCAdminToken), Staged: true})
			proxytest.Must(t, err)
			signIn(authflow.CallbackRequest{LoginSecret: c.LoginSecret}, c.AuthURL)
		}
		soon := func(what string, want int64) {
			t.Helper()
			time.Sleep(10 * time.Second) // less than the time between two looks
			if n := revoked.Load(); n != want {
				t.Errorf("%s: %d revocations, want %d", what, n, want)
			}
		}
		w.Revocations.Start()
		time.Sleep(2 * time.Second) // the worker has looked, and waits
		enter("first", crmgate.Pending)
		signIn(authflow.CallbackRequest{Account: "1"}, w.URL+"/oauth/authorize?response_type=code&client_id=first&state=platform%3Dpractice&redirect_uri=https%3A%2F%2Fapp.example%2Fredirect.html")
		proxytest.Must(t, admin.DropPending(t.Context(), "practice"))
		soon("a used application is discarded", 1)

		enter("second", crmgate.Pending)
		confirm()
		soon("the first application is confirmed", 1)
		first, err := w.DB.Person(t.Context(), proxytest.Person(1))
		proxytest.Must(t, err)
		_, err = w.DB.SignIn(t.Context(), proxytest.Person(2), func(p *crmgate.Person) error { // the first person signs in again below
			p.User.Account, p.Grant = "1", first.Grant
			return nil
		})
		proxytest.Must(t, err)
		enter("third", crmgate.Staged)
		time.Sleep(2 * time.Second) // the worker waits again
		confirm()
		soon("an application is replaced", 2)
	})
}

// TestRetriedApplicationsRevokeAtOnce: the worker does not wait for its next look if an admin retries a rejected application.
func TestRetriedApplicationsRevokeAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := proxytest.NewVirtualWorld(t, nil)
		admin := w.Orgs.AdminOf(identity.Identity{Account: "1", Extension: "101", Admin: true})
		w.CRM.Register("own", "secret")
		_, err := admin.Enter(t.Context(), "practice", map[string]string{"clientId": "own", "clientSecret": "secret"}, crmgate.Pending)
		proxytest.Must(t, err)
		browser := &http.Client{Transport: proxytest.InProcess{Handler: w.CRM}}
		landed, err := practicecrm.Browse(t.Context(), browser, w.URL+"/oauth/authorize?response_type=code&client_id=own&state=platform%3Dpractice&redirect_uri=https%3A%2F%2Fapp.example%2Fredirect.html", "ada")
		proxytest.Must(t, err)
		_, err = w.Flows.Callback(t.Context(), authflow.CallbackRequest{Account: "1", CallbackURI: landed})
		proxytest.Must(t, err)
		w.CRM.Register("own", "rotated-at-the-crm")
		_, err = w.Sessions.Forget(t.Context(), proxytest.Person(1))
		proxytest.Must(t, err)
		w.CRM.Register("own", "secret")

		w.Revocations.Start()
		time.Sleep(2 * time.Second) // the worker has looked, and waits
		if n := w.CRM.LiveRefreshOf("ada"); n != 1 {
			t.Fatalf("%d grants live before the retry", n)
		}
		proxytest.Must(t, admin.RetryApp(t.Context(), "practice"))
		time.Sleep(10 * time.Second) // less than the time between two looks
		if n := w.CRM.LiveRefreshOf("ada"); n != 0 {
			t.Errorf("%d grants live after the retry", n)
		}
	})
}
