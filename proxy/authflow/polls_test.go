package authflow_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/proxy/authflow"
)

// Polls are bounded in all and for each client. Another poll for the same session takes the place of the one before.
func TestPollsAreBounded(t *testing.T) {
	t.Parallel()
	attacker := limit.Client{Source: crmgate.SourceAt(netip.MustParseAddr("203.0.113.7"))}
	for name, c := range map[string]struct {
		client limit.Client
		most   int
	}{"a client": {attacker, authflow.MaxPolls / 2}, "unknown clients": {limit.Client{}, authflow.MaxPolls}} {
		t.Run(name, func(t *testing.T) {
			w := authflow.NewPolls()
			var leave []func()
			for i := range c.most {
				_, l, err := w.Join(fmt.Sprint(i), c.client)
				if err != nil {
					t.Fatal(err)
				}
				leave = append(leave, l)
			}
			var refusal *crmgate.Refusal
			if _, _, err := w.Join("one more", c.client); !errors.As(err, &refusal) || refusal.Kind != crmgate.Unavailable {
				t.Errorf("one more: %v", err)
			}
			if _, l, err := w.Join("7", c.client); err != nil { // in the place of the one before
				t.Error(err)
			} else {
				leave = append(leave, l)
			}
			if _, _, err := w.Join("account", limit.Client{Account: "1"}); (err == nil) != (c.client == attacker) {
				t.Errorf("another client: %v", err)
			}
			w.Wake("account")
			for _, l := range leave {
				l()
				l()
			}
			if n := w.Count(); n != 0 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

func TestPollsAreWoken(t *testing.T) {
	t.Parallel()
	w := authflow.NewPolls()
	first, leaveFirst, err := w.Join("a", limit.Client{})
	if err != nil {
		t.Fatal(err)
	}
	second, leaveSecond, err := w.Join("a", limit.Client{})
	if err != nil {
		t.Fatal(err)
	}
	<-first
	leaveFirst() // and not the second
	w.Wake("a")
	<-second
	w.Wake("a")
	leaveSecond()
	if n := w.Count(); n != 0 {
		t.Errorf("%d are left", n)
	}
}
