package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/authflow"
)

type serveCommand struct{ serveFlags }

// Help is what `crmgate serve --help` adds.
func (serveCommand) Help() string {
	return `Secrets come from the environment or, with _FILE behind the name, from a file that it names:

  CRMGATE_SESSION_KEY    Signs session tokens, at least 32 bytes; made once if absent.
  CRMGATE_HASH_KEY       Salts what /userInfoHash answers; made once if absent.
  CLIO_CLIENT_SECRET, …  What connectors declare in their manifests.`
}

func (c *serveCommand) Run(ctx context.Context, log *slog.Logger) error {
	s, err := start(ctx, &c.serveFlags, log)
	if err != nil {
		return err
	}
	return s.wait(ctx)
}

// server is a running server.
type server struct {
	*app
	log      *slog.Logger
	addr     string
	front    *proxy.Server
	internal []*http.Server // control socket, admin listener
	failed   chan error     // why a listener ended
}

// start opens everything and answers. The caller ends it with wait or stop.
func start(ctx context.Context, f *serveFlags, log *slog.Logger) (_ *server, err error) {
	began := time.Now()
	if err := checkPublicURL(f.PublicURL); err != nil {
		return nil, err
	}
	// The ports come before what takes time: if they are taken, nothing else needs to be opened to say so.
	l, err := listen("--listen", f.Listen)
	if err != nil {
		return nil, err
	}
	s := &server{log: log, addr: l.Addr().String(), failed: make(chan error, 3)}
	var admin net.Listener
	defer func() {
		if err == nil {
			return
		}
		l.Close()
		if admin != nil {
			admin.Close()
		}
		if s.app != nil {
			err = errors.Join(err, s.app.Close())
		}
	}()
	if f.AdminListen != "" {
		if admin, err = listen("--admin-listen", f.AdminListen); err != nil {
			return nil, err
		}
	}
	if f.PublicURL == "" { // --listen may have asked for any port
		f.Listen = s.addr
	}
	if s.app, err = openApp(ctx, f, log); err != nil {
		return nil, err
	}
	s.front, err = proxy.New(proxy.Config{
		Flows: s.flows, Manifests: s.folder.Manifests(), Debug: f.DebugHeader, Metrics: s.metrics, Logger: log, MaxConns: maxConns(),
	})
	if err != nil {
		return nil, err
	}
	control, err := controlSocket(f.socket())
	if err != nil {
		return nil, err
	}
	s.serveInternal(control, proxy.Control(authflow.Directory{DB: s.db}, proxy.Acts{Forget: s.flows.Forget, Replay: s.flows.Replay}))
	if admin != nil {
		s.serveInternal(admin, s.metrics.Operator(s.db.Ready))
	}
	s.flows.Start()
	go func() { s.failed <- s.front.Serve(l) }()
	adminAddr := ""
	if admin != nil {
		adminAddr = admin.Addr().String()
	}
	log.Info("ready", "listen", s.addr, "admin", adminAddr, "public_url", f.publicURL(), "platforms", len(s.folder.Platforms()),
		"after", time.Since(began).Round(time.Millisecond).String(), "version", version)
	return s, nil
}

func (s *server) serveInternal(l net.Listener, h http.Handler) {
	hs := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.internal = append(s.internal, hs)
	go func() { s.failed <- hs.Serve(l) }()
}

// wait runs until ctx ends or a listener fails, and stops.
func (s *server) wait(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
	case err = <-s.failed:
	}
	return errors.Join(err, s.stop())
}

// stop ends the listeners, lets requests finish, and closes the rest: listeners, workers, database, in that order.
func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	errs := []error{s.front.Shutdown(ctx)}
	for _, hs := range s.internal {
		errs = append(errs, hs.Shutdown(ctx))
	}
	return errors.Join(append(errs, s.app.Close())...)
}

// maxConns leaves the store, connectors and CRMs their share of the files that this process may open; 0 is the front's
// own limit. Go has raised the soft limit to the hard one.
func maxConns() int {
	const most, share = 16 << 10, 256
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur >= most+share {
		return 0
	}
	if files.Cur < 2*share {
		return int(files.Cur / 2)
	}
	return int(files.Cur - share)
}

// listen opens a TCP listener, and says what to do if it cannot.
func listen(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is taken by another program; choose another port, or end that program", flag, addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: this user may not listen on %s; choose a port above 1023", flag, addr)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}
