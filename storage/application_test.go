package storage_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/storetest"
)

// signInBy signs a person in with an app, as the flows do. It confirms a pending app.
func signInBy(ctx context.Context, s storetest.Store, key crmgate.UserKey, a crmgate.OrgApplication) (storage.Session, error) {
	return s.SignIn(ctx, key, func(p *crmgate.Person) error {
		p.User.Account = a.Account
		p.Grant = crmgate.Grant{
			AccessToken: crmgate.NewSecret("access of " + a.Entry), RefreshToken: crmgate.NewSecret("refresh of " + a.Entry),
			App: crmgate.ApplicationKey{ClientID: a.ClientID, Account: a.Account, Generation: a.Generation},
		}
		return nil
	}, storage.ConfirmApp(a.Account, key.Platform, a.Entry))
}

// confirm enters an app and has the admin sign in with it.
func confirm(t testing.TB, s storetest.Store, a crmgate.OrgApplication) (crmgate.OrgApplication, error) {
	t.Helper()
	_, err := s.PutPendingApp(t.Context(), a)
	storetest.Must(t, err)
	apps, err := s.Applications(t.Context(), a.Account, a.Platform)
	storetest.Must(t, err)
	if _, err = signInBy(t.Context(), s, crmgate.UserKey{Platform: a.Platform, ID: "admin"}, *apps.Pending); err != nil {
		return a, err
	}
	apps, err = s.Applications(t.Context(), a.Account, a.Platform)
	storetest.Must(t, err)
	return *apps.Confirmed, nil
}

func acme(client string) crmgate.OrgApplication {
	return crmgate.OrgApplication{Account: "acme", Platform: "clio", By: "101", Application: crmgate.Application{
		ClientID: client, ClientSecret: crmgate.NewSecret("secret of " + client), AccessTokenURI: "https://a.example/token",
		AuthorizationURI: "https://a.example/authorize", RedirectURI: "https://r.example/redirect.html", Scopes: "read", Hostname: "a.example",
	}}
}

func TestManagedAppLifecycle(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		first, err := confirm(t, s, acme("one"))
		storetest.Must(t, err)
		if first.Generation != 0 || !reflect.DeepEqual(first.Application, acme("one").Application) || first.Entered.IsZero() || first.By != "101" {
			t.Errorf("confirmed: %+v", first)
		}
		apps, err := s.Applications(ctx, "acme", "clio")
		if err != nil || apps.Pending != nil {
			t.Errorf("a confirmed app is still pending: %+v, %v", apps.Pending, err)
		}
		admin := crmgate.UserKey{Platform: "clio", ID: "admin"}
		_, err = signInBy(ctx, s, ann, first)
		storetest.Must(t, err)
		if mustSession(t, s, ann).Ended || mustSession(t, s, admin).Ended {
			t.Error("a first app has ended a session")
		}

		// A second app is staged, tried, and replaces the first.
		next := acme("two")
		next.State = crmgate.Staged
		_, err = s.PutPendingApp(ctx, next)
		storetest.Must(t, err)
		apps, err = s.Applications(ctx, "acme", "clio")
		storetest.Must(t, err)
		if apps.Confirmed.ClientID != "one" || apps.Pending.Generation != 1 || mustSession(t, s, ann).Ended {
			t.Errorf("while it is staged: %+v", apps)
		}
		_, err = signInBy(ctx, s, admin, *apps.Pending)
		storetest.Must(t, err)
		if !mustSession(t, s, ann).Ended || mustSession(t, s, admin).Ended {
			t.Error("the sessions of the first app must end, and the session of the second must live")
		}
		old, err := s.IssuingApp(ctx, "clio", crmgate.ApplicationKey{Account: "acme", Generation: 0})
		if err != nil || old.ClientSecret.Reveal() != "secret of one" {
			t.Errorf("the credentials of the first: %+v, %v", old, err)
		}

		// The grants of the first app are removed and queued, and no others.
		retired, err := s.RetiredApps(ctx)
		if err != nil || len(retired) != 1 || retired[0].ClientID != "one" {
			t.Fatalf("retired: %+v, %v", retired, err)
		}
		n, err := s.SweepRetired(ctx, retired[0], 10)
		storetest.Must(t, err)
		again, err := s.SweepRetired(ctx, retired[0], 10)
		storetest.Must(t, err)
		swept, err := s.Person(ctx, ann)
		storetest.Must(t, err)
		kept, err := s.Person(ctx, admin)
		if err != nil || n != 1 || again != 0 || !swept.Grant.Empty() || swept.Grant.Dead != storage.AppRetired || kept.Grant.Empty() {
			t.Errorf("swept %d and %d, dead %q, %v", n, again, swept.Grant.Dead, err)
		}
		if all := mustAudit(t, s); len(all) != 1 || all[0].User != ann.ID || all[0].Kind != audit.EventLogout || all[0].By != audit.ByServer || all[0].Reason != audit.ReasonAppRetired {
			t.Errorf("audit log: %+v", all)
		}
		waiting, err := s.Revocations(ctx, "clio", 10, nil)
		if err != nil || len(waiting.Due) != 1 || waiting.Due[0].Grant.RefreshToken.Reveal() != "refresh of "+first.Entry {
			t.Errorf("queued: %+v, %v", waiting, err)
		}
		if retired, err = s.RetiredApps(ctx); err != nil || len(retired) != 0 {
			t.Errorf("still to be swept: %+v, %v", retired, err)
		}
		if _, err = s.IssuingApp(ctx, "clio", crmgate.ApplicationKey{Account: "acme", Generation: 0}); err != nil {
			t.Errorf("the queue has no credentials: %v", err)
		}
		s.Clock.Add(9 * 24 * time.Hour)
		_, err = s.IssuingApp(ctx, "clio", crmgate.ApplicationKey{Account: "acme", Generation: 0})
		storetest.WantErr(t, err, crmgate.ErrNotFound)

		// After it is removed, a third app is like a first.
		storetest.Must(t, s.RemoveApps(ctx, "acme", "clio"))
		if !mustSession(t, s, admin).Ended {
			t.Error("a session outlives its app")
		}
		third, err := confirm(t, s, acme("three"))
		if err != nil || third.Generation != 2 || mustSession(t, s, admin).Ended {
			t.Errorf("after a removal: %+v, %v", third, err)
		}
	})
}

// A sign-in confirms only the app that it tried.
func TestOnlyTheTriedAppIsConfirmed(t *testing.T) {
	admin := crmgate.UserKey{Platform: "clio", ID: "admin"}
	for name, meanwhile := range map[string]func(context.Context, storetest.Store) error{
		"another entry with the same values": func(ctx context.Context, s storetest.Store) error {
			_, err := s.PutPendingApp(ctx, acme("one"))
			return err
		},
		"dropped": func(ctx context.Context, s storetest.Store) error {
			return s.DropPendingApps(ctx, "acme", []crmgate.Platform{"clio"})
		},
		"removed": func(ctx context.Context, s storetest.Store) error { return s.RemoveApps(ctx, "acme", "clio") },
		"expired": func(_ context.Context, s storetest.Store) error {
			s.Clock.Add(storage.PendingLife)
			return nil
		},
		"another was confirmed": func(ctx context.Context, s storetest.Store) error {
			if _, err := s.PutPendingApp(ctx, acme("two")); err != nil {
				return err
			}
			apps, err := s.Applications(ctx, "acme", "clio")
			if err == nil {
				_, err = signInBy(ctx, s, ann, *apps.Pending)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Both(t, func(t *testing.T, s storetest.Store) {
				_, err := s.PutPendingApp(t.Context(), acme("one"))
				storetest.Must(t, err)
				apps, err := s.Applications(t.Context(), "acme", "clio")
				storetest.Must(t, err)
				storetest.Must(t, meanwhile(t.Context(), s))
				_, err = signInBy(t.Context(), s, admin, *apps.Pending)
				storetest.WantErr(t, err, crmgate.ErrConflict)
				if _, err := s.Person(t.Context(), admin); !errors.Is(err, crmgate.ErrNotFound) {
					t.Errorf("the person is stored: %v", err)
				}
			})
		})
	}
	t.Run("a second app that is not staged", func(t *testing.T) {
		storetest.Both(t, func(t *testing.T, s storetest.Store) {
			_, err := confirm(t, s, acme("one"))
			storetest.Must(t, err)
			_, err = s.PutPendingApp(t.Context(), acme("two"))
			storetest.Must(t, err)
			apps, err := s.Applications(t.Context(), "acme", "clio")
			storetest.Must(t, err)
			_, err = signInBy(t.Context(), s, ann, *apps.Pending)
			storetest.WantErr(t, err, crmgate.ErrConflict)
			if apps, err = s.Applications(t.Context(), "acme", "clio"); err != nil || apps.Confirmed.ClientID != "one" || mustSession(t, s, admin).Ended {
				t.Errorf("the confirmed app was changed: %+v, %v", apps.Confirmed, err)
			}
		})
	})
	t.Run("two sign-ins of one entry", func(t *testing.T) {
		storetest.Both(t, func(t *testing.T, s storetest.Store) {
			_, err := s.PutPendingApp(t.Context(), acme("one"))
			storetest.Must(t, err)
			apps, err := s.Applications(t.Context(), "acme", "clio")
			storetest.Must(t, err)
			for i := range 2 {
				_, err = signInBy(t.Context(), s, crmgate.UserKey{Platform: "clio", ID: crmgate.UserID(fmt.Sprint(i))}, *apps.Pending)
				storetest.Must(t, err)
			}
		})
	})
}

// An app that was entered without a platform belongs to the platform of the first sign-in that works, and to one account.
func TestPendingWithoutPlatform(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		a := acme("one")
		a.Platform = ""
		_, err := s.PutPendingApp(t.Context(), a)
		storetest.Must(t, err)
		for account, want := range map[crmgate.AccountID]bool{"acme": true, "other": false} {
			apps, err := s.Applications(t.Context(), account, "clio")
			if err != nil || (apps.Pending != nil) != want {
				t.Errorf("%s: %+v, %v", account, apps.Pending, err)
			}
		}
		apps, err := s.Applications(t.Context(), "acme", "clio")
		storetest.Must(t, err)
		_, err = signInBy(t.Context(), s, crmgate.UserKey{Platform: "clio", ID: "admin"}, *apps.Pending)
		storetest.Must(t, err)
		if apps, err = s.Applications(t.Context(), "acme", "clio"); err != nil || apps.Pending != nil || apps.Confirmed.Platform != "clio" {
			t.Errorf("%+v, %v", apps, err)
		}
		if apps, err = s.Applications(t.Context(), "acme", "other"); err != nil || apps.Pending != nil || apps.Confirmed != nil {
			t.Errorf("another platform has it: %+v, %v", apps, err)
		}
	})
}

// The store remembers which platform an admin named last, for ten minutes, and tells it of no other admin.
func TestPlatformNamed(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		want := func(account crmgate.AccountID, x crmgate.ExtensionID, want crmgate.Platform) {
			t.Helper()
			if p, err := s.PlatformNamed(t.Context(), account, x); err != nil || p != want {
				t.Errorf("%s/%s: got %q, %v; want %q", account, x, p, err, want)
			}
		}
		want("acme", "1", "")
		for _, p := range []crmgate.Platform{"pipedrive", "clio"} {
			storetest.Must(t, s.NamePlatform(t.Context(), "acme", "1", p))
		}
		want("acme", "1", "clio")
		want("acme", "2", "")
		want("other", "1", "")
		s.Clock.Add(10*time.Minute - time.Second)
		want("acme", "1", "clio")
		s.Clock.Add(time.Second)
		want("acme", "1", "")
	})
}

// Replacing an app costs the same for any number of sessions that it ends.
func BenchmarkRemoveApps(b *testing.B) {
	for _, people := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("%d people", people), func(b *testing.B) {
			s := storetest.New(b, b.TempDir())
			app, err := confirm(b, s, acme("one"))
			storetest.Must(b, err)
			for i := range people {
				_, err := signInBy(b.Context(), s, crmgate.UserKey{Platform: "clio", ID: crmgate.UserID(fmt.Sprint(i))}, app)
				storetest.Must(b, err)
			}
			b.ResetTimer()
			for range b.N {
				storetest.Must(b, s.RemoveApps(b.Context(), "acme", "clio"))
				b.StopTimer()
				_, err = confirm(b, s, acme("one"))
				storetest.Must(b, err)
				b.StartTimer()
			}
		})
	}
}

// Session checks during the sweep of a retired app, compared with session checks at rest.
func BenchmarkSessionDuringSweep(b *testing.B) {
	const people = 100_000
	s := storetest.New(b, b.TempDir())
	app, err := confirm(b, s, acme("one"))
	storetest.Must(b, err)
	for i := range people {
		_, err := signInBy(b.Context(), s, crmgate.UserKey{Platform: "clio", ID: crmgate.UserID(fmt.Sprint(i))}, app)
		storetest.Must(b, err)
	}
	other := crmgate.UserKey{Platform: "clio", ID: "of another organisation"}
	mustSignIn(b, s, other, keep)
	check := func(b *testing.B) {
		for range b.N {
			if _, err := s.Session(b.Context(), other); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("quiet", check)
	storetest.Must(b, s.RemoveApps(b.Context(), "acme", "clio"))
	swept := make(chan error)
	ctx, stop := context.WithCancel(b.Context())
	go func() {
		var err error
		for n := 1; n > 0 && err == nil; {
			n, err = s.SweepRetired(ctx, app, 10_000)
		}
		swept <- err
	}()
	b.Run("swept", check)
	stop()
	if err := <-swept; err == nil {
		b.Log("the sweep was over before the measurement")
	}
}
