package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// victim is the program in its own process.
type victim struct {
	edgetest.Person
	data, crm, connectors, cache string
	admin                        string   // the address for /readyz; default none
	env                          []string // in addition to the test's own
	within                       []string // a command that runs the program; default none
	adminURL                     string   // of the running program
	cmd                          *exec.Cmd
}

// newVictim starts a practice CRM and returns a program to run with it. It does not start the program.
func newVictim(t testing.TB, crm http.Handler) *victim {
	t.Helper()
	hs := httptest.NewServer(crm)
	t.Cleanup(hs.Close)
	return &victim{
		data: filepath.Join(t.TempDir(), "data"), crm: hs.URL, connectors: edgetest.Folder(t, strings.TrimPrefix(hs.URL, "http://"), nil),
		cache: edgetest.Cache(), Person: edgetest.Person{Client: edgetest.NewClient(t)},
	}
}

// start runs the program, at most until the test ends, and returns the time until it was ready.
func (p *victim) start(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	// Most systems have this umask.
	args := append(slices.Clone(p.within), "sh", "-c", `umask 022 && exec "$0" "$@"`, edgetest.Program(), "serve", "--listen", "127.0.0.1:0", "--admin-listen", p.admin, "--data", p.data,
		"--cache", p.cache, "--connectors", p.connectors, "--allow-egress", "127.0.0.0/8", "--ringcentral-url", p.crm)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = append(append(os.Environ(), p.env...), "PRACTICE_URL="+p.crm, "PRACTICEKEY_URL="+p.crm, "PRACTICE_CLIENT_SECRET="+practicecrm.ClientSecret)
	out, err := p.cmd.StderrPipe()
	edgetest.Must(t, err)
	edgetest.Must(t, p.cmd.Start())
	t.Cleanup(p.kill) // the test may end before its own kill
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var l struct{ Msg, Listen, Admin string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "ready" {
			p.URL, p.adminURL = "http://"+l.Listen, "http://"+l.Admin
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return time.Since(began)
		}
		t.Log(lines.Text())
	}
	t.Fatal("the program did not become ready")
	return 0
}

// kill ends the program by SIGKILL, if it still runs.
func (p *victim) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// lives reports whether the program accepts a session token.
func (p *victim) lives(t *testing.T, token string) bool {
	t.Helper()
	ok, err := p.Lives(t.Context(), token)
	edgetest.Must(t, err)
	return ok
}

// logout ends a session and reports whether the program acknowledged that.
func (p *victim) logout(token string) bool {
	return p.Ask(context.Background(), "POST", "/unAuthorize", "", &struct{}{}, "Authorization", "Bearer "+token) == nil
}

// anonymous returns the anonymous memory of a process in MB.
func anonymous(t testing.TB, of *exec.Cmd) float64 {
	t.Helper()
	mb, err := memory(of, "RssAnon")
	if err != nil {
		skip(t, "this system does not tell anonymous memory: %v", err)
	}
	return mb
}

// memory returns a memory figure of a process in MB: RssAnon, VmRSS, VmHWM, …
func memory(of *exec.Cmd, field string) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", of.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "\n"+field+":")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseFloat(kb, 64)
	return n / 1000, err
}
