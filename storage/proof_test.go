package storage_test

import (
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/storetest"
)

// signInUnproven signs a person in with an organisation's application. Nothing proves the account.
func signInUnproven(t testing.TB, s storetest.Store, key crmgate.UserKey, a crmgate.OrgApplication) (storage.Session, error) {
	t.Helper()
	app := crmgate.ApplicationKey{ClientID: a.ClientID, Account: a.Account, Generation: a.Generation}
	if a.State != crmgate.Confirmed {
		app.Entry = a.Entry
	}
	return s.SignIn(t.Context(), key, func(p *crmgate.Person) error {
		p.User.Account, p.User.Unproven = a.Account, true
		p.Grant = crmgate.Grant{RefreshToken: crmgate.NewSecret("refresh of " + a.Entry), App: app}
		return nil
	}, storage.UseApp(a.Account, key.Platform, a.Entry))
}

// enter enters an application and returns it as it is pending.
func enter(t testing.TB, s storetest.Store, a crmgate.OrgApplication) crmgate.OrgApplication {
	t.Helper()
	_, err := s.PutPendingApp(t.Context(), a)
	storetest.Must(t, err)
	return *mustApps(t, s).Pending
}

func mustApps(t testing.TB, s storetest.Store) storage.Applications {
	t.Helper()
	apps, err := s.Applications(t.Context(), "acme", "clio")
	storetest.Must(t, err)
	return apps
}

// An unproven sign-in uses a pending application, and does not confirm it. The proof confirms it.
func TestProofConfirms(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		a := enter(t, s, acme("one"))
		session, err := signInUnproven(t, s, ann, a)
		storetest.Must(t, err)
		apps := mustApps(t, s)
		if apps.Confirmed != nil || apps.Pending == nil || apps.Pending.Used.IsZero() || !apps.Pending.Expires.Equal(a.Expires) {
			t.Fatalf("after an unproven sign-in: %+v", apps)
		}
		if got := mustSession(t, s, ann); !got.Unproven || got.Ended {
			t.Errorf("the session: %+v", got)
		}
		p, err := s.Person(ctx, ann)
		storetest.Must(t, err)
		issuer, err := s.IssuingApp(ctx, "clio", p.Grant.App)
		if err != nil || issuer.ClientSecret.Reveal() != "secret of one" {
			t.Errorf("the pending application cannot refresh the grant: %+v, %v", issuer, err)
		}
		if _, err := s.IssuingApp(ctx, "clio", crmgate.ApplicationKey{Account: "acme"}); err == nil {
			t.Error("a grant that does not name the entry has a pending application")
		}

		for name, wrong := range map[string]struct {
			key     crmgate.UserKey
			session string
			account crmgate.AccountID
		}{
			"another account": {ann, session.ID, "law"}, "another session": {ann, "AAAAAAAAAAAAAAAAAAAAAA", "acme"},
			"another host": {crmgate.UserKey{Platform: "clio", Hostname: "x.example", ID: ann.ID}, session.ID, "acme"},
		} {
			t.Log(name)
			storetest.WantErr(t, s.Prove(ctx, wrong.key, wrong.session, wrong.account, true), crmgate.ErrNotFound)
		}
		if !mustSession(t, s, ann).Unproven || mustApps(t, s).Confirmed != nil {
			t.Error("a wrong proof counts")
		}

		storetest.WantErr(t, s.Prove(ctx, ann, session.ID, "acme", false), crmgate.ErrConflict)
		for range 2 { // the second proof changes nothing
			storetest.Must(t, s.Prove(ctx, ann, session.ID, "acme", true))
			apps = mustApps(t, s)
			if apps.Pending != nil || apps.Confirmed == nil || apps.Confirmed.Entry != a.Entry || !apps.Confirmed.Used.IsZero() {
				t.Fatalf("after the proof: %+v", apps)
			}
		}
		p, err = s.Person(ctx, ann)
		if got := mustSession(t, s, ann); err != nil || got.Unproven || got.Ended || got.ID != session.ID || p.User.Unproven || p.Grant.App.Entry != "" {
			t.Errorf("after the proof: %+v, %+v", got, p.User)
		}
		if issuer, err = s.IssuingApp(ctx, "clio", p.Grant.App); err != nil || issuer.State != crmgate.Confirmed {
			t.Errorf("the confirmed application cannot refresh the grant: %+v, %v", issuer, err)
		}
	})
}

// A session that has ended is not proven.
func TestEndedSessionCannotBeProven(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		session, err := signInUnproven(t, s, ann, enter(t, s, acme("one")))
		storetest.Must(t, err)
		_, err = s.EndSession(t.Context(), ann)
		storetest.Must(t, err)
		storetest.WantErr(t, s.Prove(t.Context(), ann, session.ID, "acme", true), crmgate.ErrNotFound)
		if mustApps(t, s).Confirmed != nil {
			t.Error("the application is confirmed")
		}
	})
}

// A pending application that was used ends its sessions when it goes, and its grants are revoked with its credentials.
func TestUsedApplicationGoes(t *testing.T) {
	for name, goes := range map[string]func(*testing.T, storetest.Store){
		"dropped": func(t *testing.T, s storetest.Store) {
			storetest.Must(t, s.DropPendingApps(t.Context(), "acme", []crmgate.Platform{"clio"}))
		},
		"removed":  func(t *testing.T, s storetest.Store) { storetest.Must(t, s.RemoveApps(t.Context(), "acme", "clio")) },
		"replaced": func(t *testing.T, s storetest.Store) { enter(t, s, acme("two")) },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Both(t, func(t *testing.T, s storetest.Store) {
				a := acme("one")
				a.Platform = "" // entered without one: the sign-in decides
				a = enter(t, s, a)
				session, err := signInUnproven(t, s, ann, a)
				storetest.Must(t, err)
				if got := mustApps(t, s).Pending; got == nil || got.Platform != "clio" {
					t.Fatalf("pending: %+v", got)
				}
				goes(t, s)
				if !mustSession(t, s, ann).Ended {
					t.Error("the session lives")
				}
				storetest.WantErr(t, s.Prove(t.Context(), ann, session.ID, "acme", true), crmgate.ErrNotFound)
				p, err := s.Person(t.Context(), ann)
				storetest.Must(t, err)
				issuer, err := s.IssuingApp(t.Context(), "clio", p.Grant.App)
				if err != nil || issuer.ClientSecret.Reveal() != "secret of one" {
					t.Errorf("nothing can revoke the grant: %+v, %v", issuer, err)
				}
				retired, err := s.RetiredApps(t.Context())
				if err != nil || len(retired) != 1 {
					t.Fatalf("retired: %+v, %v", retired, err)
				}
				if n, err := s.SweepRetired(t.Context(), retired[0], 10); n != 1 || err != nil {
					t.Errorf("swept %d, %v", n, err)
				}
			})
		})
	}
}

// A grant of a pending application that was forgotten is never refreshed with the credentials of the next one.
func TestForgottenApplication(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		session, err := signInUnproven(t, s, ann, enter(t, s, acme("one")))
		storetest.Must(t, err)
		p, err := s.Person(ctx, ann)
		storetest.Must(t, err)
		s.Clock.Add(storage.PendingLife + time.Second)
		if apps := mustApps(t, s); apps.Pending != nil {
			t.Errorf("an expired application is pending: %+v", apps.Pending)
		}
		_, err = s.IssuingApp(ctx, "clio", p.Grant.App)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		storetest.WantErr(t, s.Prove(ctx, ann, session.ID, "acme", true), crmgate.ErrConflict)
		next := enter(t, s, acme("two"))
		if !mustSession(t, s, ann).Ended {
			t.Error("the session of the expired application lives")
		}
		_, err = signInBy(ctx, s, crmgate.UserKey{Platform: "clio", ID: "admin"}, next)
		storetest.Must(t, err)
		issuer, err := s.IssuingApp(ctx, "clio", p.Grant.App)
		if err != nil || issuer.ClientSecret.Reveal() != "secret of one" {
			t.Errorf("the grant cannot be revoked: %+v, %v", issuer, err)
		}
	})
}

// An unproven sign-in cannot use an application that is to replace a confirmed one, nor one that is neither pending nor confirmed.
func TestUnprovenSignInCannotReplaceAnApplication(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		confirmed, err := confirm(t, s, acme("one"))
		storetest.Must(t, err)
		staged := acme("two")
		staged.State = crmgate.Staged
		staged = enter(t, s, staged)
		_, err = signInUnproven(t, s, ann, staged)
		storetest.WantErr(t, err, crmgate.ErrConflict)
		staged.Entry = "another"
		_, err = signInUnproven(t, s, ann, staged)
		storetest.WantErr(t, err, crmgate.ErrConflict)
		session, err := signInUnproven(t, s, ann, confirmed)
		storetest.Must(t, err)
		storetest.Must(t, s.Prove(t.Context(), ann, session.ID, "acme", false))
		if apps := mustApps(t, s); apps.Confirmed.Entry != confirmed.Entry || apps.Pending == nil {
			t.Errorf("%+v", apps)
		}
	})
}

// The credentials of an application that is dropped while a sign-in is under way are kept for its revocation.
func TestDroppedWhileASignInIsUnderWay(t *testing.T) {
	for name, goes := range map[string]func(*testing.T, storetest.Store){
		"dropped": func(t *testing.T, s storetest.Store) {
			storetest.Must(t, s.DropPendingApps(t.Context(), "acme", []crmgate.Platform{"clio"}))
		},
		"replaced": func(t *testing.T, s storetest.Store) { enter(t, s, acme("two")) },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Both(t, func(t *testing.T, s storetest.Store) {
				a := enter(t, s, acme("one"))
				goes(t, s)
				_, err := signInUnproven(t, s, ann, a)
				storetest.WantErr(t, err, crmgate.ErrConflict)
				key := crmgate.ApplicationKey{ClientID: a.ClientID, Account: a.Account, Generation: a.Generation, Entry: a.Entry}
				issuer, err := s.IssuingApp(t.Context(), "clio", key)
				if err != nil || issuer.ClientSecret.Reveal() != "secret of one" {
					t.Errorf("nothing can revoke the grant: %+v, %v", issuer, err)
				}
				if retired, err := s.RetiredApps(t.Context()); err != nil || len(retired) != 0 {
					t.Errorf("to be swept: %+v, %v", retired, err)
				}
				s.Clock.Add(9 * 24 * time.Hour)
				_, err = s.IssuingApp(t.Context(), "clio", key)
				storetest.WantErr(t, err, crmgate.ErrNotFound)
			})
		})
	}
}
