package e2e_test

import (
	"syscall"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestSignals: a signal stops the program in good order, has it reload its connectors, or does nothing.
func TestSignals(t *testing.T) {
	t.Parallel()
	p := newVictim(t, practicecrm.New(practicecrm.Config{}))
	p.start(t)
	token, err := p.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP} {
		edgetest.Must(t, p.cmd.Process.Signal(s))
		if !p.lives(t, token) {
			t.Errorf("after %v the session is lost", s)
		}
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		edgetest.Must(t, p.cmd.Process.Signal(s))
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
		p.start(t)
	}
}
