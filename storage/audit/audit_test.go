package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

var signedIn = audit.Event{Kind: audit.EventSignIn, By: audit.ByOAuth, Outcome: audit.OutcomeOK}

func clio(id crmgate.UserID) crmgate.UserKey { return crmgate.UserKey{Platform: "clio", ID: id} }

// mustKeep begins to seal; only the test's own passes and full batches seal anything.
func mustKeep(t testing.TB, s store, c audit.KeepConfig) *audit.Keeper {
	t.Helper()
	c.Every, c.Logger = time.Hour, slog.New(slog.DiscardHandler)
	k, err := s.Audit().Keep(t.Context(), c)
	must(t, err)
	t.Cleanup(func() {
		err := k.Close()
		if gone := errors.Is(err, crmgate.ErrNotFound) || errors.Is(err, crmgate.ErrSealed); err != nil && !gone { // the test took it
			t.Error(err)
		}
	})
	return k
}

// signInMany signs n people in. Their ids are the prefix and a number from 0.
func signInMany(t testing.TB, s store, prefix string, n int) {
	t.Helper()
	for i := range n {
		_, err := s.SignIn(t.Context(), clio(crmgate.UserID(fmt.Sprint(prefix, i))), keep, storage.LogEvent(signedIn))
		must(t, err)
	}
}

func mustAudit(t testing.TB, s store, q audit.Query) []audit.Entry {
	t.Helper()
	var all []audit.Entry
	must(t, s.Audit().Read(t.Context(), q, func(e audit.Entry) error { all = append(all, e); return nil }))
	return all
}

// verify returns the problems and the report.
func verify(t testing.TB, s store) ([]string, audit.Report) {
	t.Helper()
	var problems []string
	r, err := s.Audit().Verify(t.Context(), func(p string) { problems = append(problems, p) })
	must(t, err)
	if r.Problems != len(problems) {
		t.Errorf("%d problems were found, and the report has %d", len(problems), r.Problems)
	}
	return problems, r
}

func wantGreen(t testing.TB, s store) audit.Report {
	t.Helper()
	problems, r := verify(t, s)
	if len(problems) > 0 {
		t.Errorf("problems: %s", strings.Join(problems, "; "))
	}
	return r
}

func TestAuditSaysWhatHappened(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		ctx, ann := t.Context(), clio("ann")
		_, err := s.SignIn(ctx, ann, func(p *crmgate.Person) error {
			p.User.Name, p.User.Account = "Ann", "acme"
			return nil
		}, storage.LogEvent(audit.Event{Kind: audit.EventSignIn, By: audit.ByOAuth, Outcome: audit.OutcomeOK, Reason: audit.ReasonUnprovenAccount}))
		must(t, err)
		s.clock.add(time.Second)
		_, err = s.UpdatePerson(ctx, ann, keep, storage.LogEvent(audit.Event{Kind: audit.EventRefresh, By: audit.ByServer, Outcome: audit.OutcomeRefused, Reason: audit.ReasonUserDead}))
		must(t, err)
		s.clock.add(time.Second)
		_, err = s.EndSession(ctx, ann, storage.LogEvent(audit.Event{Kind: audit.EventLogout, By: audit.ByPerson, Outcome: audit.OutcomeOK}))
		must(t, err)
		s.clock.add(time.Second)
		must(t, s.Audit().Record(ctx, audit.Event{Kind: audit.EventSignIn, By: audit.ByAPIKey, Outcome: audit.OutcomeError, Reason: audit.ReasonRequest, Platform: "other"}))
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
			"since": {audit.Query{Since: s.clock.now().Add(-time.Second)}, 2},
		} {
			if got := mustAudit(t, s, tt.q); len(got) != tt.want {
				t.Errorf("%s: %d entries, want %d", name, len(got), tt.want)
			}
		}
		_, err = s.DeletePerson(ctx, ann, storage.LogEvent(audit.Event{Kind: audit.EventDeletion, By: audit.ByOperator, Outcome: audit.OutcomeOK}))
		must(t, err)
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

// unlucky is an engine that runs functions twice, loses commits, and loses the results of commits.
type unlucky struct {
	storage.Engine
	mu  sync.Mutex
	rng *rand.Rand // guarded by mu
}

var errUnlucky = fmt.Errorf("the connection is lost: %w", crmgate.ErrTransient)

func (u *unlucky) Update(ctx context.Context, fn func(storage.Tx) error) error {
	u.mu.Lock()
	luck := u.rng.IntN(4)
	u.mu.Unlock()
	err := u.Engine.Update(ctx, func(tx storage.Tx) error {
		switch luck {
		case 0: // the commit is lost
			return errors.Join(fn(tx), errUnlucky)
		case 1:
			if err := fn(tx); err != nil {
				return err
			}
		}
		return fn(tx)
	})
	if luck == 2 { // the answer is
		return errors.Join(err, errUnlucky)
	}
	return err
}

// Each stored sign-in has its entry, and each entry its sign-in. After a commit with an unknown outcome, the entry is
// sealed if it is stored.
func TestEntriesMatchSignIns(t *testing.T) {
	t.Parallel()
	ring, clock := mustRing(t), newClock()
	engine := mustEngine(t, "")
	_, err := storage.Open(t.Context(), engine, ring, storage.Config{Now: clock.now}) // creates the store without failures
	must(t, err)
	db, err := storage.Open(t.Context(), &unlucky{Engine: engine, rng: rand.New(rand.NewPCG(3, 4))}, ring, storage.Config{Now: clock.now})
	must(t, err)
	s := store{DB: db, engine: engine, ring: ring, clock: clock}
	k, err := s.Audit().Keep(t.Context(), audit.KeepConfig{Every: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
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
	must(t, s.People(t.Context(), func(p crmgate.Person, _ storage.Session) error { people[p.User.Key.ID] = true; return nil }))
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

func TestAPanicDoesNotHoldUpSealing(t *testing.T) {
	t.Parallel()
	s := mustStore(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	func() {
		defer func() { _ = recover() }()
		_, _ = s.SignIn(t.Context(), clio("x"), func(*crmgate.Person) error { panic("x") }, storage.LogEvent(signedIn))
	}()
	signInMany(t, s, "a", 3)
	must(t, k.Pass(t.Context()))
	if r := wantGreen(t, s); r.Unsealed != 0 || r.Entries != 3 {
		t.Errorf("%+v", r)
	}
}

// of returns the records under a prefix.
func of(t *testing.T, s store, prefix string) []pair {
	t.Helper()
	var some []pair
	for _, p := range raw(t, s.engine) {
		if strings.HasPrefix(string(p.key), prefix) {
			some = append(some, p)
		}
	}
	return some
}

func remove(t *testing.T, s store, keys ...[]byte) {
	t.Helper()
	must(t, s.engine.Update(t.Context(), func(tx storage.Tx) error {
		var errs []error
		for _, k := range keys {
			errs = append(errs, tx.Delete(k))
		}
		return errors.Join(errs...)
	}))
}

// sealedLog is a log for tests that tamper with it: three batches of five entries, and two entries outside of batches.
type sealedLog struct {
	store
	keeper           *audit.Keeper
	entries, batches []pair
}

// reseal stores a record under another key, as an attacker with the key ring can.
func reseal(t *testing.T, s sealedLog, p pair, to []byte) {
	t.Helper()
	must(t, s.engine.Update(t.Context(), func(tx storage.Tx) error {
		r := s.ring.Records(tx, s.clock.now(), nil)
		b, err := r.Open(sealed.Kind(p.key[0]), p.key, p.value)
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
			remove(t, s.store, s.entries[7].key)
		}, []string{"entry 7 of batch 1 is missing"}},
		{"two entries are swapped", func(t *testing.T, s sealedLog) {
			write(t, s.engine, s.entries[3].key, s.entries[4].value)
			write(t, s.engine, s.entries[4].key, s.entries[3].value)
		}, []string{"entry 3 of batch 0: ", "entry 4 of batch 0: "}},
		{"a byte of an entry is changed", func(t *testing.T, s sealedLog) {
			b := bytes.Clone(s.entries[0].value)
			b[len(b)-1] ^= 1
			write(t, s.engine, s.entries[0].key, b)
		}, []string{"entry 0 of batch 0: "}},
		{"two entries are swapped with the key ring", func(t *testing.T, s sealedLog) {
			reseal(t, s, s.entries[3], s.entries[4].key)
			reseal(t, s, s.entries[4], s.entries[3].key)
		}, []string{"batch 0 does not match its entries"}},
		{"an entry is replaced with the key ring", func(t *testing.T, s sealedLog) {
			reseal(t, s, s.entries[16], s.entries[12].key)
		}, []string{"batch 2 does not match its entries"}},
		{"an entry is added", func(t *testing.T, s sealedLog) {
			key := bytes.Clone(s.entries[0].key)
			key[len(key)-2] = 1 // number 256, on a chain that is closed
			must(t, s.keeper.Close())
			reseal(t, s, s.entries[0], key)
		}, []string{"entry 256 is in no batch"}},
		{"a batch is deleted", func(t *testing.T, s sealedLog) {
			remove(t, s.store, s.batches[1].key)
		}, []string{"batches 1 to 1 are missing"}},
		{"a batch is deleted with its entries", func(t *testing.T, s sealedLog) {
			remove(t, s.store, s.batches[1].key, s.entries[5].key, s.entries[6].key, s.entries[7].key, s.entries[8].key, s.entries[9].key)
		}, []string{"batches 1 to 1 are missing"}},
		{"the first batch is deleted with its entries", func(t *testing.T, s sealedLog) {
			remove(t, s.store, s.batches[0].key, s.entries[0].key, s.entries[1].key, s.entries[2].key, s.entries[3].key, s.entries[4].key)
		}, []string{"batches 0 to 0 are missing"}},
		{"the end is cut off", func(t *testing.T, s sealedLog) {
			remove(t, s.store, s.batches[2].key, s.entries[10].key, s.entries[11].key, s.entries[12].key, s.entries[13].key, s.entries[14].key)
		}, []string{"batches 2 to 2 are missing, at the end of the chain"}},
		{"two batches are swapped", func(t *testing.T, s sealedLog) {
			write(t, s.engine, s.batches[0].key, s.batches[1].value)
			write(t, s.engine, s.batches[1].key, s.batches[0].value)
		}, []string{"batch 0: ", "batch 1: "}},
		{"two batches are swapped with the key ring", func(t *testing.T, s sealedLog) {
			reseal(t, s, s.batches[0], s.batches[1].key)
			reseal(t, s, s.batches[1], s.batches[0].key)
		}, []string{"batch 0 does not follow", "batch 0 does not match its entries", "batch 1 does not follow", "batch 1 does not match its entries", "batch 2 does not follow"}},
		{"the node's record is deleted", func(t *testing.T, s sealedLog) {
			remove(t, s.store, of(t, s.store, "o/")[0].key)
		}, []string{"there is no record of the node"}},
		{"the node's record is cut", func(t *testing.T, s sealedLog) {
			n := of(t, s.store, "o/")[0]
			write(t, s.engine, n.key, n.value[:20])
		}, []string{"the node's record: ", "there is no record of the node"}},
		{"an entry that was acknowledged is deleted before it is sealed", func(t *testing.T, s sealedLog) {
			remove(t, s.store, s.entries[15].key)
			must(t, s.keeper.Pass(t.Context()))
		}, []string{"entry 15 of batch 3 is missing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sealedLog{store: mustStore(t, "")}
			s.keeper = mustKeep(t, s.store, audit.KeepConfig{Alone: true})
			for i := range 3 {
				signInMany(t, s.store, fmt.Sprint("p", i, "-"), 5)
				must(t, s.keeper.Pass(t.Context()))
			}
			signInMany(t, s.store, "q", 2)
			s.entries, s.batches = of(t, s.store, "a/"), of(t, s.store, "b/")
			if len(s.entries) != 17 || len(s.batches) != 3 {
				t.Fatalf("%d entries, %d batches", len(s.entries), len(s.batches))
			}
			tt.tamper(t, s)
			got, r := verify(t, s.store)
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
	s := mustStore(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	signInMany(t, s, "a", 3)
	must(t, k.Pass(t.Context()))
	remove(t, s, of(t, s, "o/")[0].key)
	signInMany(t, s, "b", 3)
	wantErr(t, k.Pass(t.Context()), crmgate.ErrNotFound)
	signInMany(t, s, "c", 3)
	must(t, k.Pass(t.Context()))
	got, r := verify(t, s)
	if len(got) != 1 || !strings.Contains(got[0], "there is no record of the node") || r.Batches != 2 || r.Entries != 9 {
		t.Errorf("%q, %+v", got, r)
	}
}

func another(t *testing.T, s store) store {
	t.Helper()
	db, err := storage.Open(t.Context(), s.engine, s.ring, storage.Config{Now: s.clock.now})
	must(t, err)
	s.DB = db
	return s
}

func TestTwoNodes(t *testing.T) {
	both(t, func(t *testing.T, a store) {
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
			must(t, err)
			a.clock.add(time.Second)
			if i%40 == 39 {
				must(t, errors.Join(ka.Pass(t.Context()), kb.Pass(t.Context())))
			}
		}
		must(t, errors.Join(ka.Pass(t.Context()), kb.Pass(t.Context())))
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
		if got := mustAudit(t, b, audit.Query{Since: a.clock.now().Add(-20 * time.Second)}); len(got) != 20 {
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
			a := mustStore(t, "")
			ka := mustKeep(t, a, audit.KeepConfig{Alone: true})
			signInMany(t, a, "a", 3)
			must(t, ka.Pass(t.Context()))
			signInMany(t, a, "b", 300) // more than a batch; the loop may have sealed some
			b := another(t, a)
			kb := mustKeep(t, b, audit.KeepConfig{Alone: alone})
			unsealed := wantGreen(t, b).Unsealed
			if alone != (unsealed == 0) {
				t.Errorf("%d are not sealed", unsealed)
			}
			a.clock.add(11 * time.Minute)
			must(t, kb.Pass(t.Context()))
			if r := wantGreen(t, b); r.Unsealed != 0 || r.Entries != 303 {
				t.Errorf("%+v", r)
			}
			signInMany(t, a, "c", 3)
			must(t, ka.Pass(t.Context()))
			if r := wantGreen(t, b); r.Unsealed != 0 || r.Entries != 306 || r.Nodes != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A process that only runs a command has no keeper.
func TestEntriesWithoutAKeeper(t *testing.T) {
	t.Parallel()
	a := mustStore(t, "")
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
	s := mustStore(t, "")
	before := len(raw(t, s.engine))
	must(t, mustKeep(t, s, audit.KeepConfig{Alone: true, Retention: time.Hour}).Close())
	wantGreen(t, s)
	if got := mustAudit(t, s, audit.Query{}); len(got) != 0 {
		t.Error(got)
	}
	if after := len(raw(t, s.engine)); after != before {
		t.Errorf("%d records became %d", before, after)
	}
}

func TestFullBatchesAreSealedAtOnce(t *testing.T) {
	t.Parallel()
	s := mustStore(t, "")
	mustKeep(t, s, audit.KeepConfig{Alone: true})
	signInMany(t, s, "a", 256)
	for wantGreen(t, s).Batches == 0 {
		if t.Context().Err() != nil {
			t.Fatal("nothing was sealed")
		}
	}
}

func TestAuditRetention(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		const day = 24 * time.Hour
		old := another(t, s)
		kold := mustKeep(t, old, audit.KeepConfig{Alone: true})
		signInMany(t, old, "gone", 2)
		must(t, kold.Close())
		k := mustKeep(t, s, audit.KeepConfig{Alone: true, Retention: 35 * day})
		for i := range 4 {
			signInMany(t, s, fmt.Sprint("d", i, "-"), 3)
			must(t, k.Pass(t.Context()))
			s.clock.add(10 * day)
		}
		for i, want := range []audit.Report{
			{Nodes: 1, Batches: 3, Entries: 9}, // 40 days: the first batch and all of the old node
			{Nodes: 1, Batches: 2, Entries: 6}, {Nodes: 1, Batches: 1, Entries: 3}, {Nodes: 1},
		} {
			s.clock.add(time.Minute)
			must(t, k.Pass(t.Context()))
			if r := wantGreen(t, s); r != want {
				t.Errorf("pass %d: got %+v, want %+v", i, r, want)
			}
			if got := mustAudit(t, s, audit.Query{}); len(got) != want.Entries {
				t.Errorf("pass %d: %d entries are shown, want %d", i, len(got), want.Entries)
			}
			s.clock.add(10 * day)
		}
		signInMany(t, s, "again", 2)
		must(t, k.Pass(t.Context()))
		if r := wantGreen(t, s); r.Batches != 1 || r.Entries != 2 {
			t.Errorf("%+v", r)
		}
		remove(t, s, of(t, s, "b/")[0].key)
		if got, _ := verify(t, s); len(got) == 0 {
			t.Error("after old batches were dropped, a missing batch is not found")
		}
	})
}

func TestWithoutRetentionAllIsKept(t *testing.T) {
	t.Parallel()
	s := mustStore(t, "")
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	signInMany(t, s, "a", 3)
	s.clock.add(10 * 365 * 24 * time.Hour)
	must(t, k.Pass(t.Context()))
	s.clock.add(time.Hour)
	must(t, k.Pass(t.Context()))
	if r := wantGreen(t, s); r.Entries != 3 {
		t.Errorf("%+v", r)
	}
}

func TestDeletionKeepsTheChain(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		k := mustKeep(t, s, audit.KeepConfig{Alone: true})
		signInMany(t, s, "a", 10)
		must(t, k.Pass(t.Context()))
		for i := range 10 {
			_, err := s.DeletePerson(t.Context(), clio(crmgate.UserID(fmt.Sprint("a", i))), storage.LogEvent(audit.Event{Kind: audit.EventDeletion, By: audit.ByOperator, Outcome: audit.OutcomeOK}))
			must(t, err)
		}
		must(t, k.Pass(t.Context()))
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

// Ten thousand failures leave a hundred entries, and one with the number of the others. They do not affect another platform
// or sign-ins that work.
func TestAFloodIsBounded(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	s := mustStore(t, "")
	db, err := storage.Open(t.Context(), s.engine, s.ring, storage.Config{Now: s.clock.now, CountAudit: func(kind, outcome string) { counts[kind+" "+outcome]++ }})
	must(t, err)
	s.DB = db
	k := mustKeep(t, s, audit.KeepConfig{Alone: true})
	failed := audit.Event{Kind: audit.EventSignIn, By: audit.ByAPIKey, Outcome: audit.OutcomeRefused, Reason: audit.ReasonNotAccepted, Platform: "clio"}
	for range 10_000 {
		must(t, s.Audit().Record(t.Context(), failed))
	}
	other := failed
	other.Platform = "other"
	must(t, s.Audit().Record(t.Context(), other))
	signInMany(t, s, "a", 3)
	must(t, k.Pass(t.Context()))
	must(t, k.Pass(t.Context()))
	if want := map[string]int{"sign-in written": 105, "sign-in left out": 9900}; fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", counts, want)
	}
	all := mustAudit(t, s, audit.Query{})
	if last := all[len(all)-1]; len(all) != 105 || last.Kind != audit.EventSignIn || last.Outcome != audit.OutcomeLeftOut || last.Count != 9900 || last.Platform != "clio" {
		t.Errorf("%d entries, the last is %+v", len(all), last)
	}
	s.clock.add(time.Hour)
	must(t, s.Audit().Record(t.Context(), failed))
	if counts["sign-in written"] != 106 {
		t.Error("after an hour a failure is still left out")
	}
}

func TestWordsOfLaterVersions(t *testing.T) {
	t.Parallel()
	s := mustStore(t, "")
	must(t, s.Audit().Record(t.Context(), audit.Event{Kind: 77, Platform: "clio"}))
	if got := mustAudit(t, s, audit.Query{})[0].Kind.String(); got != "unknown 77" {
		t.Errorf("got %q", got)
	}
}
