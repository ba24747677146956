package session_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/proxytest"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestRejectedTokenIsReplaced: the access token has ended before its time. The connector is asked once more with another,
// and the person notices nothing.
func TestRejectedTokenIsReplaced(t *testing.T) {
	w := proxytest.NewWorld(t, "", nil)
	ada := crmgate.UserKey{Platform: "practice", ID: "1-practice"}
	w.SignIn("ada", ada)
	asked := 0
	w.Conn.Valid = func(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
		asked++
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/api/me", nil)
		proxytest.Must(t, err)
		req.Header.Set("Authorization", r.AuthHeader.Reveal())
		resp, err := w.Fetch(req, crmgate.Egress{Name: "practice", Hosts: w.Conn.Manifest().Hosts})
		proxytest.Must(t, err)
		resp.Body.Close()
		if resp.StatusCode == http.StatusUnauthorized && r.Rejected != nil {
			r.Rejected() // as the host does
		}
		return connector.Outcome{Successful: resp.StatusCode == http.StatusOK}, nil
	}
	for _, step := range []struct {
		name                  string
		age                   time.Duration
		mood                  practicecrm.Mood
		ok                    bool
		asked, requests, live int
	}{
		{"it has ended", 10 * time.Minute, practicecrm.Mood{}, true, 2, 1, 1},
		{"it has ended, and the CRM answers no token request", 10 * time.Minute, practicecrm.Mood{Status: 500}, false, 1, 1, 1},
	} {
		w.Clock.Add(step.age)
		w.CRM.ExpireAccess()
		w.CRM.SetMood(step.mood)
		asked = 0
		before := w.CRM.Counts().Token
		out, err := w.Sessions.Validate(t.Context(), ada)
		if err != nil || out.Successful != step.ok || asked != step.asked || w.CRM.Counts().Token-before != step.requests || w.CRM.LiveRefreshOf("ada") != step.live {
			t.Errorf("%s: %+v, %v; asked %d times, %d token requests", step.name, out, err, asked, w.CRM.Counts().Token-before)
		}
	}
	w.CRM.SetMood(practicecrm.Mood{Me: "401"}) // whatever is sent
	w.Clock.Add(time.Minute)
	asked = 0
	before := w.CRM.Counts()
	out, err := w.Sessions.Validate(t.Context(), ada) // the token that was rejected is refreshed before it is used
	if after := w.CRM.Counts(); err != nil || out.Successful || asked != 1 || after.Token-before.Token != 1 {
		t.Errorf("a CRM that always says 401: %+v, %v; asked %d times, %d token requests", out, err, asked, after.Token-before.Token)
	}
	if _, err := w.Sessions.Validate(t.Context(), ada); err != nil || w.CRM.Counts().Token-before.Token != 1 {
		t.Errorf("and again: %v, %d token requests", err, w.CRM.Counts().Token-before.Token)
	}
}
