package audit_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/storage/storetest"
)

// signIn signs Ann in, and returns what the store says.
func signIn(t testing.TB, s storetest.Store) error {
	t.Helper()
	_, err := s.SignIn(t.Context(), clio("ann"), func(p *crmgate.Person) error { p.User.Account = "acme"; return nil }, storage.LogEvent(signedIn))
	return err
}

// record writes an event of a change that stores nothing.
func record(t testing.TB, s storetest.Store, about audit.Subject, events ...audit.Event) {
	t.Helper()
	storetest.Must(t, s.Audit().Update(t.Context(), events, func(sealed.Records) (audit.Subject, error) { return about, nil }))
}

// counts returns the Count of each entry, in the order of their times.
func counts(t testing.TB, s storetest.Store) string {
	t.Helper()
	var all []string
	for _, e := range mustAudit(t, s, audit.Query{}) {
		all = append(all, fmt.Sprint(e.Count))
	}
	return strings.Join(all, " ")
}

func wantCounts(t testing.TB, s storetest.Store, want string) {
	t.Helper()
	if got := counts(t, s); got != want {
		t.Errorf("the entries have the counts %q, want %q", got, want)
	}
	wantGreen(t, s)
}

// 4,000 sign-ins of one person are an entry, and after an hour another one with the number of repeats.
func TestRepeatsBecomeOneEntry(t *testing.T) {
	t.Parallel()
	observed := map[string]int{}
	s := storetest.New(t, "")
	db, err := storage.Open(t.Context(), s.Engine, s.Ring, storage.Config{Now: s.Clock.Now, CountAudit: func(kind, outcome string) { observed[kind+" "+outcome]++ }})
	storetest.Must(t, err)
	s.DB = db
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	for range 4000 {
		storetest.Must(t, signIn(t, s))
	}
	s.Clock.Add(time.Hour - time.Millisecond)
	storetest.Must(t, k.Pass(t.Context()))
	wantCounts(t, s, "0")
	s.Clock.Add(time.Millisecond)
	storetest.Must(t, k.Pass(t.Context()))
	storetest.Must(t, k.Pass(t.Context()))
	wantCounts(t, s, "0 3999")
	all := mustAudit(t, s, audit.Query{User: "ann"})
	first, last := all[0], all[len(all)-1]
	if !last.At.Equal(s.Clock.Now()) {
		t.Errorf("the count is of %v, want %v", last.At, s.Clock.Now())
	}
	last.At, last.Entry, last.Count = first.At, first.Entry, 0
	if last != first || last.User != "ann" || last.Account != "acme" {
		t.Errorf("the count is of\n%+v, want\n%+v", last, first)
	}
	if want := map[string]int{"sign-in written": 2, "sign-in counted": 3999}; fmt.Sprint(observed) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", observed, want)
	}
	storetest.Must(t, signIn(t, s))
	wantCounts(t, s, "0 3999 0")
	if r := wantGreen(t, s); r.Entries != 3 || r.Unsealed != 1 {
		t.Errorf("%+v", r)
	}
}

// Events that differ are not merged, and only a person's own sign-ins and logouts are counted.
func TestOnlyRepeatsAreCounted(t *testing.T) {
	t.Parallel()
	ann := audit.Subject{User: clio("ann"), Account: "acme"}
	logout := audit.Event{Kind: audit.EventLogout, By: audit.ByPerson, Outcome: audit.OutcomeOK}
	for name, tt := range map[string]struct {
		about  audit.Subject
		change func(e *audit.Event)
	}{
		"person":   {audit.Subject{User: clio("bob"), Account: "acme"}, func(*audit.Event) {}},
		"platform": {audit.Subject{User: crmgate.UserKey{Platform: "other", ID: "ann"}, Account: "acme"}, func(*audit.Event) {}},
		"account":  {audit.Subject{User: clio("ann"), Account: "other"}, func(*audit.Event) {}},
		"kind":     {ann, func(e *audit.Event) { *e = logout }},
		"flow":     {ann, func(e *audit.Event) { e.By = audit.ByAPIKey }},
		"outcome":  {ann, func(e *audit.Event) { e.Outcome = audit.OutcomeRefused }},
		"reason":   {ann, func(e *audit.Event) { e.Reason = audit.ReasonUnprovenAccount }},
	} {
		t.Run("another "+name, func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t, "")
			k := mustKeep(t, s, audit.KeepConfig{Alone: true})
			other := signedIn
			tt.change(&other)
			for range 3 {
				record(t, s, ann, signedIn)
				record(t, s, tt.about, other)
			}
			wantCounts(t, s, "0 0")
			storetest.Must(t, k.Close())
			wantCounts(t, s, "0 0 2 2")
		})
	}
	promotion := signedIn
	promotion.Kind = audit.EventPromotion
	for name, events := range map[string][]audit.Event{
		"a sign-in that confirms an application": {signedIn, promotion},
		"a promotion":                            {promotion},
		"a logout by an admin":                   {{Kind: audit.EventLogout, By: audit.ByAdmin, Outcome: audit.OutcomeOK}},
		"a deletion by the operator":             {{Kind: audit.EventDeletion, By: audit.ByOperator, Outcome: audit.OutcomeOK}},
		"a refused refresh token":                {{Kind: audit.EventRefresh, By: audit.ByServer, Outcome: audit.OutcomeRefused}},
		"a change of settings":                   {{Kind: audit.EventAdministration, By: audit.ByPerson, Outcome: audit.OutcomeOK}},
		"a managed application":                  {{Kind: audit.EventManagedApp, By: audit.ByAdmin, Outcome: audit.OutcomeOK}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t, "")
			k := mustKeep(t, s, audit.KeepConfig{Alone: true})
			for range 3 {
				record(t, s, ann, events...)
			}
			storetest.Must(t, k.Close())
			wantCounts(t, s, strings.TrimSpace(strings.Repeat("0 ", 3*len(events))))
		})
	}
}

// A sign-in that goes with a promotion neither counts as a repeat nor begins an hour.
func TestEventsThatGoTogetherAreWritten(t *testing.T) {
	t.Parallel()
	ann := audit.Subject{User: clio("ann")}
	promotion := signedIn
	promotion.Kind = audit.EventPromotion
	s := storetest.New(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	record(t, s, ann, signedIn, promotion)
	record(t, s, ann, signedIn)
	record(t, s, ann, signedIn, promotion)
	wantCounts(t, s, "0 0 0 0 0")
	record(t, s, ann, signedIn)
	storetest.Must(t, k.Close())
	wantCounts(t, s, "0 0 0 0 0 1")
}

// Without a Keeper nothing would write the count: before there is one, and after it is closed.
func TestWithoutAKeeperRepeatsAreWritten(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	for range 3 {
		storetest.Must(t, signIn(t, s))
	}
	wantCounts(t, s, "0 0 0")
	s.Clock.Add(time.Second)
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	for range 3 {
		storetest.Must(t, signIn(t, s))
	}
	storetest.Must(t, k.Close())
	wantCounts(t, s, "0 0 0 0 2")
	s.Clock.Add(time.Second)
	for range 2 {
		storetest.Must(t, signIn(t, s))
	}
	wantCounts(t, s, "0 0 0 0 2 0 0")
}

// A process that is killed loses the count, and no entry.
func TestAKilledProcessLosesTheCount(t *testing.T) {
	t.Parallel()
	a := storetest.New(t, "")
	mustKeep(t, a, audit.KeepConfig{Alone: true})
	for range 10 {
		storetest.Must(t, signIn(t, a))
	}
	b := another(t, a)
	k := mustKeep(t, b, audit.KeepConfig{Alone: true})
	b.Clock.Add(2 * time.Hour)
	storetest.Must(t, k.Pass(t.Context()))
	wantCounts(t, b, "0")
}

// Repeats give out no numbers. Readers and the closing of a chain take a long gap in the numbers for its end.
func TestRepeatsLeaveNoGap(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	mustKeep(t, s, audit.KeepConfig{Alone: true})
	for range 10 {
		storetest.Must(t, signIn(t, s))
	}
	signInMany(t, s, "b", 1)
	if all := mustAudit(t, s, audit.Query{}); all[len(all)-1].Entry != 1 {
		t.Errorf("the second entry has the number %d, want 1", all[len(all)-1].Entry)
	}
}

// Only what was committed is counted, and once, however often its function ran.
func TestOnlyCommittedRepeatsAreCounted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lucks []int
		want  string // after the hour
	}{
		{"committed", []int{committed, committed, committed}, "0 2"},
		{"a function that ran twice", []int{committed, runTwice, runTwice, runTwice}, "0 3"},
		{"a lost commit", []int{committed, commitLost, commitLost, committed}, "0 1"},
		{"a lost answer", []int{committed, answerLost, committed}, "0 1"},
		{"the first commit is lost", []int{commitLost, committed, committed}, "0 1"},
		{"the answer to the first one is lost", []int{answerLost, committed, committed}, "0 0 1"},
		{"the first function ran twice", []int{runTwice, committed}, "0 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lucks := tt.lucks
			s := newUnlucky(t, func() int {
				if len(lucks) == 0 {
					return committed
				}
				luck := lucks[0]
				lucks = lucks[1:]
				return luck
			})
			k := mustKeep(t, s, audit.KeepConfig{Alone: true})
			for _, luck := range tt.lucks {
				err := signIn(t, s)
				if failed := luck == commitLost || luck == answerLost; failed != (err != nil) {
					t.Fatal(luck, err)
				}
			}
			s.Clock.Add(time.Hour)
			storetest.Must(t, k.Pass(t.Context()))
			wantCounts(t, s, tt.want)
		})
	}
}

// between is an engine that calls a function between the commit of a transaction and its return.
type between struct {
	storage.Engine
	call func()
}

func (b *between) Update(ctx context.Context, fn func(storage.Tx) error) error {
	err := b.Engine.Update(ctx, fn)
	if call := b.call; call != nil {
		b.call = nil
		call()
	}
	return err
}

// Repeats that are committed while the Keeper ends their hour are not lost.
func TestTheHourEndsDuringATransaction(t *testing.T) {
	t.Parallel()
	for name, during := range map[string]struct {
		call func(t *testing.T, s storetest.Store, k *audit.Keeper)
		wait time.Duration // until the count is written
		want string
	}{
		"the hour ends": {func(t *testing.T, _ storetest.Store, k *audit.Keeper) {
			storetest.Must(t, k.Pass(t.Context()))
		}, 0, "0 1 1"},
		"the next one begins": {func(t *testing.T, s storetest.Store, k *audit.Keeper) {
			storetest.Must(t, k.Pass(t.Context()))
			storetest.Must(t, signIn(t, s))
		}, time.Hour, "0 1 0 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t, "")
			b := &between{Engine: s.Engine}
			s.Engine = b
			s = another(t, s)
			k := mustKeep(t, s, audit.KeepConfig{Alone: true})
			storetest.Must(t, signIn(t, s))
			storetest.Must(t, signIn(t, s))
			b.call = func() {
				s.Clock.Add(time.Hour)
				during.call(t, s, k)
				s.Clock.Add(time.Minute)
			}
			storetest.Must(t, signIn(t, s))
			s.Clock.Add(during.wait)
			storetest.Must(t, k.Pass(t.Context()))
			wantCounts(t, s, during.want)
		})
	}
}

// A count that could not be written is written later, with what came in the meantime in an entry of its own.
func TestACountIsPutBack(t *testing.T) {
	t.Parallel()
	luck := committed
	s := newUnlucky(t, func() int { return luck })
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	for range 5 {
		storetest.Must(t, signIn(t, s))
	}
	s.Clock.Add(time.Hour)
	luck = commitLost
	storetest.WantErr(t, k.Pass(t.Context()), errUnlucky)
	luck = committed
	s.Clock.Add(time.Second)
	for range 3 {
		storetest.Must(t, signIn(t, s))
	}
	s.Clock.Add(time.Second)
	storetest.Must(t, k.Pass(t.Context()))
	wantCounts(t, s, "0 0 4")
	s.Clock.Add(time.Second)
	luck = commitLost
	storetest.WantErr(t, k.Close(), errUnlucky)
	luck = committed
	storetest.Must(t, mustKeep(t, s, audit.KeepConfig{Alone: true}).Close())
	wantCounts(t, s, "0 0 4 2")
}

// More counts than one transaction writes are put back.
func TestManyCountsArePutBack(t *testing.T) {
	t.Parallel()
	luck := committed
	s := newUnlucky(t, func() int { return luck })
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	for range 2 {
		for i := range 300 {
			record(t, s, audit.Subject{User: clio(crmgate.UserID(fmt.Sprint(i)))}, signedIn)
		}
	}
	storetest.Must(t, k.Pass(t.Context()))
	s.Clock.Add(time.Hour)
	luck = commitLost
	storetest.WantErr(t, k.Pass(t.Context()), errUnlucky)
	luck = committed
	storetest.Must(t, k.Pass(t.Context()))
	wantSignIns(t, s, 600)
}

// An hour ends an hour after its entry, whether or not the Keeper has noticed, and if the clock jumps an hour back.
func TestRepeatsWhileTheClockJumps(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	want := 0
	for _, tt := range []struct {
		jump    time.Duration
		written bool
	}{
		{0, true}, {time.Minute, false},
		{-30 * time.Minute, false}, {29 * time.Minute, false}, // back before the entry, and to it
		{10 * time.Hour, true}, {time.Minute, false},
		{-10 * time.Hour, true}, {time.Minute, false},
		{59 * time.Minute, true}, {time.Minute, false},
		{200 * 365 * 24 * time.Hour, true}, {0, false},
	} {
		s.Clock.Add(tt.jump)
		before := len(mustAudit(t, s, audit.Query{}))
		storetest.Must(t, signIn(t, s))
		if got := len(mustAudit(t, s, audit.Query{})) > before; got != tt.written {
			t.Errorf("after a jump of %v: written %v, want %v", tt.jump, got, tt.written)
		}
		want++
	}
	s.Clock.Add(-200 * 365 * 24 * time.Hour)
	storetest.Must(t, k.Pass(t.Context()))
	wantSignIns(t, s, want)
}

// wantSignIns checks that the entries and their counts are of n sign-ins.
func wantSignIns(t testing.TB, s storetest.Store, n int) {
	t.Helper()
	got := 0
	for _, e := range mustAudit(t, s, audit.Query{}) {
		got += int(max(e.Count, 1))
	}
	if got != n {
		t.Errorf("the entries are of %d sign-ins, want %d", got, n)
	}
	wantGreen(t, s)
}

// Sign-ins at once are all written or counted, while hours end and the Keeper works.
func TestRepeatsAtOnce(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 100 {
				_, err := s.SignIn(t.Context(), clio(crmgate.UserID(fmt.Sprint("p", (g+i)%3))), keep, storage.LogEvent(signedIn))
				if err != nil {
					t.Error(err)
				}
				if i%25 == 0 {
					s.Clock.Add(20 * time.Minute)
					if err := k.Pass(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	storetest.Must(t, k.Close())
	wantSignIns(t, s, 800)
	if n := len(mustAudit(t, s, audit.Query{})); n > 400 {
		t.Errorf("800 sign-ins of 3 people in 11 hours are %d entries", n)
	}
}

// The number of people whose repeats are counted is bounded. Sign-ins of others are written as they come. After the hour
// there is room for them.
func TestTheNumberOfCountsIsBounded(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	const limit = 20
	s.Audit().LimitHours(limit)
	about := func(n int) audit.Subject { return audit.Subject{User: clio(crmgate.UserID(fmt.Sprint("p", n)))} }
	for n := range limit {
		record(t, s, about(n), signedIn)
	}
	entries := func() int { return len(of(t, s, "a/")) }
	all := entries()
	record(t, s, about(7), signedIn)
	if entries() != all || all != limit {
		t.Errorf("%d entries, %d after a repeat", all, entries())
	}
	for range 3 {
		record(t, s, about(-1), signedIn)
	}
	if got := entries(); got != all+3 {
		t.Errorf("three sign-ins of one more person are %d entries", got-all)
	}
	s.Clock.Add(time.Hour)
	storetest.Must(t, k.Pass(t.Context()))
	all = entries()
	for range 3 {
		record(t, s, about(-1), signedIn)
	}
	if got := entries(); got != all+1 {
		t.Errorf("after an hour, three sign-ins of one more person are %d entries", got-all)
	}
}
