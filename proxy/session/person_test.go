package session_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/proxytest"
)

// TestRejectedTokenIsReplaced: the CRM rejects an access token before it expires. The connector is called once more with a
// new token, and the person stays signed in.
func TestRejectedTokenIsReplaced(t *testing.T) {
	t.Parallel()
	w := proxytest.NewVirtualWorld(t, nil)
	ada := crmgate.UserKey{Platform: "practice", ID: "1-practice"}
	w.SignIn("ada", ada)
	calls := 0
	w.Conn.Valid = func(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
		calls++
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/api/me", nil)
		proxytest.Must(t, err)
		req.Header.Set("Authorization", r.AuthHeader.Reveal())
		resp, err := w.Fetch(req, crmgate.Egress{Name: "practice", Hosts: w.Conn.Manifest().Hosts})
		proxytest.Must(t, err)
		resp.Body.Close()
		if resp.StatusCode == http.StatusUnauthorized && r.Rejected != nil {
			r.Rejected() // as wasmhost does
		}
		return connector.Outcome{Successful: resp.StatusCode == http.StatusOK}, nil
	}
	for _, step := range []struct {
		name                  string
		age                   time.Duration
		mood                  practicecrm.Mood
		ok                    bool
		calls, requests, live int
	}{
		{"rejected", 10 * time.Minute, practicecrm.Mood{}, true, 2, 1, 1},
		{"rejected, and the refresh fails", 10 * time.Minute, practicecrm.Mood{Status: 500}, false, 1, 1, 1},
	} {
		w.Clock.Add(step.age)
		w.CRM.ExpireAccess()
		w.CRM.SetMood(step.mood)
		calls = 0
		before := w.CRM.Counts().Token
		out, err := w.Sessions.Validate(t.Context(), ada)
		if err != nil || out.Successful != step.ok || calls != step.calls || w.CRM.Counts().Token-before != step.requests || w.CRM.LiveRefreshOf("ada") != step.live {
			t.Errorf("%s: %+v, %v; %d calls, %d token requests", step.name, out, err, calls, w.CRM.Counts().Token-before)
		}
	}
	w.CRM.SetMood(practicecrm.Mood{Me: "401"}) // for every token
	w.Clock.Add(time.Minute)
	calls = 0
	before := w.CRM.Counts()
	out, err := w.Sessions.Validate(t.Context(), ada) // the rejected token is refreshed before the call
	if after := w.CRM.Counts(); err != nil || out.Successful || calls != 1 || after.Token-before.Token != 1 {
		t.Errorf("a CRM that always returns 401: %+v, %v; %d calls, %d token requests", out, err, calls, after.Token-before.Token)
	}
	if _, err := w.Sessions.Validate(t.Context(), ada); err != nil || w.CRM.Counts().Token-before.Token != 1 {
		t.Errorf("the second check: %v, %d token requests", err, w.CRM.Counts().Token-before.Token)
	}
}
