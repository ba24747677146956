package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestApps: the commands show and retry a rejected application, with a server and without one.
func TestApps(t *testing.T) {
	t.Parallel()
	n := edgetest.New(t)
	apps := func(args ...string) string {
		t.Helper()
		return runs(t, append(append([]string{"apps"}, args...), "--data", n.Data)...)
	}
	if out := apps("list"); out != "No applications yet.\n" {
		t.Errorf("list: %s", out)
	}
	session, err := n.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	if out := apps("list"); !strings.Contains(out, "in use") {
		t.Errorf("list: %s", out)
	}
	refreshes := func() int {
		before := n.CRM.Counts().Token
		_, _ = n.Lives(t.Context(), session)
		_ = n.Ask(t.Context(), "GET", "/authValidation", "", &struct{}{}, "Authorization", "Bearer "+session)
		return n.CRM.Counts().Token - before
	}
	n.CRM.SetMood(practicecrm.Mood{Error: "invalid_client"})
	n.Pass(2 * time.Hour)
	if first, second := refreshes(), refreshes(); first != 1 || second != 0 {
		t.Errorf("%d and %d refreshes of a rejected application", first, second)
	}
	var all []operator.Application
	edgetest.Must(t, json.Unmarshal([]byte(apps("list", "--json")), &all))
	if len(all) != 1 || all[0].Platform != "practice" || all[0].ClientID != practicecrm.ClientID || all[0].People != 1 || all[0].State != "rejected" ||
		len(all[0].Rejections) != 1 || all[0].Rejections[0].Code != "invalid_client" || all[0].Rejections[0].Tried.IsZero() {
		t.Errorf("list --json: %+v", all)
	}

	var errs bytes.Buffer
	for _, args := range [][]string{{"nowhere"}, {"practice", "acme"}} {
		errs.Reset()
		if status := run(append([]string{"apps", "retry", "--data", n.Data}, args...), &errs, &errs); status != 1 || !strings.Contains(errs.String(), "The CRM does not reject such an application of "+args[0]) {
			t.Errorf("retry %q: status %d, %s", args, status, errs.String())
		}
	}
	if out := apps("retry", "practice", "--json"); !strings.Contains(out, `"retried": 1`) {
		t.Errorf("retry --json: %s", out)
	}
	if first, second := refreshes(), refreshes(); first != 1 || second != 0 {
		t.Errorf("%d and %d refreshes after a retry", first, second)
	}

	n.Stop()
	if out := apps("list"); !strings.Contains(out, "rejected") || !strings.Contains(out, "invalid_client") || strings.Contains(out, practicecrm.ClientSecret) {
		t.Errorf("list without a server: %s", out)
	}
	if out := apps("retry", "practice", ""); out != "1 application of practice will be tried by the next request.\n" {
		t.Errorf("retry without a server: %s", out)
	}
	n.CRM.SetMood(practicecrm.Mood{})
	n.Start()
	if got := refreshes(); got != 1 {
		t.Errorf("%d refreshes after a retry", got)
	}
	if out := apps("list"); strings.Contains(out, "rejected") {
		t.Errorf("the application works again: %s", out)
	}

	n.CRM.SetMood(practicecrm.Mood{Error: "invalid_client"})
	if _, err := n.OAuth(t.Context(), "grace"); err == nil {
		t.Error("a sign-in with a rejected application worked")
	}
	if out := apps("list"); !strings.Contains(out, "rejected (sign-in)") || strings.Contains(out, "rejected (refresh)") {
		t.Errorf("after a sign-in: %s", out)
	}
}
