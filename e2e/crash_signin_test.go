package e2e_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestKilledDuringSignIns ends the program with SIGKILL at random moments while people sign in and out. Acknowledged
// changes must hold after the next start: an issued session is accepted, and an ended session is refused.
func TestKilledDuringSignIns(t *testing.T) {
	t.Parallel()
	kills := 5
	if soak() {
		kills = 50
	}
	p := newVictim(t, practicecrm.New(practicecrm.Config{}))
	live, dead := map[string]bool{}, map[string]bool{} // acknowledged session tokens
	var slowest time.Duration
	acknowledged := 0
	for i := range kills {
		took := p.start(t)
		if i > 0 { // the first start compiles the connectors
			slowest = max(slowest, took)
		}
		for token := range live {
			if !p.lives(t, token) {
				t.Fatal("an acknowledged session is lost")
			}
		}
		for token := range dead {
			if p.lives(t, token) {
				t.Fatal("an ended session is accepted again")
			}
		}
		acknowledged += p.work(t, live, dead)
	}
	t.Logf("%d kills, %d acknowledged changes, slowest start after one %v", kills, acknowledged, slowest.Round(time.Millisecond))
	if acknowledged < kills {
		t.Errorf("only %d changes were acknowledged: too few for this test", acknowledged)
	}
}

// work signs two people in and out until the process is killed, and records the acknowledged changes.
func (p *victim) work(t *testing.T, live, dead map[string]bool) int {
	var mu sync.Mutex
	n := 0
	first := make(chan struct{}) // closed after the first acknowledged change: a kill before that tests nothing
	note := func(from, to map[string]bool, token string) {
		mu.Lock()
		defer mu.Unlock()
		delete(from, token)
		to[token] = true
		if n++; n == 1 {
			close(first)
		}
	}
	// A logout without an acknowledgement may have happened or not, so its token is not checked.
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
	case <-time.After(inTime):
		t.Errorf("nothing was acknowledged in %v", inTime)
	}
	time.AfterFunc(time.Duration(rand.IntN(100))*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
	wg.Wait()
	_ = p.cmd.Wait()
	p.Client.CloseIdleConnections()
	return n
}

// step signs a person in, and one of the two people out again. It returns false when the process is gone.
func (p *victim) step(logsOut bool, live, dead map[string]bool, note func(from, to map[string]bool, token string), forget func(string)) bool {
	var token string
	var err error
	if logsOut {
		token, err = p.APIKey(context.Background())
	} else {
		token, err = p.OAuth(context.Background(), "ada")
	}
	if err != nil {
		return false
	}
	note(dead, live, token)
	if !logsOut {
		return true
	}
	forget(token)
	if !p.logout(token) {
		return false
	}
	note(live, dead, token)
	return true
}
