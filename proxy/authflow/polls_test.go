package authflow_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
)

func TestPollsAreBounded(t *testing.T) {
	t.Parallel()
	w := authflow.NewPolls()
	var leave []func()
	for i := range authflow.MaxPolls {
		_, l, err := w.Join(fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	var refusal *crmgate.Refusal
	if _, _, err := w.Join("one more"); !errors.As(err, &refusal) || refusal.Kind != crmgate.Unavailable {
		t.Errorf("one more: %v", err)
	}
	if _, l, err := w.Join("7"); err != nil { // in the place of the one before
		t.Error(err)
	} else {
		leave = append(leave, l)
	}
	for _, l := range leave {
		l()
		l()
	}
	if n := w.Count(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestPollsAreWoken(t *testing.T) {
	t.Parallel()
	w := authflow.NewPolls()
	first, leaveFirst, err := w.Join("a")
	if err != nil {
		t.Fatal(err)
	}
	second, leaveSecond, err := w.Join("a")
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
