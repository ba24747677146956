package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// appConnectEnvironment has the variables of App Connect's own server that concern the sign-in at a CRM. Its connectors for HighLevel,
// ServiceTitan and Freshdesk are not public.
const appConnectEnvironment = `BULLHORN_CLIENT_ID BULLHORN_CLIENT_SECRET
	CLIO_CLIENT_ID CLIO_CLIENT_SECRET CLIO_ACCESS_TOKEN_URI CLIO_REDIRECT_URI CLIO_EU_CLIENT_ID CLIO_EU_CLIENT_SECRET CLIO_EU_ACCESS_TOKEN_URI
	CLIO_AU_CLIENT_ID CLIO_AU_CLIENT_SECRET CLIO_AU_ACCESS_TOKEN_URI CLIO_CA_CLIENT_ID CLIO_CA_CLIENT_SECRET CLIO_CA_ACCESS_TOKEN_URI
	GOOGLESHEET_CLIENT_ID GOOGLESHEET_CLIENT_SECRET INSIGHTLY_API_VERSION NETSUITE_CRM_CLIENT_ID NETSUITE_CRM_CLIENT_SECRET
	PIPEDRIVE_CLIENT_ID PIPEDRIVE_CLIENT_SECRET PIPEDRIVE_ACCESS_TOKEN_URI PIPEDRIVE_REDIRECT_URI REDTAIL_API_KEY REDTAIL_API_SERVER`

// TestAppConnectEnvironment: with the environment of App Connect's server, all connectors start, and each of its settings counts.
func TestAppConnectEnvironment(t *testing.T) {
	t.Parallel()
	serve := exec.CommandContext(t.Context(), edgetest.Program(), "serve", "--strict", "--listen=127.0.0.1:0", "--admin-listen=", "--data", filepath.Join(t.TempDir(), "data"),
		"--connectors", edgetest.Connectors(), "--cache", edgetest.Cache())
	for _, name := range strings.Fields(appConnectEnvironment) {
		serve.Env = append(serve.Env, name+"=https://made-up.example/"+name)
	}
	stderr, err := serve.StderrPipe()
	edgetest.Must(t, err)
	edgetest.Must(t, serve.Start())
	var log strings.Builder
	for lines := bufio.NewScanner(stderr); !strings.Contains(log.String(), `"msg":"ready"`) && lines.Scan(); {
		log.WriteString(lines.Text() + "\n")
	}
	edgetest.Must(t, serve.Process.Signal(os.Interrupt))
	_, _ = io.Copy(&log, stderr)
	edgetest.Must(t, serve.Wait())
	for _, line := range strings.Split(log.String(), "\n") {
		unset := strings.Contains(line, `"a setting is not set"`) && !slices.ContainsFunc(edgetest.Shipped(), func(file string) bool {
			name, data := strings.CutSuffix(file, ".json") // App Connect does not have these
			return data && strings.Contains(line, `"platform":"`+name+`"`)
		}) && !strings.Contains(line, "_REDIRECT_URI") && !strings.Contains(line, `"setting":"PRACTICE`) &&
			!strings.Contains(line, "GOHIGHLEVEL_") && !strings.Contains(line, "SERVICETITAN_")
		if unset || strings.Contains(line, "is ignored") {
			t.Error(line)
		}
	}
	for _, file := range edgetest.Shipped() {
		name, _, _ := strings.Cut(file, ".")
		if !strings.Contains(log.String(), `"platform":"`+name+`"`) {
			t.Errorf("%s was not loaded:\n%s", name, &log)
		}
	}
}
