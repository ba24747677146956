package wasmhost_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
)

// Whatever a host function was asked to do, it ends when the folder is closed.
func TestCloseEndsHostFunctions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"randomget", "vectors", "manyvectors", "poll", "polls", "yields", "clock", "names", "logs", "outputs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"x.wasm": oauth(hostile()[name].body).String(), "x.json": manifestOf("x", "")})
			f, err := newHost(t, wasmhost.Config{Deadline: time.Minute}).Load(t.Context(), dir, "")
			if err != nil {
				t.Fatal(err)
			}
			c := mustConnector(t, f, "x")
			if _, err := c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{}); err != nil {
				t.Fatal(err)
			}
			done := make(chan error)
			go func() {
				_, err := c.UserInfo(t.Context(), bearer(""))
				done <- err
			}()
			<-time.After(200 * time.Millisecond) // it is in the loop, or waits
			closed := time.Now()
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			took := time.Since(closed)
			wantError(t, <-done, "was given up")
			t.Logf("it ended after %v", took)
			if took > 10*time.Second { // on a busy machine
				t.Errorf("it ended %v after the folder was closed", took)
			}
		})
	}
}

// A host function that copies a lot is not begun after the deadline.
func TestDeadlineOfHostFunctions(t *testing.T) {
	t.Parallel()
	var took time.Duration
	h := newHost(t, wasmhost.Config{Deadline: short, Observe: func(_ crmgate.Platform, _, _ string, d time.Duration) { took = d }})
	f := load(t, h, map[string]string{"x.wasm": oauth(seq(large(0), endless(invoke(fInput, 0, 64<<20), drop))).String(), "x.json": manifestOf("x", "")})
	_, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(strings.Repeat("x", 32<<20)))
	wantError(t, err, "ran past its deadline")
	if took > short+5*time.Second { // on a busy machine
		t.Errorf("it was stopped after %v", took)
	}
}

// A guest's memory is bounded, and so is what the host keeps and makes for it. Not parallel: it counts what is allocated.
func TestHostFunctionsLeaveNoGarbage(t *testing.T) {
	const most = 8 << 20
	for name, c := range map[string][]byte{
		"output":               times(1000, invoke(fOutput, 0, 100_000)),
		"log":                  times(10_000, invoke(fLog, 1, 0, 120_000)),
		"fd_write":             seq(put32(2048, 1), put32(2052, 100_000), times(1000, invoke(fFdWrite, 1, 2048, 1, 4096), drop)),
		"config, undeclared":   times(1000, invoke(fConfig, 0, 100_000), drop),
		"config":               seq(text(2048, "X_SETTING"), times(300_000, invoke(fConfig, 2048, 9), drop)),
		"random_get":           times(1000, invoke(fRandomGet, 4, 1000), drop),
		"poll_oneoff, refused": times(1000, invoke(fPollOneoff, 0, 0, 65, 0), drop),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, wasmhost.Config{Deadline: time.Minute, Setting: func(string) (crmgate.Secret, bool) { return crmgate.NewSecret("x-setting"), true }})
			f := load(t, h, map[string]string{"x.wasm": oauth(seq(c, num(2))).String(), "x.json": manifestOf("x", `"config": ["X_SETTING"]`)})
			conn := mustConnector(t, f, "x")
			if _, err := conn.OAuthInfo(t.Context(), connector.OAuthInfoRequest{}); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := conn.UserInfo(t.Context(), bearer(""))
			runtime.ReadMemStats(&after)
			if made := after.TotalAlloc - before.TotalAlloc; made > most {
				t.Errorf("the host made %d KB for it, want at most %d (%v)", made>>10, most>>10, err)
			} else {
				t.Logf("%d KB", made>>10)
			}
		})
	}
}
