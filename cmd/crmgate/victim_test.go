package main

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
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// victim is the program as a process of its own.
type victim struct {
	data, crm, connectors, cache string
	env                          []string // beside the test's own
	client                       *http.Client
	url                          string
	cmd                          *exec.Cmd
}

// newVictim has the program's flags name a practice CRM, which is started; the program is not.
func newVictim(t testing.TB, crm http.Handler) *victim {
	t.Helper()
	hs := httptest.NewServer(crm)
	t.Cleanup(hs.Close)
	p := &victim{
		data: filepath.Join(t.TempDir(), "data"), crm: hs.URL, connectors: connectorsFor(t, strings.TrimPrefix(hs.URL, "http://"), nil),
		cache: built.cache, client: &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second},
	}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

// start runs the program, at the longest until the test ends, and returns how long it took until it was ready.
func (p *victim) start(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	// The umask is what most systems have.
	p.cmd = exec.Command("sh", "-c", `umask 022 && exec "$0" "$@"`, built.program, "serve", "--listen", "127.0.0.1:0", "--admin-listen=", "--data", p.data, "--cache", p.cache,
		"--connectors", p.connectors, "--allow-egress", "127.0.0.0/8", "--ringcentral-url", p.crm)
	p.cmd.Env = append(append(os.Environ(), p.env...), "PRACTICE_URL="+p.crm, "PRACTICEKEY_URL="+p.crm, "PRACTICE_CLIENT_SECRET="+practicecrm.ClientSecret)
	out, err := p.cmd.StderrPipe()
	must(t, err)
	must(t, p.cmd.Start())
	t.Cleanup(p.kill) // the test may end before its own kill
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var l struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "ready" {
			p.url = "http://" + l.Listen
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

func (p *victim) oauth(in *signIn) bool {
	d := demo{out: io.Discard, base: p.url, client: p.client}
	token, err := d.oauth(context.Background())
	in.Token = token
	return err == nil
}

func (p *victim) ask(method, path, body, token string, into any) bool {
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == 200 && json.NewDecoder(resp.Body).Decode(into) == nil
}

func (p *victim) lives(t *testing.T, token string) bool {
	t.Helper()
	req, err := http.NewRequest("GET", p.url+"/hostname", nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := p.client.Do(req)
	must(t, err)
	resp.Body.Close()
	return resp.StatusCode == 200
}

// anonymous is the anonymous memory that a process has in use, in MB.
func anonymous(t testing.TB, of *exec.Cmd) float64 {
	t.Helper()
	mb, err := memory(of, "RssAnon")
	if err != nil {
		skip(t, "this system does not tell anonymous memory: %v", err)
	}
	return mb
}

// memory is what the system says of a process's memory, in MB: RssAnon, VmRSS, VmHWM, …
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
