package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/wasmhost"
)

// app is everything but the listeners, wired together.
type app struct {
	db      *storage.DB
	folder  *wasmhost.Folder
	flows   *authflow.Flows
	metrics *proxy.Metrics

	closers []func() error // in the order of opening; Close runs them backwards
}

func (a *app) Close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// openApp opens the store and the connectors. What it opened is closed again if it fails. That there are connectors is
// looked at first, so that a wrong --connectors does not leave a database and a key ring behind.
func openApp(ctx context.Context, f *serveFlags, log *slog.Logger) (_ *app, err error) {
	a := &app{metrics: proxy.NewMetrics()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := f.checkConnectors(); err != nil {
		return nil, err
	}
	if err := a.openStore(ctx, &f.storeFlags, log); err != nil {
		return nil, err
	}
	return a, a.openRest(ctx, f, log)
}

// openRest opens what stands on the store.
func (a *app) openRest(ctx context.Context, f *serveFlags, log *slog.Logger) error {
	const alone = true // Badger lets one process in: whoever wrote to the audit log before, or held a lease, is gone
	keeper, err := a.db.KeepAudit(ctx, storage.AuditConfig{Retention: time.Duration(f.AuditRetention), Alone: alone, Logger: log})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, keeper.Close)
	client, err := a.openConnectors(ctx, f, log)
	if err != nil {
		return err
	}
	tokens, err := token.New(token.Config{
		DB: a.db, Connector: a.folder.Connector, Fetch: client.Fetch, Now: f.now, Logger: log, Alone: alone,
		Observe: a.metrics.Token,
	})
	if err != nil {
		return err
	}
	a.metrics.Refreshing(tokens.Refreshing)
	a.metrics.People(authflow.Directory{DB: a.db}.Count)
	a.closers = append(a.closers, func() error { tokens.Close(); return nil })
	return a.openFlows(ctx, f, tokens, client, log)
}

func (a *app) openStore(ctx context.Context, f *storeFlags, log *slog.Logger) error {
	if err := f.checkKeyRing(); err != nil {
		return err
	}
	engine, err := badger.Open(badger.Config{Dir: f.Data, Logger: log})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, engine.Close)
	ring, created, err := storage.LoadKeyRing(f.keyset())
	if err != nil {
		return err
	}
	if created {
		log.Warn("made a key ring: whoever has it and the database can read all tokens, so keep it elsewhere (--keyset), and keep a copy", "file", f.keyset())
	}
	a.db, err = storage.Open(ctx, engine, ring, storage.Config{Now: f.now, CountAudit: a.metrics.Audit})
	return err
}

// checkKeyRing refuses a database whose key ring is missing. A new key ring would open nothing in it, and would stand where
// the old one belongs. It writes nothing.
func (s *storeFlags) checkKeyRing() error {
	if _, err := os.Stat(s.keyset()); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong with it is for LoadKeyRing to say
	}
	empty, err := badger.Empty(s.Data)
	if empty || err != nil {
		return err
	}
	return fmt.Errorf("the key ring %s is missing, and nothing else opens the database in %s: restore it from its copy, or name it with --keyset", s.keyset(), s.Data)
}

// openConnectors loads the connectors, and returns how they and this server reach others. It needs no store.
func (a *app) openConnectors(ctx context.Context, f *serveFlags, log *slog.Logger) (*egress.Client, error) {
	if err := f.checkConnectors(); err != nil {
		return nil, err
	}
	client, err := a.openEgress(&f.storeFlags)
	if err != nil {
		return nil, err
	}
	host, err := wasmhost.New(ctx, wasmhost.Config{
		CacheDir: f.cache(), Fetch: client.Fetch, Setting: f.connectorConfig, Logger: log, Observe: a.metrics.Guest,
	})
	if err != nil {
		return nil, advice(err, "the folder for compiled connectors")
	}
	a.closers = append(a.closers, host.Close)
	if a.folder, err = host.Load(ctx, f.Connectors, f.publicURL()); err != nil {
		return nil, fmt.Errorf("connectors: %w", err)
	}
	a.closers = append(a.closers, a.folder.Close)
	return client, nil
}

func (a *app) openEgress(f *storeFlags) (*egress.Client, error) {
	c := egress.Config{Allow: f.Egress, Observe: a.metrics.Egress}
	for _, s := range f.Resolve {
		r, err := egress.ParseResolve(s)
		if err != nil {
			return nil, err
		}
		c.Resolve = append(c.Resolve, r)
	}
	client, err := egress.New(c)
	if err == nil {
		a.closers = append(a.closers, func() error { client.Close(); return nil })
	}
	return client, err
}

func (a *app) openFlows(ctx context.Context, f *serveFlags, tokens *token.Engine, client *egress.Client, log *slog.Logger) error {
	session, err := a.serverKey(ctx, "CRMGATE_SESSION_KEY")
	if err != nil {
		return err
	}
	hash, err := a.serverKey(ctx, "CRMGATE_HASH_KEY")
	if err != nil {
		return err
	}
	verify, err := f.verifier(client)
	if err != nil {
		return err
	}
	a.flows, err = authflow.New(authflow.Config{
		DB: a.db, Tokens: tokens, Connectors: connector.Registry{Find: a.folder.Connector, Platforms: a.folder.Platforms}, Verify: verify,
		PublicURL: f.publicURL(), AllowedOrigins: f.AllowedOrigin,
		SessionKey: session, HashKey: hash,
		RequireAccountProof: f.AccountProof == "required", RefusePlainState: f.CompatState == "off",
		Now: f.now, Logger: log, Count: a.metrics.Flow, Waiting: a.metrics.Waiting,
	})
	if err != nil {
		return err
	}
	a.metrics.Polling(a.flows.Polling)
	a.closers = append(a.closers, func() error { a.flows.Close(); return nil })
	return nil
}

// verifier verifies clients' tokens by the file of admin tokens if there is one, else at RingCentral.
func (f *serveFlags) verifier(client *egress.Client) (identity.Verify, error) {
	if f.AdminTokenFile == "" {
		now := f.now
		if now == nil {
			now = time.Now
		}
		rc, err := identity.NewRingCentral(f.RingCentralURL, client.Fetch, now)
		if err != nil {
			return nil, err
		}
		return rc.Verify, nil
	}
	b, err := os.ReadFile(f.AdminTokenFile)
	var tokens *identity.AdminTokens
	if err == nil {
		tokens, err = identity.ParseAdminTokens(b)
	}
	if err != nil {
		return nil, fmt.Errorf("--admin-token-file %s: %w", f.AdminTokenFile, err)
	}
	return tokens.Verify, nil
}

// serverKey is the key that the operator set, or one that is made once and kept sealed in the store.
func (a *app) serverKey(ctx context.Context, name string) (crmgate.Secret, error) {
	k, ok, err := setting(name)
	if ok || err != nil {
		return k, err
	}
	b, err := a.db.MadeOnce(ctx, name, func() []byte {
		b := make([]byte, 32)
		_, _ = rand.Read(b) // never fails
		return b
	})
	return crmgate.NewSecret(string(b)), err
}

// connectorConfig is what a connector may ask for, if its manifest declares the name.
func (f *serveFlags) connectorConfig(name string) (crmgate.Secret, bool) {
	if v, ok := f.preset[name]; ok {
		return crmgate.NewSecret(v), true
	}
	v, ok, err := setting(name)
	return v, ok && err == nil
}
