package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/proxy/session"
	"github.com/crmgate/crmgate/proxy/settings"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

// core is a node without its listeners. Each open method opens one part, and needs those above it.
type core struct {
	Config      // with defaults
	metrics     *proxy.Metrics
	db          *storage.DB
	ring        *sealed.KeyRing
	writable    func() error // whether the disk has space
	client      *egress.Client
	fetch       crmgate.Fetch     // how connectors send requests; nil for client.Fetch
	recordings  *recording.Folder // nil if failed calls are not recorded
	host        *wasmhost.Host
	served      atomic.Pointer[served]
	reloading   sync.Mutex             // one reload at a time
	loaded      atomic.Pointer[string] // the print of the folder before it was last loaded
	tokens      *token.Engine
	revocations *revoke.Worker
	sessions    *session.Sessions
	orgs        *org.Orgs
	settings    *settings.Settings
	flows       *authflow.Flows

	closers []func() error // in the order of opening
}

// newCore returns a core that has nothing open. Its configuration has defaults.
func newCore(c Config) *core {
	n := &core{metrics: proxy.NewMetrics()}
	log, l := traced{c.Logger.Handler(), n.personHash}, newLines(c.Now)
	c.Logger = slog.New(sampled{log, l})
	n.Config = c
	n.closers = []func() error{func() error { l.flush(slog.New(log)); return nil }} // at the end, after all others have logged
	return n
}

// personHash names a person in the log like "crmgate audit". It is only called with the store open: before, no line is about a
// person.
func (c *core) personHash(key crmgate.UserKey) string {
	return operator.ShortHash(c.db.Audit().HashOf(key))
}

// Close closes what was opened, the last first.
func (c *core) Close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i]())
	}
	c.closers = nil
	return errors.Join(errs...)
}

// open opens everything. The caller closes the core, also after an error. The connectors folder is looked at first, so that a
// wrong one does not leave a database and a key ring behind.
func (c *core) open(ctx context.Context) error {
	if err := c.checkConnectors(); err != nil {
		return err
	}
	if err := c.openStore(ctx); err != nil {
		return err
	}
	return c.openRest(ctx)
}

// openRest opens what needs the store.
func (c *core) openRest(ctx context.Context) error {
	const alone = true // Badger admits one process: an earlier audit writer or lease holder has ended
	keeper, err := c.db.Audit().Keep(ctx, audit.KeepConfig{Retention: c.AuditRetention, Alone: alone, Every: c.AuditEvery, Logger: c.Logger})
	if err != nil {
		return err
	}
	c.closers = append(c.closers, func() error {
		err := keeper.Close()
		if err == nil || c.writable() == nil {
			return err
		}
		c.Logger.Warn("the disk is full: the next start seals the audit log", "err", err)
		return nil
	})
	if err := c.openRecordings(); err != nil {
		return err
	}
	if err := c.openConnectors(ctx); err != nil {
		return err
	}
	folder := c.served.Load().folder
	unusable := c.checkSettings(folder, nil, folder.Platforms()...)
	c.accept(ctx, folder, nil, c.Accept)
	c.served.Store(&served{folder, unusable})
	c.reportLoaded(folder)
	if err := c.reportLeftOut(); err != nil {
		return err
	}
	c.tokens, err = token.New(token.Config{
		DB: c.db, Connector: c.connector, Fetch: c.client.Fetch, Setting: c.connectorSetting, Now: c.Now, Logger: c.Logger, Alone: alone,
		Observe: c.metrics.Token,
	})
	if err != nil {
		return err
	}
	c.metrics.Refreshing(c.tokens.Refreshing)
	c.metrics.People(operator.Directory{DB: c.db}.Count)
	c.metrics.Journal(operator.Directory{DB: c.db}.CountAnswers)
	c.metrics.Build(c.Version)
	c.closers = append(c.closers, func() error { c.tokens.Close(); return nil })
	return c.openFlows(ctx)
}

func (c *core) openStore(ctx context.Context) error {
	if err := c.checkKeyRing(); err != nil {
		return err
	}
	engine, err := badger.Open(badger.Config{Dir: c.Data, Logger: c.Logger})
	if err != nil {
		return err
	}
	c.closers = append(c.closers, engine.Close)
	c.writable = engine.Writable
	c.metrics.Disk(engine.Free)
	ring, created, err := sealed.LoadKeyRing(c.Keyset)
	if err != nil {
		return err
	}
	if created {
		c.Logger.Warn("made a key ring: anyone who has it and the database can read all tokens; move it elsewhere (--keyset) and keep a copy", "file", c.Keyset)
	}
	c.ring = ring
	c.db, err = storage.Open(ctx, engine, ring, storage.Config{Now: c.Now, CountAudit: c.metrics.Audit})
	return err
}

// checkKeyRing refuses a database without its key ring. It writes nothing.
//
// A new key ring would not open the database, and would take the place of the old one.
func (c *core) checkKeyRing() error {
	if _, err := os.Stat(c.Keyset); !errors.Is(err, fs.ErrNotExist) {
		return nil // LoadKeyRing reports other errors
	}
	empty, err := badger.Empty(c.Data)
	if empty || err != nil {
		return err
	}
	return badField("Keyset", "%s not found: it opens the database in %s; restore it, or name the right file", c.Keyset, c.Data)
}

// openConnectors loads the connectors, and makes the client by which they and this node reach others. It needs no store.
func (c *core) openConnectors(ctx context.Context) error {
	if err := c.checkConnectors(); err != nil {
		return err
	}
	if err := c.openEgress(); err != nil {
		return err
	}
	if c.fetch == nil {
		c.fetch = c.client.Fetch
	}
	var err error
	c.host, err = wasmhost.New(ctx, wasmhost.Config{
		CacheDir: c.Cache, Fetch: c.fetch, Setting: c.connectorSetting, Logger: c.Logger, Observe: c.metrics.Guest,
		Deadline: c.Timeout, Processes: c.GuestProcesses, ShareJavaScript: c.ShareJavaScript, Memory: c.GuestMemory, Recordings: c.recordings, Witness: c.Witness,
	})
	if err != nil {
		return advice(err)
	}
	c.notePrint()
	folder, err := c.host.Load(ctx, c.Connectors, c.PublicURL)
	if err != nil {
		return fmt.Errorf("connectors: %w", err)
	}
	c.served.Store(&served{folder: folder})
	c.closers = append(c.closers, func() error { return c.served.Load().folder.Close() })
	return nil
}

// reportLoaded logs the connectors that are served.
func (c *core) reportLoaded(folder *wasmhost.Folder) {
	for _, p := range folder.Platforms() {
		if _, ok := folder.Sum(p); ok { // it has a module
			c.Logger.Info("loaded a connector", "platform", p, "secrets", sees(folder, p))
		}
	}
}

// sees says in a sentence which secrets the connector of a platform sees.
func sees(folder *wasmhost.Folder, p crmgate.Platform) string {
	m, _ := folder.Manifests().Platform(p)
	return m.Sees()
}

// reportLeftOut reports the platforms that are not served: they were not loaded, or their settings cannot be read. It returns
// their errors if the configuration is strict.
func (c *core) reportLeftOut() error {
	s := c.served.Load()
	unusable := slices.Collect(maps.Values(s.unusable))
	if err := errors.Join(append(unusable, s.folder.Err())...); c.Strict && err != nil {
		return fmt.Errorf("connectors: %w", err)
	}
	for p, err := range s.folder.LeftOut() {
		c.Logger.Error(leftOutLine, "platform", p, "err", err)
	}
	c.metrics.Platforms(s.leftOut(), nil)
	return nil
}

// leftOutLine is the log line about a platform that is left out.
const leftOutLine = "left out a platform: its manifest or module is wrong, or not accepted"

// egressProxy is the setting with the URL of the proxy for outbound requests.
const egressProxy = "CRMGATE_EGRESS_PROXY"

func (c *core) openEgress() error {
	ec := egress.Config{Allow: c.AllowEgress, Timeout: c.Timeout, UserAgent: egress.UserAgent(c.Version), Observe: c.metrics.Egress}
	switch raw, ok, err := c.Setting(egressProxy); {
	case err != nil:
		return err
	case ok:
		if ec.Proxy, err = egress.ParseProxy(raw); err != nil {
			return fmt.Errorf("%s: %w", egressProxy, err)
		}
		ec.Proxy.Names = c.EgressProxyNames
		c.Logger.Info("outbound requests go through a proxy", "proxy", ec.Proxy.String(), "resolves_names", ec.Proxy.Names)
	case c.EgressProxyNames:
		return badField("EgressProxyNames", "%s names no proxy", egressProxy)
	}
	for _, s := range c.Resolve {
		r, err := egress.ParseResolve(s)
		if err != nil {
			return err
		}
		ec.Resolve = append(ec.Resolve, r)
	}
	client, err := egress.New(ec)
	if err != nil {
		return err
	}
	c.client = client
	c.closers = append(c.closers, func() error { client.Close(); return nil })
	return nil
}

func (c *core) openFlows(ctx context.Context) error {
	sessionKey, err := c.serverKey(ctx, "CRMGATE_SESSION_KEY")
	if err != nil {
		return err
	}
	hashKey, err := c.serverKey(ctx, "CRMGATE_HASH_KEY")
	if err != nil {
		return err
	}
	verify, err := c.verifier()
	if err != nil {
		return err
	}
	all := connector.Registry{Find: c.connector, Platforms: c.platforms, Hold: c.hold}
	c.revocations = revoke.New(revoke.Config{
		DB: c.db, Tokens: c.tokens, Connectors: all, Now: c.Now, Logger: c.Logger, Count: c.metrics.Flow, Waiting: c.metrics.Waiting,
	})
	c.closers = append(c.closers, func() error { c.revocations.Close(); return nil })
	c.sessions, err = session.New(session.Config{
		DB: c.db, Tokens: c.tokens, Connectors: all, Revocations: c.revocations, Key: sessionKey,
		Verify: verify, RequireAccountProof: c.RequireAccountProof,
		Now: c.Now, Logger: c.Logger, Count: c.metrics.Flow,
	})
	if err != nil {
		return err
	}
	c.orgs = org.New(org.Config{
		DB: c.db, Tokens: c.tokens, Connectors: all, Revocations: c.revocations, Verify: verify,
		Now: c.Now, Logger: c.Logger, Count: c.metrics.Flow,
	})
	c.settings = settings.New(settings.Config{DB: c.db, Verify: verify, HashKey: hashKey, Logger: c.Logger})
	c.flows, err = authflow.New(authflow.Config{
		DB: c.db, Tokens: c.tokens, Connectors: all, Sessions: c.sessions, Orgs: c.orgs, Revocations: c.revocations, Verify: verify,
		PublicURL: c.PublicURL, AllowedOrigins: c.AllowedOrigins,
		RefusePlainState: c.RefusePlainState,
		Now:              c.Now, Logger: c.Logger, Count: c.metrics.Flow, Held: c.metrics.Held,
	})
	if err != nil {
		return err
	}
	c.metrics.Polling(c.flows.Polling)
	return nil
}

// verifier verifies clients' tokens by the file of admin tokens, and at RingCentral.
func (c *core) verifier() (identity.Verify, error) {
	tokens, err := c.adminTokens()
	if err != nil {
		return nil, badField("AdminTokenFile", "%s: %w", c.AdminTokenFile, err)
	}
	var rc *identity.RingCentral
	if c.RingCentralURL == "" {
		c.Logger.Info("access tokens of RingCentral are refused: there is no URL to verify them at")
	} else if rc, err = identity.NewRingCentral(c.RingCentralURL, c.client.Fetch, c.Now); err != nil {
		return nil, err
	}
	return identity.Either(tokens, rc), nil
}

func (c *core) adminTokens() (*identity.AdminTokens, error) {
	if c.AdminTokenFile == "" {
		return &identity.AdminTokens{}, nil
	}
	b, err := os.ReadFile(c.AdminTokenFile)
	if err != nil {
		return nil, err
	}
	return identity.ParseAdminTokens(b)
}

// ready returns nil if the store can be read and written.
func (c *core) ready(ctx context.Context) error { return errors.Join(c.db.Ready(ctx), c.writable()) }

// serverKey is the key that the operator set, or one that is made once and kept sealed in the store.
func (c *core) serverKey(ctx context.Context, name string) (crmgate.Secret, error) {
	k, ok, err := c.Setting(name)
	if ok || err != nil {
		return k, err
	}
	b, err := c.db.ServerKey(ctx, name, func() []byte {
		b := make([]byte, 32)
		_, _ = rand.Read(b) // never fails
		return b
	})
	return crmgate.NewSecret(string(b)), err
}

// connectorSetting is a setting as a connector sees it: one that cannot be read is not set.
func (c *core) connectorSetting(name string) (crmgate.Secret, bool) {
	v, ok, err := c.Setting(name)
	return v, ok && err == nil
}
