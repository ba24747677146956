package authflow_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestRejectedTokenIsReplaced: the access token has ended before its time. The connector is asked once more with another,
// and the person notices nothing.
func TestRejectedTokenIsReplaced(t *testing.T) {
	w := newWorld(t, "", nil)
	ada := crmgate.UserKey{Platform: "practice", ID: "1-practice"}
	w.signIn("ada", ada)
	asked := 0
	w.conn.valid = func(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
		asked++
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/api/me", nil)
		must(t, err)
		req.Header.Set("Authorization", r.AuthHeader.Reveal())
		resp, err := w.fetch(req, crmgate.Egress{Name: "practice", Hosts: w.conn.manifest.Hosts})
		must(t, err)
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
		w.clock.add(step.age)
		w.crm.ExpireAccess()
		w.crm.SetMood(step.mood)
		asked = 0
		before := w.crm.Counts().Token
		out, err := w.Validate(t.Context(), ada)
		if err != nil || out.Successful != step.ok || asked != step.asked || w.crm.Counts().Token-before != step.requests || w.crm.LiveRefreshOf("ada") != step.live {
			t.Errorf("%s: %+v, %v; asked %d times, %d token requests", step.name, out, err, asked, w.crm.Counts().Token-before)
		}
	}
	w.crm.SetMood(practicecrm.Mood{Me: "401"}) // whatever is sent
	w.clock.add(time.Minute)
	asked = 0
	before := w.crm.Counts()
	out, err := w.Validate(t.Context(), ada) // the token that was rejected is refreshed before it is used
	if after := w.crm.Counts(); err != nil || out.Successful || asked != 1 || after.Token-before.Token != 1 {
		t.Errorf("a CRM that always says 401: %+v, %v; asked %d times, %d token requests", out, err, asked, after.Token-before.Token)
	}
	if _, err := w.Validate(t.Context(), ada); err != nil || w.crm.Counts().Token-before.Token != 1 {
		t.Errorf("and again: %v, %d token requests", err, w.crm.Counts().Token-before.Token)
	}
}
