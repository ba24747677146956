package authflow_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/storage/storetest"
)

// errCode is the error of a code that a CRM refuses.
var errCode = errors.New("the CRM refuses the code")

// Failures are remembered for two minutes, and no more of them than the bound.
func TestRedemptionsAreBounded(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	rs := authflow.NewRedemptions(s.DB, s.Clock.Now)
	fail := func(code string) (repeated bool) {
		repeated, err := rs.Once(t.Context(), code, func() (bool, error) { return true, errCode })
		if !errors.Is(err, errCode) {
			t.Fatal(err)
		}
		return repeated
	}
	for i := range authflow.MaxFailed + 100 {
		fail(fmt.Sprint(i))
	}
	if n := rs.Count(); n != authflow.MaxFailed {
		t.Errorf("%d are remembered, want %d", n, authflow.MaxFailed)
	}
	if fail("0") || !fail(fmt.Sprint(authflow.MaxFailed+99)) {
		t.Error("the oldest is remembered, or the latest is not")
	}
	s.Clock.Add(2 * time.Minute)
	if fail("x") || rs.Count() != 1 {
		t.Errorf("%d are remembered after two minutes", rs.Count())
	}
}

// A redemption that panics leaves nothing behind: the next one runs.
func TestRedemptionPanics(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	rs := authflow.NewRedemptions(s.DB, s.Clock.Now)
	func() {
		defer func() { _ = recover() }()
		_, _ = rs.Once(t.Context(), "code", func() (bool, error) { panic("a bug") })
	}()
	if n := rs.Count(); n != 0 {
		t.Errorf("%d redemptions are still there", n)
	}
	if repeated, err := rs.Once(t.Context(), "code", func() (bool, error) { return true, errCode }); repeated || !errors.Is(err, errCode) {
		t.Errorf("repeated %v, %v", repeated, err)
	}
}
