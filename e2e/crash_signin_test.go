package e2e_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestKilledDuringSignIns ends the program with SIGKILL at any moment, again and again, while people sign in and out. What
// was acknowledged before must hold after the next start: a session that was given out lives, one that was ended is dead.
func TestKilledDuringSignIns(t *testing.T) {
	t.Parallel()
	kills := 5
	if soak() {
		kills = 50
	}
	p := newVictim(t, practicecrm.New(practicecrm.Config{}))
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
	case <-time.After(inTime):
		t.Errorf("nothing was acknowledged in %v", inTime)
	}
	time.AfterFunc(time.Duration(rand.IntN(100))*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
	wg.Wait()
	_ = p.cmd.Wait()
	p.Client.CloseIdleConnections()
	return n
}

// step is one sign-in, with a logout after it for one of the two people; false when the process is gone.
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
