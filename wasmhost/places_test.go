package wasmhost_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/wasmhost"
)

// Calls that wait for their fetch do not keep others from running.
func TestWaitingCallsLeaveTheirPlaces(t *testing.T) {
	t.Parallel()
	const waiting = 7
	entered, leave := make(chan struct{}, waiting), make(chan struct{})
	h := newHost(t, wasmhost.Config{MaxRunning: 1, MaxRunners: 1, Deadline: time.Minute, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		entered <- struct{}{}
		<-leave
		return answering(200, ""), nil
	}})
	f := load(t, h, map[string]string{
		"slow.wasm": oauth(seq(fetching(`{"url":"https://ok.example/"}`), drop, answer(`{"successful":true,"platformUserInfo":{"id":"a"}}`, 0))).String(),
		"slow.json": manifestOf("slow", `"hosts": ["ok.example"]`), "quick.wasm": oauth(num(2)).String(), "quick.json": manifestOf("quick", ""),
	})
	slow, quick := mustConnector(t, f, "slow"), mustConnector(t, f, "quick")
	var wg sync.WaitGroup
	for range waiting {
		wg.Go(func() {
			if _, err := slow.UserInfo(t.Context(), bearer("")); err != nil {
				t.Error(err)
			}
		})
	}
	for range waiting {
		<-entered
	}
	if _, err := quick.UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	close(leave)
	wg.Wait()
	if _, err := slow.UserInfo(t.Context(), bearer("")); err != nil {
		t.Error(err)
	}
}

// The calls that run are bounded, those of one connector and those of all.
func TestRunningCallsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config  wasmhost.Config
		another crmgate.Platform // whose call must wait
	}{"of a connector": {wasmhost.Config{MaxRunning: 1}, "x"}, "of all": {wasmhost.Config{MaxRunners: 1}, "y"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entered, leave := make(chan struct{}), make(chan struct{})
			c.config.Deadline = time.Minute
			c.config.Setting = func(string) (crmgate.Secret, bool) {
				close(entered)
				<-leave
				return crmgate.Secret{}, false
			}
			f := load(t, newHost(t, c.config), map[string]string{
				"x.wasm": oauth(seq(announce, num(2))).String(), "x.json": manifestOf("x", announced), "y.wasm": oauth(num(2)).String(), "y.json": manifestOf("y", ""),
			})
			done := make(chan error)
			go func() {
				_, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
				done <- err
			}()
			<-entered
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := mustConnector(t, f, c.another).UserInfo(ctx, bearer("")); !errors.Is(err, limit.ErrBusy) {
				t.Errorf("while another call runs: %v", err)
			}
			close(leave)
			if err := <-done; !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
			if _, err := mustConnector(t, f, "y").UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A call that comes back from its fetch runs before calls that have not begun.
func TestReturningCallsGoFirst(t *testing.T) {
	t.Parallel()
	const moment = time.Second // for a call to begin to wait
	waits, fetched := make(chan struct{}), make(chan struct{})
	running, leave := make(chan struct{}, 2), make(chan struct{})
	var mu sync.Mutex
	var ended []crmgate.Platform
	h := newHost(t, wasmhost.Config{MaxRunners: 1, Deadline: time.Minute, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		close(waits)
		<-fetched
		return answering(200, ""), nil
	}, Setting: func(string) (crmgate.Secret, bool) {
		running <- struct{}{}
		<-leave
		return crmgate.Secret{}, false
	}, Observe: func(p crmgate.Platform, _, _ string, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, p)
	}})
	f := load(t, h, map[string]string{
		"slow.wasm": oauth(seq(fetching(`{"url":"https://ok.example/"}`))).String(), "slow.json": manifestOf("slow", `"hosts": ["ok.example"]`),
		"x.wasm": oauth(seq(announce, num(2))).String(), "x.json": manifestOf("x", announced),
		"fresh.wasm": oauth(num(2)).String(), "fresh.json": manifestOf("fresh", ""),
	})
	var all sync.WaitGroup
	call := func(p crmgate.Platform) {
		c := mustConnector(t, f, p)
		all.Go(func() { _, _ = c.UserInfo(t.Context(), bearer("")) })
	}
	call("slow")
	<-waits
	call("x")
	<-running
	call("fresh")
	time.Sleep(moment)
	close(fetched)
	time.Sleep(moment)
	close(leave)
	all.Wait()
	if want := []crmgate.Platform{"x", "slow", "fresh"}; !slices.Equal(ended, want) {
		t.Errorf("the calls ended as %v, want %v", ended, want)
	}
}
