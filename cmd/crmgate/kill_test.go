package main

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestKilledDuringSignIns ends the program with SIGKILL at any moment, fifty times, while people sign in and out. What
// was acknowledged before must hold after the next start: a session that was given out lives, one that was ended is dead.
func TestKilledDuringSignIns(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 5
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
	ok := p.ask("POST", "/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`, "", &in)
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
