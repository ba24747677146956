package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

func TestUsersOfARunningServer(t *testing.T) {
	t.Parallel()
	n := edgetest.New(t)
	users := func(args ...string) string {
		t.Helper()
		return runs(t, append(append([]string{"users"}, args...), "--data", n.Data)...)
	}
	if out := users("list"); out != "No users yet.\n" {
		t.Errorf("list: %s", out)
	}
	token, err := n.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	_, err = n.APIKey(t.Context())
	edgetest.Must(t, err)
	var all []map[string]any
	if err := json.Unmarshal([]byte(users("list", "--json")), &all); err != nil || len(all) != 2 || all[0]["refreshToken"] != "[secret]" {
		t.Errorf("list --json: %v, %v", all, err)
	}
	for flags, want := range map[string]string{
		"--platform practice": "1-practice", "--platform practicekey --state active": "2-practicekey", "--account 4711": "",
		"--state needs_login": "", "--state active --platform practice": "1-practice",
	} {
		var some []map[string]any
		if err := json.Unmarshal([]byte(users(append([]string{"list", "--json"}, strings.Fields(flags)...)...)), &some); err != nil || len(some) != map[bool]int{true: 1}[want != ""] || want != "" && some[0]["id"] != want {
			t.Errorf("list %s: %v, %v; want %q", flags, some, err, want)
		}
	}
	if out := users("list", "--account", "4711"); out != "No such users.\n" {
		t.Errorf("list --account: %s", out)
	}
	out := users("show", "practice", "1-practice")
	if !strings.Contains(out, "Ada Lovelace") || !strings.Contains(out, "[secret]") {
		t.Errorf("show: %s", out)
	}

	if out := users("delete", "practice", "1-practice"); out != "practice 1-practice is deleted. The CRM has revoked the access.\n" {
		t.Errorf("delete: %s", out)
	}
	if live, err := n.Lives(t.Context(), token); live || err != nil {
		t.Errorf("the session of a deleted user: %v, %v", live, err)
	}
	var errs bytes.Buffer
	if status := run([]string{"users", "show", "practice", "1-practice", "--data", n.Data}, &errs, &errs); status != 1 || !strings.Contains(errs.String(), "no such user") {
		t.Errorf("a deleted user: status %d, %s", status, errs.String())
	}

	if strings.Contains(out, "renewal") {
		t.Errorf("the grant can be renewed: %s", out)
	}
	n.CRM.SetMood(practicecrm.Mood{Token: "no refresh_token"})
	_, err = n.OAuth(t.Context(), "grace")
	edgetest.Must(t, err)
	if out := users("show", "practice", "2-practice"); !strings.Contains(out, "not possible without a refresh token") {
		t.Errorf("a grant that cannot be renewed: %s", out)
	}

	_, err = n.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	n.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
	if out := users("delete", "practice", "1-practice"); !strings.Contains(out, "is deleted. The CRM could not be told yet: the server tries again") {
		t.Errorf("delete while the CRM is away: %s", out)
	}
	waiting := func() string { return runs(t, "revocations", "list", "--data", n.Data) }
	hash := n.Edge.DB().Audit().HashOf(crmgate.UserKey{Platform: "practice", ID: "1-practice"})
	if out := waiting(); !strings.Contains(out, "#"+hash[:12]) || !strings.Contains(out, practicecrm.ClientID) || strings.Contains(out, "1-practice") {
		t.Errorf("revocations: %s", out)
	}
	n.CRM.SetMood(practicecrm.Mood{})
	n.Pass(time.Hour)
	for deadline := time.Now().Add(2 * time.Minute); waiting() != "No waiting revocations.\n"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) { // the worker looks at the queue every 30 seconds
			t.Fatalf("revocations once the CRM works: %s", waiting())
		}
	}
	if out := users("delete", "practicekey", "2-practicekey", "--json"); !strings.Contains(out, `"crm": "nothing"`) {
		t.Errorf("delete an API key: %s", out)
	}
}

// Where two hosts have people of one id, the operator must name the host.
func TestUsersOfTwoHosts(t *testing.T) {
	t.Parallel()
	n := edgetest.New(t)
	for _, host := range []string{"", "eu.example"} {
		_, err := n.Edge.DB().SignIn(t.Context(), crmgate.UserKey{Platform: "practice", Hostname: host, ID: "vic"}, func(p *crmgate.Person) error {
			p.User.Name = "Vic of " + host
			return nil
		})
		edgetest.Must(t, err)
	}
	users := func(args ...string) (string, int) {
		var out bytes.Buffer
		status := run(append(append([]string{"users"}, args...), "--data", n.Data), &out, &out)
		return out.String(), status
	}
	for _, command := range []string{"show", "delete"} {
		out, status := users(command, "practice", "vic")
		if status != 1 || !strings.Contains(out, `2 people of practice have the id vic. Add --host and one of: "" (no host), eu.example`) {
			t.Errorf("%s without a host: status %d, %s", command, status, out)
		}
	}
	if out, status := users("show", "practice", "vic", "--host=eu.example"); status != 0 || !strings.Contains(out, "Vic of eu.example") {
		t.Errorf("show: status %d, %s", status, out)
	}
	if out, status := users("delete", "practice", "vic", "--host="); status != 0 {
		t.Errorf("delete: status %d, %s", status, out)
	}
	if out, status := users("show", "practice", "vic"); status != 0 || !strings.Contains(out, "Vic of eu.example") {
		t.Errorf("the only one left: status %d, %s", status, out)
	}
}
