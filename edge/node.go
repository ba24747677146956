package edge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/storage"
)

// Node is a running node. It owns its listeners, store, guests and workers. The caller of Start owns the node, and ends it
// once, with Wait or Close. The other methods are safe for concurrent use.
type Node struct {
	core                  *core
	front, admin, control net.Listener // admin is nil if there is none
	server                *proxy.Server
	internal              []*http.Server // of admin and control
	failed                chan error     // has room for the end of every listener
	stopWatch             func()         // ends the watch of the folder, and waits for it; does nothing if there is none
}

// Start opens everything and answers requests. ctx is for opening only. An error that is about one field of the
// configuration is a ConfigError; whatever the error, nothing stays open.
func Start(ctx context.Context, config Config) (*Node, error) {
	began := time.Now()
	c := newCore(config.withDefaults())
	n := &Node{core: c, failed: make(chan error, 3), stopWatch: func() {}}
	if err := n.open(ctx); err != nil {
		if closing := n.abandon(); closing != nil {
			err = errors.Join(err, closing)
		}
		return nil, err
	}
	n.serve()
	c.Logger.Info("ready", "listen", n.Addr(), "admin", n.AdminAddr(), "public_url", c.PublicURL, "platforms", len(c.served.Load().folder.Platforms()),
		"after", time.Since(began).Round(time.Millisecond).String(), "version", c.Version)
	return n, nil
}

// open opens the ports first: if they are taken, nothing else needs to be opened.
func (n *Node) open(ctx context.Context) (err error) {
	c := n.core
	if err := c.check(); err != nil {
		return err
	}
	if n.front, err = Listen("Listen", c.Listen); err != nil {
		return err
	}
	if c.AdminListen != "" {
		if n.admin, err = Listen("AdminListen", c.AdminListen); err != nil {
			return err
		}
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + n.Addr()
	}
	if err := c.open(ctx); err != nil {
		return err
	}
	n.server, err = proxy.New(proxy.Config{
		Flows: c.flows, Sessions: c.sessions, Orgs: c.orgs, Settings: c.settings, Manifests: c.manifests, Debug: c.Debug, Metrics: c.metrics, Logger: c.Logger, MaxConns: maxConns(),
		TrustedProxies: c.TrustedProxies, HideIndex: c.HideIndex,
	})
	if err == nil {
		n.control, err = controlSocket(c.socket())
	}
	return err
}

// abandon closes what open opened.
func (n *Node) abandon() error {
	for _, l := range []net.Listener{n.front, n.admin, n.control} {
		if l != nil {
			l.Close()
		}
	}
	return n.core.Close()
}

func (n *Node) serve() {
	n.serveInternal(n.control, proxy.Control(n.Directory(), proxy.Acts{
		Forget: n.core.forget, Replay: n.core.replay, Retried: n.core.revocations.Changed, Reload: n.core.reload, Connectors: n.core.connectors,
	}))
	if n.admin != nil {
		n.serveInternal(n.admin, n.Operator())
	}
	n.core.revocations.Start()
	if n.core.Watch {
		n.watch()
	}
	go func() { n.failed <- n.server.Serve(n.front) }() // ends with Close
}

// watch watches the folder of connectors, until stopWatch.
func (n *Node) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { n.core.watchFolder(ctx, n.core.folderWatch()) })
	n.stopWatch = func() { cancel(); running.Wait() }
}

func (n *Node) serveInternal(l net.Listener, h http.Handler) {
	hs := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(n.core.Logger.Handler(), slog.LevelDebug)}
	n.internal = append(n.internal, hs)
	go func() { n.failed <- hs.Serve(l) }() // ends with Close
}

// Wait runs until ctx ends or a listener fails, and closes the node.
func (n *Node) Wait(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
		n.core.Logger.Info("stopping")
	case err = <-n.failed:
	}
	return errors.Join(err, n.Close())
}

// Close ends the listeners, lets requests finish for up to 10 s, and closes the rest: workers, guests, database.
func (n *Node) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n.stopWatch()
	errs := []error{n.server.Shutdown(ctx)}
	for _, hs := range n.internal {
		errs = append(errs, hs.Shutdown(ctx))
	}
	return errors.Join(append(errs, n.core.Close())...)
}

// Addr is the address that clients reach.
func (n *Node) Addr() string { return n.front.Addr().String() }

// AdminAddr is the address of the admin listener; empty if there is none.
func (n *Node) AdminAddr() string {
	if n.admin == nil {
		return ""
	}
	return n.admin.Addr().String()
}

// Operator answers what the admin listener answers: /metrics, /healthz and /readyz.
func (n *Node) Operator() http.Handler { return n.core.metrics.Operator(n.core.ready) }

// Directory shows who has signed in, the kept token answers, and the audit log.
func (n *Node) Directory() operator.Directory { return operator.Directory{DB: n.core.db} }

// Manifests returns the manifests that are served now.
func (n *Node) Manifests() *manifest.Set { return n.core.manifests() }

// DB is the node's store, open until Close.
func (n *Node) DB() *storage.DB { return n.core.db }
