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

// Closing the folder ends every host function.
func TestCloseEndsHostFunctions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"randomget", "vectors", "manyvectors", "poll", "polls", "yields", "clock", "names", "logs", "outputs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started := make(chan struct{})
			dir := folder(t, map[string]string{"x.wasm": oauth(seq(announce, hostile()[name].body)).String(), "x.json": manifestOf("x", announced)})
			f, err := loadAll(t, newHost(t, wasmhost.Config{Deadline: time.Minute, Setting: func(string) (crmgate.Secret, bool) {
				close(started)
				return crmgate.Secret{}, false
			}}), dir, "")
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
			<-started
			time.Sleep(50 * time.Millisecond) // lets the guest enter the host function; no check depends on it
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			wantError(t, <-done, "was cancelled") // not the deadline
		})
	}
}

// A guest that has the host copy large inputs is stopped at the deadline.
func TestDeadlineOfHostFunctions(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{Deadline: short})
	f := load(t, h, map[string]string{"x.wasm": oauth(seq(large(0), endless(invoke(fInput, 0, 64<<20), drop))).String(), "x.json": manifestOf("x", "")})
	_, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(strings.Repeat("x", 8<<20)))
	wantError(t, err, "ran past its deadline")
}

// The host allocates a bounded amount for a guest. Not parallel: the test counts all allocations.
func TestHostFunctionsLeaveNoGarbage(t *testing.T) {
	const limit = 8 << 20
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
			if made := after.TotalAlloc - before.TotalAlloc; made > limit {
				t.Errorf("the host allocated %d KB, want at most %d (%v)", made>>10, limit>>10, err)
			} else {
				t.Logf("%d KB", made>>10)
			}
		})
	}
}
