package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
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

var signedIn = audit.Event{Kind: audit.EventSignIn, By: audit.ByOAuth, Outcome: audit.OutcomeOK}

func clio(id crmgate.UserID) crmgate.UserKey { return crmgate.UserKey{Platform: "clio", ID: id} }

// mustKeep begins to seal; only the test's own passes and full batches seal anything.
func mustKeep(t testing.TB, s storetest.Store, c audit.KeepConfig) *audit.Keeper {
	t.Helper()
	c.Every, c.Logger = time.Hour, slog.New(slog.DiscardHandler)
	k, err := s.Audit().Keep(t.Context(), c)
	storetest.Must(t, err)
	t.Cleanup(func() {
		err := k.Close()
		if gone := errors.Is(err, crmgate.ErrNotFound) || errors.Is(err, crmgate.ErrSealed); err != nil && !gone { // the test took it
			t.Error(err)
		}
	})
	return k
}

// signInMany signs n people in. Their ids are the prefix and a number from 0.
func signInMany(t testing.TB, s storetest.Store, prefix string, n int) {
	t.Helper()
	for i := range n {
		_, err := s.SignIn(t.Context(), clio(crmgate.UserID(fmt.Sprint(prefix, i))), keep, storage.LogEvent(signedIn))
		storetest.Must(t, err)
	}
}

func mustAudit(t testing.TB, s storetest.Store, q audit.Query) []audit.Entry {
	t.Helper()
	var all []audit.Entry
	storetest.Must(t, s.Audit().Read(t.Context(), q, func(e audit.Entry) error { all = append(all, e); return nil }))
	return all
}

// verify returns the problems and the report.
func verify(t testing.TB, s storetest.Store) ([]string, audit.Report) {
	t.Helper()
	var problems []string
	r, err := s.Audit().Verify(t.Context(), func(p string) { problems = append(problems, p) })
	storetest.Must(t, err)
	if r.Problems != len(problems) {
		t.Errorf("%d problems were found, and the report has %d", len(problems), r.Problems)
	}
	return problems, r
}

func wantGreen(t testing.TB, s storetest.Store) audit.Report {
	t.Helper()
	problems, r := verify(t, s)
	if len(problems) > 0 {
		t.Errorf("problems: %s", strings.Join(problems, "; "))
	}
	return r
}

func TestAuditSaysWhatHappened(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx, ann := t.Context(), clio("ann")
		_, err := s.SignIn(ctx, ann, func(p *crmgate.Person) error {
			p.User.Name, p.User.Account = "Ann", "acme"
			return nil
		}, storage.LogEvent(audit.Event{Kind: audit.EventSignIn, By: audit.ByOAuth, Outcome: audit.OutcomeOK, Reason: audit.ReasonUnprovenAccount}))
		storetest.Must(t, err)
		s.Clock.Add(time.Second)
		_, err = s.UpdatePerson(ctx, ann, keep, storage.LogEvent(audit.Event{Kind: audit.EventRefresh, By: audit.ByServer, Outcome: audit.OutcomeRefused, Reason: audit.ReasonUserDead}))
		storetest.Must(t, err)
		s.Clock.Add(time.Second)
		_, err = s.EndSession(ctx, ann, storage.LogEvent(audit.Event{Kind: audit.EventLogout, By: audit.ByPerson, Outcome: audit.OutcomeOK}))
		storetest.Must(t, err)
		s.Clock.Add(time.Second)
		storetest.Must(t, s.Audit().Record(ctx, audit.Event{Kind: audit.EventSignIn, By: audit.ByAPIKey, Outcome: audit.OutcomeError, Reason: audit.ReasonRequest, Platform: "other"}))
		before := describe(mustAudit(t, s, audit.Query{}))
		want := []string{
			"0 sign-in oauth ok unproven account clio ann Ann acme", "1 refresh server refused user dead clio ann Ann acme",
			"2 logout person ok  clio ann Ann acme", "3 sign-in apiKey error request other   ",
		}
		if fmt.Sprint(before) != fmt.Sprint(want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(before, "\n"), strings.Join(want, "\n"))
		}
		for name, tt := range map[string]struct {
			q    audit.Query
			want int
		}{
			"a platform": {audit.Query{Platform: "other"}, 1}, "a user": {audit.Query{User: "ann"}, 3},
			"an unknown user": {audit.Query{User: "bob"}, 0}, "a user of another platform": {audit.Query{User: "ann", Platform: "other"}, 0},
			"since": {audit.Query{Since: s.Clock.Now().Add(-time.Second)}, 2},
		} {
			if got := mustAudit(t, s, tt.q); len(got) != tt.want {
				t.Errorf("%s: %d entries, want %d", name, len(got), tt.want)
			}
		}
		_, err = s.DeletePerson(ctx, ann, storage.LogEvent(audit.Event{Kind: audit.EventDeletion, By: audit.ByOperator, Outcome: audit.OutcomeOK}))
		storetest.Must(t, err)
		after := mustAudit(t, s, audit.Query{})
		if len(after) != 5 {
			t.Fatalf("%d entries, want 5", len(after))
		}
		for _, e := range after {
			if e.User != "" || e.Name != "" || e.Account != "" || e.Platform == "clio" && (e.UserHash == "" || e.AccountHash == "") {
				t.Errorf("%+v names a deleted user, or has lost the hashes", e)
			}
		}
		if got := mustAudit(t, s, audit.Query{User: "ann"}); len(got) != 4 {
			t.Errorf("the id of a deleted user finds %d entries, want 4", len(got))
		}
	})
}

func describe(all []audit.Entry) []string {
	var lines []string
	for _, e := range all {
		lines = append(lines, fmt.Sprint(e.Entry, " ", e.Kind, " ", e.By, " ", e.Outcome, " ", e.Reason, " ", e.Platform, " ", e.User, " ", e.Name, " ", e.Account))
	}
	return lines
}

// What happens to a transaction of an unlucky engine.
const (
	commitLost = iota
	runTwice
	answerLost
	committed
	lucks
)

// unlucky is an engine that runs functions twice, loses commits, and loses the results of commits.
type unlucky struct {
	storage.Engine
	next func() int // of the lucks; for each transaction
}

// random has any luck.
func random() func() int {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(3, 4)) // guarded by mu
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(lucks)
	}
}

var errUnlucky = fmt.Errorf("the connection is lost: %w", crmgate.ErrTransient)

func (u *unlucky) Update(ctx context.Context, fn func(storage.Tx) error) error {
	luck := u.next()
	err := u.Engine.Update(ctx, func(tx storage.Tx) error {
		switch luck {
		case commitLost:
			return errors.Join(fn(tx), errUnlucky)
		case runTwice:
			if err := fn(tx); err != nil {
				return err
			}
		}
		return fn(tx)
	})
	if luck == answerLost {
		return errors.Join(err, errUnlucky)
	}
	return err
}

// newUnlucky returns a store that becomes unlucky after it was made.
func newUnlucky(t *testing.T, next func() int) storetest.Store {
	t.Helper()
	s := storetest.New(t, "")
	s.Engine = &unlucky{s.Engine, func() int { return committed }}
	s = another(t, s)
	s.Engine.(*unlucky).next = next
	return s
}

// Each stored sign-in has its entry, and each entry its sign-in. After a commit with an unknown outcome, the entry is
// sealed if it is stored.
func TestEntriesMatchSignIns(t *testing.T) {
	t.Parallel()
	s := newUnlucky(t, random())
	k, err := s.Audit().Keep(t.Context(), audit.KeepConfig{Every: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	storetest.Must(t, err)
	defer func() { _ = k.Close() }()
	var group sync.WaitGroup
	failed := 0
	var mu sync.Mutex
	for g := range 4 {
		group.Go(func() {
			for i := range 200 {
				_, err := s.SignIn(t.Context(), clio(crmgate.UserID(fmt.Sprint(g, "-", i))), keep, storage.LogEvent(signedIn))
				mu.Lock()
				if err != nil {
					failed++
				}
				mu.Unlock()
				if i%50 == 49 {
					_ = k.Pass(t.Context())
				}
			}
		})
	}
	group.Wait()
	for k.Pass(t.Context()) != nil {
	}
	people, entries := map[crmgate.UserID]bool{}, map[crmgate.UserID]int{}
	storetest.Must(t, s.People(t.Context(), func(p crmgate.Person, _ storage.Session) error { people[p.User.Key.ID] = true; return nil }))
	for _, e := range mustAudit(t, s, audit.Query{}) {
		entries[e.User]++
		if !people[e.User] {
			t.Errorf("an entry about %q without a stored sign-in", e.User)
		}
	}
	for p := range people {
		if entries[p] != 1 {
			t.Errorf("%s has %d entries, want 1", p, entries[p])
		}
	}
	r := wantGreen(t, s)
	if r.Entries != len(people) || r.Unsealed != 0 || failed == 0 || len(people) == 800 {
		t.Errorf("%d people, %d calls failed, %+v", len(people), failed, r)
	}
}

// conflicted is an engine whose next transaction conflicts with another one, and runs again.
type conflicted struct {
	storage.Engine
	conflicts int
}

func (c *conflicted) Update(ctx context.Context, fn func(storage.Tx) error) error {
	for ; c.conflicts > 0; c.conflicts-- {
		_ = c.Engine.Update(ctx, func(tx storage.Tx) error { return errors.Join(fn(tx), errUnlucky) })
	}
	return c.Engine.Update(ctx, fn)
}

// A transaction that runs again may have other subjects, because another one has changed their records.
func TestOneEventForEachSubject(t *testing.T) {
	t.Parallel()
	for _, runs := range [][]int{{3}, {1, 3}, {3, 1}, {0, 2}, {2, 0}} {
		t.Run(fmt.Sprint(runs), func(t *testing.T) {
			s := storetest.New(t, "")
			engine := &conflicted{s.Engine, 0}
			s.Engine = engine
			s = another(t, s)
			k := mustKeep(t, s, audit.KeepConfig{})
			engine.conflicts = len(runs) - 1
			run := 0
			storetest.Must(t, s.Audit().UpdateEach(t.Context(), signedIn, func(sealed.Records) (about []audit.Subject, err error) {
				for i := range runs[run] {
					about = append(about, audit.Subject{User: clio(crmgate.UserID(fmt.Sprint(i)))})
				}
				run++
				return about, nil
			}))
			signInMany(t, s, "after", 1)
			storetest.Must(t, k.Pass(t.Context()))
			problems, r := verify(t, s)
			if want := runs[len(runs)-1] + 1; len(problems) > 0 || r.Entries != want || r.Unsealed != 0 {
				t.Errorf("%+v, %v; want %d entries", r, problems, want)
			}
		})
	}
}

func TestAPanicDoesNotHoldUpSealing(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	func() {
		defer func() { _ = recover() }()
		_, _ = s.SignIn(t.Context(), clio("x"), func(*crmgate.Person) error { panic("x") }, storage.LogEvent(signedIn))
	}()
	signInMany(t, s, "a", 3)
	storetest.Must(t, k.Pass(t.Context()))
	if r := wantGreen(t, s); r.Unsealed != 0 || r.Entries != 3 {
		t.Errorf("%+v", r)
	}
}

// of returns the records under a prefix.
func of(t *testing.T, s storetest.Store, prefix string) []storetest.Pair {
	t.Helper()
	var some []storetest.Pair
	for _, p := range storetest.Raw(t, s.Engine) {
		if strings.HasPrefix(string(p.Key), prefix) {
			some = append(some, p)
		}
	}
	return some
}

func remove(t *testing.T, s storetest.Store, keys ...[]byte) {
	t.Helper()
	storetest.Must(t, s.Engine.Update(t.Context(), func(tx storage.Tx) error {
		var errs []error
		for _, k := range keys {
			errs = append(errs, tx.Delete(k))
		}
		return errors.Join(errs...)
	}))
}

// sealedLog is a log for tests that tamper with it: three batches of five entries, and two entries outside of batches.
type sealedLog struct {
	storetest.Store
	keeper           *audit.Keeper
	entries, batches []storetest.Pair
}

// reseal stores a record under another key, as an attacker with the key ring can.
func reseal(t *testing.T, s sealedLog, p storetest.Pair, to []byte) {
	t.Helper()
	storetest.Must(t, s.Engine.Update(t.Context(), func(tx storage.Tx) error {
		r := s.Ring.Records(tx, s.Clock.Now(), nil)
		b, err := r.Open(sealed.Kind(p.Key[0]), p.Key, p.Value)
		if err != nil {
			return err
		}
		return r.Set(sealed.Kind(to[0]), to, b, 0)
	}))
}

func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		tamper func(t *testing.T, s sealedLog)
		want   []string
	}{
		{"nothing", func(*testing.T, sealedLog) {}, nil},
		{"an entry is deleted", func(t *testing.T, s sealedLog) {
			remove(t, s.Store, s.entries[7].Key)
		}, []string{"entry 7 of batch 1 is missing"}},
		{"two entries are swapped", func(t *testing.T, s sealedLog) {
			storetest.Write(t, s.Engine, s.entries[3].Key, s.entries[4].Value)
			storetest.Write(t, s.Engine, s.entries[4].Key, s.entries[3].Value)
		}, []string{"entry 3 of batch 0: ", "entry 4 of batch 0: "}},
		{"a byte of an entry is changed", func(t *testing.T, s sealedLog) {
			b := bytes.Clone(s.entries[0].Value)
			b[len(b)-1] ^= 1
			storetest.Write(t, s.Engine, s.entries[0].Key, b)
		}, []string{"entry 0 of batch 0: "}},
		{"two entries are swapped with the key ring", func(t *testing.T, s sealedLog) {
			reseal(t, s, s.entries[3], s.entries[4].Key)
			reseal(t, s, s.entries[4], s.entries[3].Key)
		}, []string{"batch 0 does not match its entries"}},
		{"an entry is replaced with the key ring", func(t *testing.T, s sealedLog) {
			reseal(t, s, s.entries[16], s.entries[12].Key)
		}, []string{"batch 2 does not match its entries"}},
		{"an entry is added", func(t *testing.T, s sealedLog) {
			key := bytes.Clone(s.entries[0].Key)
			key[len(key)-2] = 1 // number 256, on a chain that is closed
			storetest.Must(t, s.keeper.Close())
			reseal(t, s, s.entries[0], key)
		}, []string{"entry 256 is in no batch"}},
		{"a batch is deleted", func(t *testing.T, s sealedLog) {
			remove(t, s.Store, s.batches[1].Key)
		}, []string{"batches 1 to 1 are missing"}},
		{"a batch is deleted with its entries", func(t *testing.T, s sealedLog) {
			remove(t, s.Store, s.batches[1].Key, s.entries[5].Key, s.entries[6].Key, s.entries[7].Key, s.entries[8].Key, s.entries[9].Key)
		}, []string{"batches 1 to 1 are missing"}},
		{"the first batch is deleted with its entries", func(t *testing.T, s sealedLog) {
			remove(t, s.Store, s.batches[0].Key, s.entries[0].Key, s.entries[1].Key, s.entries[2].Key, s.entries[3].Key, s.entries[4].Key)
		}, []string{"batches 0 to 0 are missing"}},
		{"the end is cut off", func(t *testing.T, s sealedLog) {
			remove(t, s.Store, s.batches[2].Key, s.entries[10].Key, s.entries[11].Key, s.entries[12].Key, s.entries[13].Key, s.entries[14].Key)
		}, []string{"batches 2 to 2 are missing, at the end of the chain"}},
		{"two batches are swapped", func(t *testing.T, s sealedLog) {
			storetest.Write(t, s.Engine, s.batches[0].Key, s.batches[1].Value)
			storetest.Write(t, s.Engine, s.batches[1].Key, s.batches[0].Value)
		}, []string{"batch 0: ", "batch 1: "}},
		{"two batches are swapped with the key ring", func(t *testing.T, s sealedLog) {
			reseal(t, s, s.batches[0], s.batches[1].Key)
			reseal(t, s, s.batches[1], s.batches[0].Key)
		}, []string{"batch 0 does not follow", "batch 0 does not match its entries", "batch 1 does not follow", "batch 1 does not match its entries", "batch 2 does not follow"}},
		{"the node's record is deleted", func(t *testing.T, s sealedLog) {
			remove(t, s.Store, of(t, s.Store, "o/")[0].Key)
		}, []string{"there is no record of the node"}},
		{"the node's record is cut", func(t *testing.T, s sealedLog) {
			n := of(t, s.Store, "o/")[0]
			storetest.Write(t, s.Engine, n.Key, n.Value[:20])
		}, []string{"the node's record: ", "there is no record of the node"}},
		{"an entry that was acknowledged is deleted before it is sealed", func(t *testing.T, s sealedLog) {
			remove(t, s.Store, s.entries[15].Key)
			storetest.Must(t, s.keeper.Pass(t.Context()))
		}, []string{"entry 15 of batch 3 is missing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sealedLog{Store: storetest.New(t, "")}
			s.keeper = mustKeep(t, s.Store, audit.KeepConfig{Alone: true})
			for i := range 3 {
				signInMany(t, s.Store, fmt.Sprint("p", i, "-"), 5)
				storetest.Must(t, s.keeper.Pass(t.Context()))
			}
			signInMany(t, s.Store, "q", 2)
			s.entries, s.batches = of(t, s.Store, "a/"), of(t, s.Store, "b/")
			if len(s.entries) != 17 || len(s.batches) != 3 {
				t.Fatalf("%d entries, %d batches", len(s.entries), len(s.batches))
			}
			tt.tamper(t, s)
			got, r := verify(t, s.Store)
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
			if len(tt.want) == 0 && (r != audit.Report{Nodes: 1, Batches: 3, Entries: 17, Unsealed: 2}) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A process without its node record begins another chain.
func TestLostNodeBeginsAnotherChain(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	signInMany(t, s, "a", 3)
	storetest.Must(t, k.Pass(t.Context()))
	remove(t, s, of(t, s, "o/")[0].Key)
	signInMany(t, s, "b", 3)
	storetest.WantErr(t, k.Pass(t.Context()), crmgate.ErrNotFound)
	signInMany(t, s, "c", 3)
	storetest.Must(t, k.Pass(t.Context()))
	got, r := verify(t, s)
	if len(got) != 1 || !strings.Contains(got[0], "there is no record of the node") || r.Batches != 2 || r.Entries != 9 {
		t.Errorf("%q, %+v", got, r)
	}
}

func another(t *testing.T, s storetest.Store) storetest.Store {
	t.Helper()
	db, err := storage.Open(t.Context(), s.Engine, s.Ring, storage.Config{Now: s.Clock.Now})
	storetest.Must(t, err)
	s.DB = db
	return s
}

func TestTwoNodes(t *testing.T) {
	storetest.Both(t, func(t *testing.T, a storetest.Store) {
		b := another(t, a)
		ka, kb := mustKeep(t, a, audit.KeepConfig{}), mustKeep(t, b, audit.KeepConfig{})
		var want []string
		for i := range 300 {
			id := fmt.Sprint("p", i)
			want = append(want, id)
			s := a
			if i%3 == 0 {
				s = b
			}
			_, err := s.SignIn(t.Context(), clio(crmgate.UserID(id)), keep, storage.LogEvent(signedIn))
			storetest.Must(t, err)
			a.Clock.Add(time.Second)
			if i%40 == 39 {
				storetest.Must(t, errors.Join(ka.Pass(t.Context()), kb.Pass(t.Context())))
			}
		}
		storetest.Must(t, errors.Join(ka.Pass(t.Context()), kb.Pass(t.Context())))
		if r := wantGreen(t, a); r.Nodes != 2 || r.Entries != 300 || r.Unsealed != 0 {
			t.Errorf("%+v", r)
		}
		var got []string
		for _, e := range mustAudit(t, b, audit.Query{}) {
			got = append(got, string(e.User))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if got := mustAudit(t, b, audit.Query{Since: a.Clock.Now().Add(-20 * time.Second)}); len(got) != 20 {
			t.Errorf("%d entries of the last 20 seconds, want 20", len(got))
		}
	})
}

// The next process seals the entries of one that was killed: at once if it is alone, and otherwise when the node's lease of
// ten minutes has expired. A process that was only slow goes on.
func TestEntriesOfAKilledProcessAreSealed(t *testing.T) {
	t.Parallel()
	for _, alone := range []bool{true, false} {
		t.Run(fmt.Sprintf("alone %v", alone), func(t *testing.T) {
			t.Parallel()
			a := storetest.New(t, "")
			ka := mustKeep(t, a, audit.KeepConfig{Alone: true})
			signInMany(t, a, "a", 3)
			storetest.Must(t, ka.Pass(t.Context()))
			signInMany(t, a, "b", 300) // more than a batch; the loop may have sealed some
			b := another(t, a)
			kb := mustKeep(t, b, audit.KeepConfig{Alone: alone})
			unsealed := wantGreen(t, b).Unsealed
			if alone != (unsealed == 0) {
				t.Errorf("%d are not sealed", unsealed)
			}
			a.Clock.Add(11 * time.Minute)
			storetest.Must(t, kb.Pass(t.Context()))
			if r := wantGreen(t, b); r.Unsealed != 0 || r.Entries != 303 {
				t.Errorf("%+v", r)
			}
			signInMany(t, a, "c", 3)
			storetest.Must(t, ka.Pass(t.Context()))
			if r := wantGreen(t, b); r.Unsealed != 0 || r.Entries != 306 || r.Nodes != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A process that only runs a command has no keeper.
func TestEntriesWithoutAKeeper(t *testing.T) {
	t.Parallel()
	a := storetest.New(t, "")
	signInMany(t, a, "a", 3)
	if r := wantGreen(t, a); r.Unsealed != 3 {
		t.Errorf("%+v", r)
	}
	mustKeep(t, a, audit.KeepConfig{Alone: true})
	signInMany(t, a, "b", 1)
	if r := wantGreen(t, a); r.Unsealed != 1 || r.Nodes != 2 || r.Entries != 4 {
		t.Errorf("%+v", r)
	}
	if got := mustAudit(t, a, audit.Query{}); len(got) != 4 {
		t.Errorf("%d entries, want 4", len(got))
	}
}

func TestReadingWritesNothing(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	before := len(storetest.Raw(t, s.Engine))
	storetest.Must(t, mustKeep(t, s, audit.KeepConfig{Alone: true, Retention: time.Hour}).Close())
	wantGreen(t, s)
	if got := mustAudit(t, s, audit.Query{}); len(got) != 0 {
		t.Error(got)
	}
	if after := len(storetest.Raw(t, s.Engine)); after != before {
		t.Errorf("%d records became %d", before, after)
	}
}

func TestFullBatchesAreSealedAtOnce(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	mustKeep(t, s, audit.KeepConfig{Alone: true})
	signInMany(t, s, "a", 256)
	for wantGreen(t, s).Batches == 0 {
		if t.Context().Err() != nil {
			t.Fatal("nothing was sealed")
		}
	}
}

func TestAuditRetention(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		const day = 24 * time.Hour
		old := another(t, s)
		kold := mustKeep(t, old, audit.KeepConfig{Alone: true})
		signInMany(t, old, "gone", 2)
		storetest.Must(t, kold.Close())
		k := mustKeep(t, s, audit.KeepConfig{Alone: true, Retention: 35 * day})
		for i := range 4 {
			signInMany(t, s, fmt.Sprint("d", i, "-"), 3)
			storetest.Must(t, k.Pass(t.Context()))
			s.Clock.Add(10 * day)
		}
		for i, want := range []audit.Report{
			{Nodes: 1, Batches: 3, Entries: 9}, // 40 days: the first batch and all of the old node
			{Nodes: 1, Batches: 2, Entries: 6}, {Nodes: 1, Batches: 1, Entries: 3}, {Nodes: 1},
		} {
			s.Clock.Add(time.Minute)
			storetest.Must(t, k.Pass(t.Context()))
			if r := wantGreen(t, s); r != want {
				t.Errorf("pass %d: got %+v, want %+v", i, r, want)
			}
			if got := mustAudit(t, s, audit.Query{}); len(got) != want.Entries {
				t.Errorf("pass %d: %d entries are shown, want %d", i, len(got), want.Entries)
			}
			s.Clock.Add(10 * day)
		}
		signInMany(t, s, "again", 2)
		storetest.Must(t, k.Pass(t.Context()))
		if r := wantGreen(t, s); r.Batches != 1 || r.Entries != 2 {
			t.Errorf("%+v", r)
		}
		remove(t, s, of(t, s, "b/")[0].Key)
		if got, _ := verify(t, s); len(got) == 0 {
			t.Error("after old batches were dropped, a missing batch is not found")
		}
	})
}

func TestWithoutRetentionAllIsKept(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	signInMany(t, s, "a", 3)
	s.Clock.Add(10 * 365 * 24 * time.Hour)
	storetest.Must(t, k.Pass(t.Context()))
	s.Clock.Add(time.Hour)
	storetest.Must(t, k.Pass(t.Context()))
	if r := wantGreen(t, s); r.Entries != 3 {
		t.Errorf("%+v", r)
	}
}

func TestDeletionKeepsTheChain(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		k := mustKeep(t, s, audit.KeepConfig{Alone: true})
		signInMany(t, s, "a", 10)
		storetest.Must(t, k.Pass(t.Context()))
		for i := range 10 {
			_, err := s.DeletePerson(t.Context(), clio(crmgate.UserID(fmt.Sprint("a", i))), storage.LogEvent(audit.Event{Kind: audit.EventDeletion, By: audit.ByOperator, Outcome: audit.OutcomeOK}))
			storetest.Must(t, err)
		}
		storetest.Must(t, k.Pass(t.Context()))
		if r := wantGreen(t, s); r.Entries != 20 || r.Unsealed != 0 {
			t.Errorf("%+v", r)
		}
		for _, e := range mustAudit(t, s, audit.Query{}) {
			if e.User != "" || e.UserHash == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}

// Ten thousand failures leave 300 entries, and one with the number of the others. They do not affect another platform or
// sign-ins that work.
func TestAFloodIsBounded(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	s := storetest.New(t, "")
	db, err := storage.Open(t.Context(), s.Engine, s.Ring, storage.Config{Now: s.Clock.Now, CountAudit: func(kind, outcome string) { counts[kind+" "+outcome]++ }})
	storetest.Must(t, err)
	s.DB = db
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	failed := audit.Event{Kind: audit.EventSignIn, By: audit.ByAPIKey, Outcome: audit.OutcomeRefused, Reason: audit.ReasonNotAccepted, Platform: "clio"}
	for range 10_000 {
		storetest.Must(t, s.Audit().Record(t.Context(), failed))
	}
	other := failed
	other.Platform = "other"
	storetest.Must(t, s.Audit().Record(t.Context(), other))
	signInMany(t, s, "a", 3)
	storetest.Must(t, k.Pass(t.Context()))
	storetest.Must(t, k.Pass(t.Context()))
	if want := map[string]int{"sign-in written": 305, "sign-in left out": 9700}; fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", counts, want)
	}
	all := mustAudit(t, s, audit.Query{})
	if last := all[len(all)-1]; len(all) != 305 || last.Kind != audit.EventSignIn || last.Outcome != audit.OutcomeLeftOut || last.Count != 9700 || last.Platform != "clio" {
		t.Errorf("%d entries, the last is %+v", len(all), last)
	}
	s.Clock.Add(time.Hour)
	storetest.Must(t, s.Audit().Record(t.Context(), failed))
	if counts["sign-in written"] != 306 {
		t.Error("after an hour a failure is still left out")
	}
}

func TestWordsOfLaterVersions(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	storetest.Must(t, s.Audit().Record(t.Context(), audit.Event{Kind: 77, Platform: "clio"}))
	if got := mustAudit(t, s, audit.Query{})[0].Kind.String(); got != "unknown 77" {
		t.Errorf("got %q", got)
	}
}

// The failures of one source take a tenth of the entries, so those of others are still recorded.
func TestAFloodOfOneSource(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	mustKeep(t, s, audit.KeepConfig{Alone: true})
	record := func(address string, n int) (written int) {
		t.Helper()
		ctx := crmgate.WithTrace(t.Context(), &crmgate.Trace{Source: crmgate.SourceAt(netip.MustParseAddr(address))})
		before := len(mustAudit(t, s, audit.Query{}))
		for range n {
			storetest.Must(t, s.Audit().Record(ctx, audit.Event{
				Kind: audit.EventSignIn, By: audit.ByAPIKey, Outcome: audit.OutcomeRefused, Reason: audit.ReasonNotAccepted, Platform: "clio",
			}))
		}
		return len(mustAudit(t, s, audit.Query{})) - before
	}
	if n := record("203.0.113.7", 1000); n != 30 {
		t.Errorf("an attacker's failures have %d entries, want 30", n)
	}
	if n := record("198.51.100.1", 20); n != 20 {
		t.Errorf("%d of 20 failures of another client are recorded", n)
	}
	for i := range 20 {
		record(fmt.Sprint("203.0.113.", i+10), 100)
	}
	if n := record("198.51.100.2", 20); n != 3 {
		t.Errorf("during a flood from many addresses %d failures of another client are recorded, want 3", n)
	}
	s.Clock.Add(time.Hour)
	if n := record("203.0.113.7", 1000); n != 30 {
		t.Errorf("an hour later the attacker's failures have %d entries, want 30", n)
	}
}
