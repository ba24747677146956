package audit_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/storetest"
)

// readBack returns all entries about an account, page by page, the latest first.
func readBack(t *testing.T, s storetest.Store, account crmgate.AccountID, limit int) (all []audit.Entry, pages int) {
	t.Helper()
	for from := ""; ; pages++ {
		entries, next, err := s.Audit().ReadBack(t.Context(), account, from, limit)
		storetest.Must(t, err)
		if all = append(all, entries...); next == "" {
			return all, pages + 1
		}
		from = next
	}
}

// Both directions show the same entries, of two nodes that write at the same time and one that ended before, sealed or
// not, in opposite orders.
func TestBothDirectionsShowTheSameEntries(t *testing.T) {
	t.Parallel()
	a := storetest.New(t, "")
	old := another(t, a)
	signInMany(t, old, "old", 300)
	a.Clock.Add(time.Minute)
	b := another(t, a)
	ka, kb := mustKeep(t, a, audit.KeepConfig{}), mustKeep(t, b, audit.KeepConfig{})
	for i := range 700 {
		s := a
		if i%7 == 0 {
			s = b
		}
		if i == 500 {
			storetest.Must(t, ka.Pass(t.Context()))
			storetest.Must(t, kb.Pass(t.Context()))
		}
		_, err := s.SignIn(t.Context(), clio(crmgate.UserID(fmt.Sprint("p", i))), func(p *crmgate.Person) error {
			p.User.Account = crmgate.AccountID(fmt.Sprint("acme", i%2))
			return nil
		}, storage.LogEvent(signedIn))
		storetest.Must(t, err)
		a.Clock.Add(time.Second)
	}
	want := slices.DeleteFunc(mustAudit(t, a, audit.Query{}), func(e audit.Entry) bool { return e.Account != "acme1" })
	slices.Reverse(want)
	for _, limit := range []int{1000, 7} {
		got, pages := readBack(t, a, "acme1", limit)
		if fmt.Sprint(got) != fmt.Sprint(want) || len(got) != 350 {
			t.Errorf("pages of %d: %d entries, want the %d of reading forwards, in reverse", limit, len(got), len(want))
		}
		if limit == 7 && pages < 50 {
			t.Errorf("%d pages of 7 entries", pages)
		}
	}
}

func TestReadingBackwardsWithoutEntries(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	if got, _ := readBack(t, s, "acme", 10); len(got) != 0 {
		t.Error(got)
	}
	signInMany(t, s, "a", 3)
	if got, _ := readBack(t, s, "acme", 10); len(got) != 0 {
		t.Error(got)
	}
	for _, bad := range []string{"x", "1-2", "1-2-ff", "01-2-00000000000000000000000000000000", "1-2-00000000000000000000000000000000 "} {
		if _, _, err := s.Audit().ReadBack(t.Context(), "acme", bad, 10); err == nil {
			t.Errorf("position %q is accepted", bad)
		}
	}
}
