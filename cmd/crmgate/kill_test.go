package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/practice"
)

// TestKilledDuringSignIns ends the program with SIGKILL at any moment, fifty times, while people sign in and out. What
// was acknowledged before must hold after the next start: a session that was given out lives, one that was ended is dead.
func TestKilledDuringSignIns(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 5
	}
	binary := filepath.Join(t.TempDir(), "crmgate")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	crm := httptest.NewServer(practice.New(practice.Config{}))
	defer crm.Close()
	p := &victim{
		binary: binary, data: filepath.Join(t.TempDir(), "data"), crm: crm.URL,
		connectors: connectorsFor(t, strings.TrimPrefix(crm.URL, "http://"), nil),
		client:     &http.Client{Timeout: 10 * time.Second},
	}
	live, dead := map[string]bool{}, map[string]bool{} // session tokens, as they were acknowledged
	var slowest time.Duration
	acknowledged := 0
	for i := range kills {
		took := p.start(t)
		if i > 0 { // the first start compiles the connectors
			slowest = max(slowest, took)
		}
		for token := range live {
			if !p.lives(t, token) {
				t.Fatal("a session that was acknowledged is lost")
			}
		}
		for token := range dead {
			if p.lives(t, token) {
				t.Fatal("a session that was ended came back to life")
			}
		}
		acknowledged += p.work(t, live, dead)
	}
	t.Logf("%d kills, %d acknowledged changes, slowest start after one %v", kills, acknowledged, slowest.Round(time.Millisecond))
	if acknowledged < kills {
		t.Errorf("only %d changes were acknowledged: the test shows little", acknowledged)
	}
}

// victim is the program as a process of its own.
type victim struct {
	binary, data, crm, connectors string
	client                        *http.Client
	url                           string
	cmd                           *exec.Cmd
}

// start runs the program and returns how long it took until it was ready.
func (p *victim) start(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	p.cmd = exec.Command(p.binary, "serve", "--listen", "127.0.0.1:0", "--admin-listen=", "--data", p.data, "--cache", built.cache,
		"--connectors", p.connectors, "--allow-egress", "127.0.0.0/8", "--ringcentral-url", p.crm)
	p.cmd.Env = append(os.Environ(), "PRACTICE_URL="+p.crm, "PRACTICEKEY_URL="+p.crm, "PRACTICE_CLIENT_SECRET="+practice.ClientSecret)
	out, err := p.cmd.StderrPipe()
	must(t, err)
	must(t, p.cmd.Start())
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

// work signs two people in and out until the process is killed, and notes what was acknowledged.
func (p *victim) work(t *testing.T, live, dead map[string]bool) int {
	var mu sync.Mutex
	n := 0
	first := make(chan struct{}) // closed when a change was acknowledged: before that a kill shows nothing
	note := func(from, to map[string]bool, token string) {
		mu.Lock()
		defer mu.Unlock()
		delete(from, token)
		to[token] = true
		if n++; n == 1 {
			close(first)
		}
	}
	// A logout that was asked for and not acknowledged may have happened or not: nothing is known of its token any more.
	forget := func(token string) {
		mu.Lock()
		defer mu.Unlock()
		delete(live, token)
	}
	var wg sync.WaitGroup
	for _, logsOut := range []bool{true, false} {
		wg.Go(func() {
			for p.step(logsOut, live, dead, note, forget) {
			}
		})
	}
	select {
	case <-first:
	case <-time.After(30 * time.Second):
		t.Error("nothing was acknowledged in 30 s")
	}
	time.AfterFunc(time.Duration(rand.IntN(100))*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
	wg.Wait()
	_ = p.cmd.Wait()
	p.client.CloseIdleConnections()
	return n
}

// step is one sign-in, with a logout after it for one of the two people; false when the process is gone.
func (p *victim) step(logsOut bool, live, dead map[string]bool, note func(from, to map[string]bool, token string), forget func(string)) bool {
	var in signIn
	ok := p.ask("POST", "/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practice.APIKey+`"}`, "", &in)
	if !logsOut {
		ok = p.oauth(&in)
	}
	if !ok || in.Token == "" {
		return false
	}
	note(dead, live, in.Token)
	if !logsOut {
		return true
	}
	forget(in.Token)
	if !p.ask("POST", "/unAuthorize", "", in.Token, &struct{}{}) {
		return false
	}
	note(live, dead, in.Token)
	return true
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
