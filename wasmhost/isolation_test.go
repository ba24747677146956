package wasmhost_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
)

// TestInProcesses runs the tests of guests again, with guests in processes of their own.
func TestInProcesses(t *testing.T) {
	t.Parallel()
	if inProcesses {
		return // this is the second time
	}
	tests := "HostileGuests|RejectedRequests|CloseEndsHostFunctions|DeadlineOfHostFunctions|OneModuleStopsOnePlatform|ConcurrentTraps|Close|WASIAnswers"
	if !underRace {
		tests += "|InstancesHaveShares|ContextsAreHonoured|CallsShareNothing|GoldenVectors|Logs|LongLines|Configuration|WarmStart|DamagedCache|DamagedModules|ManyAtOnce"
	}
	cmd := exec.Command(os.Args[0], "-test.run=^Test("+tests+")$")
	cmd.Env = append(os.Environ(), "CRMGATE_TEST_PROCESSES=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A process that ended is replaced, and a call that has not sent a request yet does not notice.
func TestLostProcess(t *testing.T) {
	t.Parallel()
	f := load(t, newHost(t, wasmhost.Config{Processes: 1}), map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")})
	c := mustConnector(t, f, "x")
	pids := map[int]bool{}
	for range 3 {
		if _, err := c.UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
			t.Fatal(err)
		}
		pid := f.Pid("x")
		pids[pid] = true
		kill(t, pid)
	}
	if len(pids) != 3 {
		t.Errorf("the processes were %v, want three", pids)
	}
}

// A call that has sent a request is not run a second time when its process ends.
func TestInterruptedCall(t *testing.T) {
	t.Parallel()
	var f *wasmhost.Folder
	requests := 0
	h := newHost(t, wasmhost.Config{Processes: 1, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		requests++
		kill(t, f.Pid("x"))
		return nil, errors.New("too late")
	}})
	f = load(t, h, map[string]string{"x.wasm": oauth(fetching(`{"url":"https://ok.example/"}`)).String(), "x.json": manifestOf("x", `"hosts": ["ok.example"]`)})
	c := mustConnector(t, f, "x")
	if _, err := c.UserInfo(t.Context(), bearer("")); !errors.Is(err, connector.ErrInterrupted) || requests != 1 {
		t.Errorf("got %v after %d requests", err, requests)
	}
	if _, err := c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{}); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the next call: %v", err)
	}
}

// With one process for two connectors, each takes it from the other one.
func TestProcessesAreShared(t *testing.T) {
	t.Parallel()
	f := load(t, newHost(t, wasmhost.Config{Processes: 1}), map[string]string{
		"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", ""), "y.wasm": oauth(num(2)).String(), "y.json": manifestOf("y", ""),
	})
	for range 2 {
		for one, other := range map[crmgate.Platform]crmgate.Platform{"x": "y", "y": "x"} {
			if _, err := mustConnector(t, f, one).UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
				t.Fatal(err)
			}
			if f.Pid(one) == 0 || f.Pid(other) != 0 {
				t.Errorf("%s has the process %d, and %s has %d", one, f.Pid(one), other, f.Pid(other))
			}
		}
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Signal(syscall.SIGKILL)
	}
	if err != nil {
		t.Error(err)
	}
}

// fetches keeps answers in memory.
type fetches map[string]crmgate.Secret

func (f fetches) Earlier(n int, request string) (crmgate.Secret, bool) {
	a, ok := f[fmt.Sprint(n, " ", request)]
	return a, ok
}

func (f fetches) Keep(_ context.Context, n int, request string, answer crmgate.Secret) bool {
	f[fmt.Sprint(n, " ", request)] = answer
	return true
}

// A refresh whose process ends after the CRM has answered is run again with that answer. The CRM is asked once.
func TestInterruptedRefresh(t *testing.T) {
	t.Parallel()
	var f *wasmhost.Folder
	requests := 0
	h := newHost(t, wasmhost.Config{Processes: 1, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		requests++
		kill(t, f.Pid("x"))
		return answering(200, `{"accessToken":"new","expiresIn":3600}`), nil
	}})
	const request = `{"method":"POST","url":"https://ok.example/"}`
	refresh := export("checkAndRefreshAccessToken", seq(text(1024, request), invoke(fFetch, 1024, int64(len(request))), drop, answer(`{"accessToken":"new"}`, 0)))
	f = load(t, h, map[string]string{"x.wasm": oauth(num(2), refresh).String(), "x.json": manifestOf("x", `"hosts": ["ok.example"], "reveal": ["refreshToken"]`)})
	kept := fetches{}
	a, err := mustConnector(t, f, "x").RefreshAccessToken(t.Context(), connector.RefreshRequest{Fetches: kept})
	if err != nil || a.AccessToken.Reveal() != "new" || requests != 1 || len(kept) != 1 {
		t.Errorf("got %+v, %v after %d requests; %d answers are kept", a, err, requests, len(kept))
	}
}

// A call that is run again in another process has the handles of its second run: a handle in its answer is resolved.
func TestHandlesAfterALostProcess(t *testing.T) {
	t.Parallel()
	manifest, err := os.ReadFile(filepath.Join("..", "connectors-wasm", "insightly", "insightly.json"))
	if err != nil {
		t.Fatal(err)
	}
	f := load(t, newHost(t, wasmhost.Config{Processes: 1}), map[string]string{"insightly.wasm": string(guest(t, "insightly")), "insightly.json": string(manifest)})
	c := mustConnector(t, f, "insightly")
	for range 2 {
		basic, err := c.BasicAuth(t.Context(), crmgate.NewSecret("key-1"))
		if want := "Basic a2V5LTE6"; err != nil || basic.Reveal() != want {
			t.Errorf("got %s, %v; want %s", basic.Reveal(), err, want)
		}
		kill(t, f.Pid("insightly"))
	}
}

// Guests in the server's process are not made from what another process has compiled, and are not trusted because of what it has found
// out: a guest that has escaped there may have made it. What it says of the exports and imports is not looked at again.
func TestWhatProcessesCompileIsApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")}
	load(t, newHost(t, wasmhost.Config{CacheDir: dir, Processes: 1}), files)
	before, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(before) == 0 {
		t.Fatal(before, err)
	}
	for _, path := range before {
		t.Log("replaced", filepath.Base(path))
		if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, []byte("evil"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	f := load(t, newHost(t, wasmhost.Config{CacheDir: dir}), files)
	if _, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	for _, path := range before {
		if filepath.Base(path) == "module.wasm" { // is read only if it has the hash of the file
			continue
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "evil" {
			t.Errorf("%s is used in the server's process", filepath.Base(path))
		}
	}
}

// If the system cannot start a process, the call fails for now, and what was compiled stays in the cache.
func TestProcessesThatCannotBeStarted(t *testing.T) {
	const variable = "CRMGATE_TEST_NO_FILES"
	if os.Getenv(variable) == "" { // the limit is one of the whole process
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcessesThatCannotBeStarted$", "-test.v")
		cmd.Env = append(os.Environ(), variable+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	f := load(t, newHost(t, wasmhost.Config{CacheDir: dir, Processes: 1}), map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")})
	cached, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(cached) == 0 {
		t.Fatal(cached, err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	var held []*os.File
	for len(held) == 0 || held[len(held)-1].Fd() < 100 {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, null)
	}
	for _, file := range held[len(held)-4:] { // enough to read the module and to change the cache, and too few for three pipes
		_ = file.Close()
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 101, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	_, err = mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
	if !errors.Is(err, connector.ErrInterrupted) || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("without files: %v", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	for _, file := range held[:len(held)-4] {
		_ = file.Close()
	}
	if now, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(now) != len(cached) {
		t.Errorf("the cache had %q, and has %q: %v", cached, now, err)
	}
	if _, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("afterwards: %v", err)
	}
}
