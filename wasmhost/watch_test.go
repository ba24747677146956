package wasmhost_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/wasmhost"
)

// hungry is a connector whose getUserInfo fills 64 MiB, calls config, and touches nothing afterwards. modest is one that needs nothing.
func hungry(t *testing.T, c wasmhost.Config) (f *wasmhost.Folder, hungry, modest connector.Connector) {
	f = load(t, newHost(t, c), map[string]string{
		"x.wasm": oauth(seq(large(1), announce, num(2))).String(), "x.json": manifestOf("x", announced), "y.wasm": oauth(num(2)).String(), "y.json": manifestOf("y", ""),
	})
	return f, mustConnector(t, f, "x"), mustConnector(t, f, "y")
}

// The memory of all guests is bounded: the process that uses most of it ends, and the next calls run.
func TestMemoryOfProcesses(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // the system does not say what a process uses
	}
	_, hungry, modest := hungry(t, wasmhost.Config{Processes: 2, Memory: 400 << 20, Deadline: time.Minute, Setting: func(string) (crmgate.Secret, bool) {
		time.Sleep(time.Second) // several times what the watch needs
		return crmgate.Secret{}, false
	}})
	var all sync.WaitGroup
	var mu sync.Mutex
	interrupted := 0
	for range 8 {
		all.Go(func() {
			if _, err := hungry.UserInfo(t.Context(), bearer("")); errors.Is(err, connector.ErrInterrupted) {
				mu.Lock()
				defer mu.Unlock()
				interrupted++
			}
		})
	}
	all.Wait()
	if interrupted == 0 {
		t.Error("512 MiB were used, of 400")
	}
	for _, c := range []connector.Connector{hungry, modest} {
		if _, err := c.UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("the next call: %v", err)
		}
	}
}

// While little memory is left, processes without a call end, and calls wait: those of a connector whose process uses much of it, or all if
// connectors have no processes.
func TestTightMemory(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{0, 2} {
		t.Run(fmt.Sprint(processes, " processes"), func(t *testing.T) {
			t.Parallel()
			// So many calls that the tenth of the memory that Tighten leaves has room for one more process, also with the race detector.
			const calls = 4
			entered, leave := make(chan struct{}, calls), make(chan struct{})
			f, hungry, modest := hungry(t, wasmhost.Config{Processes: processes, Deadline: time.Minute, Setting: func(string) (crmgate.Secret, bool) {
				entered <- struct{}{}
				<-leave
				return crmgate.Secret{}, false
			}})
			done := make(chan error, calls)
			for range calls {
				go func() {
					_, err := hungry.UserInfo(t.Context(), bearer(""))
					done <- err
				}()
			}
			for range calls {
				<-entered
			}
			f.Tighten()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := hungry.OAuthInfo(ctx, connector.OAuthInfoRequest{}); !errors.Is(err, limit.ErrBusy) {
				t.Errorf("while memory is tight: %v", err)
			}
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var want error = limit.ErrBusy
			if processes > 0 { // it runs, once its process has started
				ctx, want = t.Context(), errors.ErrUnsupported
			}
			if _, err := modest.UserInfo(ctx, bearer("")); !errors.Is(err, want) {
				t.Errorf("a modest connector while memory is tight: %v, want %v", err, want)
			}
			close(leave)
			for range calls {
				if err := <-done; !errors.Is(err, errors.ErrUnsupported) {
					t.Error(err)
				}
			}
			if _, err := modest.UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("afterwards: %v", err)
			}
			if processes == 0 {
				return
			}
			f.Tighten()
			_, _ = modest.UserInfo(t.Context(), bearer("")) // its process may end too: both are small
			if pid := f.Pid("x"); pid != 0 {
				t.Errorf("the process %d has no call, and did not end", pid)
			}
		})
	}
}

// A process that runs although it has no call ends.
func TestProcessThatRunsWithoutACall(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return
	}
	f, _, modest := hungry(t, wasmhost.Config{Processes: 2})
	if _, err := modest.UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	pid := f.Pid("y")
	f.Ran("y", 10*time.Second)
	for end := time.Now().Add(20 * time.Second); f.Pid("y") == pid; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not end")
		}
	}
	if _, err := modest.UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the next call: %v", err)
	}
}

// A script that was loaded anew for its configuration has two processes while a call runs on the earlier one. Only the one without a call
// ends.
func TestOnlyTheProcessWithoutACallEnds(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return
	}
	var setting atomic.Value
	setting.Store("old")
	entered, leave := make(chan struct{}), make(chan struct{})
	f := load(t, newHost(t, wasmhost.Config{Processes: 2, Deadline: time.Minute, Setting: func(string) (crmgate.Secret, bool) {
		return crmgate.NewSecret(setting.Load().(string)), true
	}, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		close(entered)
		<-leave
		return answering(200, "{}"), nil
	}}), map[string]string{
		"x.js": script("const is = process.env.X_A;\nexports.getUserInfo = async (input) => {\n" +
			"if (is === 'old') await fetch('https://crm.example/');\nreturn { successful: true, platformUserInfo: { id: is } };\n};"),
		"x.json": manifestOf("x", announced+`, "hosts": ["crm.example"]`),
	})
	call := func() error {
		_, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
		return err
	}
	done := make(chan error)
	go func() { done <- call() }()
	<-entered
	setting.Store("new")
	if err := call(); err != nil {
		t.Error(err)
	}
	f.Ran("x", 10*time.Second)
	for f.Pid("x") != 0 {
		time.Sleep(10 * time.Millisecond)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("the call that ran: %v", err)
	}
}
