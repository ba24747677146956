package main

import (
	"bytes"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// The findings are tested in e2e. Settings come from the environment, so this test is not parallel.
func TestDoctorPrints(t *testing.T) {
	crm := practicecrm.New(practicecrm.Config{})
	hs := httptest.NewServer(crm)
	t.Cleanup(hs.Close)
	o := edgetest.NewOptions(t, hs.URL)
	for name, value := range o.Settings {
		t.Setenv(name, value)
	}
	crm.SetMood(practicecrm.Mood{NoPKCE: true})
	args := []string{"doctor", "practice", "--connectors", o.Connectors, "--cache", o.Cache, "--allow-egress", "127.0.0.0/8", "--data", filepath.Join(t.TempDir(), "none")}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{nil, []string{
			"ok       application: Client \"practice-client\", with a secret.\n",
			"ok       redirect URI: http://127.0.0.1:8080/redirect.html\n",
			"failed   PKCE: With a code challenge: It answers with the error \"invalid_request\".\n",
			"For the manifest's crmgate object: {\"token\":{\"pkce\":false}}\n",
		}},
		{[]string{"--json"}, []string{`"outcome": "failed"`, `"pkce": false`}},
	} {
		var out, errs bytes.Buffer
		if status := run(append(args, c.args...), &out, &errs); status != 1 || !strings.Contains(errs.String(), errDoctor.Error()) {
			t.Errorf("status %d, %s", status, &errs)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in\n%s", want, &out)
			}
		}
	}
}

// Fields may contain what other flags take for separators.
func TestDoctorFields(t *testing.T) {
	o := edgetest.NewOptions(t, "http://127.0.0.1:1")
	var out, errs bytes.Buffer
	args := []string{"doctor", "practicekey", "--connectors", o.Connectors, "--cache", o.Cache, "--field", "a;b=x;y=z,1", "--field", "c=d"}
	if status := run(args, &out, &errs); status != 1 || strings.Count(out.String(), "form: The form has no field") != 2 || !strings.Contains(out.String(), `"a;b"`) {
		t.Errorf("status %d: %s%s", status, &out, &errs)
	}
}

func TestDoctorArguments(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if status := run([]string{"doctor"}, &out, &errs); status != 2 {
		t.Errorf("status %d without a platform", status)
	}
	none := filepath.Join(t.TempDir(), "none")
	if status := run([]string{"doctor", "practice", "--connectors", none, "--cache", edgetest.Cache()}, &out, &errs); status != 1 {
		t.Errorf("status %d without connectors", status)
	}
	args := []string{"doctor", "practice", "--connectors", edgetest.Folder(t, edgetest.PracticeAddr, nil), "--cache", edgetest.Cache(), "--hostname", "a b"}
	if status := run(args, &out, &errs); status != 1 || !strings.Contains(errs.String(), "crmgate: --hostname: ") {
		t.Errorf("status %d with an invalid host: %s", status, &errs)
	}
}
