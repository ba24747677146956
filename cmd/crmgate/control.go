package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/storage/badger"
)

// controlSocket opens the unix socket that `crmgate users`, `journal` and `audit` ask. The database is locked by now, so that
// a socket which is there already was left by a server that is gone.
func controlSocket(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, advice(err, "the control socket")
	}
	l, err := net.Listen("unix", path) // until its mode is set, the umask of the process keeps others out
	if err != nil && strings.Contains(path, "/") && len(path) > 100 {
		return nil, fmt.Errorf("the control socket: the path of --data is too long for a unix socket: %w", err)
	}
	if err == nil {
		if err = os.Chmod(path, 0o600); err != nil {
			l.Close()
		}
	}
	return l, advice(err, "the control socket")
}

// ask sends a request and decodes the answer.
func ask(ctx context.Context, f *storeFlags, log *slog.Logger, method, path string, into any) error {
	return request(ctx, f, log, method, path, func(status int, body io.Reader) error { return decode(status, body, into) })
}

// follow asks for a stream of lines and hands each to line.
func follow(ctx context.Context, f *storeFlags, log *slog.Logger, path string, line func(proxy.AuditLine) error) error {
	return request(ctx, f, log, http.MethodGet, path, readLines(line))
}

func readLines(line func(proxy.AuditLine) error) func(status int, body io.Reader) error {
	return func(status int, body io.Reader) error {
		if status != http.StatusOK {
			return decode(status, body, nil)
		}
		for d := json.NewDecoder(body); ; {
			var l proxy.AuditLine
			err := d.Decode(&l)
			switch {
			case err != nil:
				return fmt.Errorf("the answer was cut off: %w", err)
			case l.Error != "":
				return errors.New(l.Error)
			case l.End:
				return nil
			}
			if err := line(l); err != nil {
				return err
			}
		}
	}
}

// request sends a request to the running server's control socket, or, if there is none, opens the store and answers it
// here. read gets the answer while it comes.
func request(ctx context.Context, f *storeFlags, log *slog.Logger, method, path string, read func(status int, body io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://crmgate"+path, nil)
	if err != nil {
		return err
	}
	var dialer net.Dialer
	client := &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: time.Minute, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", f.socket())
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return askAtRest(ctx, f, log, req, read)
	}
	if err != nil {
		return fmt.Errorf("the running server: %w", err)
	}
	defer resp.Body.Close()
	return read(resp.StatusCode, resp.Body)
}

// askAtRest answers from a store that no server has open. It makes no store: a wrong --data leaves nothing behind.
func askAtRest(ctx context.Context, f *storeFlags, log *slog.Logger, req *http.Request, read func(status int, body io.Reader) error) error {
	if empty, err := badger.Empty(f.Data); err != nil {
		return err
	} else if empty {
		return fmt.Errorf("there is no database in %s: name its folder with --data", f.Data)
	}
	a := &app{metrics: proxy.NewMetrics()}
	if err := a.openStore(ctx, f, log); err != nil {
		return errors.Join(err, a.Close())
	}
	// What tells a CRM something takes everything else.
	open := func(ctx context.Context) error {
		serve := serveFlags{storeFlags: *f, Listen: "localhost", RingCentralURL: "https://platform.ringcentral.com"}
		return a.openRest(ctx, &serve, log)
	}
	control := proxy.Control(authflow.Directory{DB: a.db}, proxy.Acts{
		Forget: func(ctx context.Context, key crmgate.UserKey) (authflow.Told, error) {
			if err := open(ctx); err != nil {
				return "", err
			}
			return a.flows.Forget(ctx, key)
		},
		Replay: func(ctx context.Context, id string, dry bool) (authflow.Replayed, error) {
			if err := open(ctx); err != nil {
				return authflow.Replayed{}, err
			}
			return a.flows.Replay(ctx, id, dry)
		},
	})
	return errors.Join(answered(control, req, read), a.Close())
}

// answered has read read what a handler answers, as that comes, and returns when both have ended.
func answered(h http.Handler, req *http.Request, read func(status int, body io.Reader) error) error {
	body, in := io.Pipe()
	w := &piped{PipeWriter: in, header: http.Header{}, status: make(chan int, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer in.Close()
		h.ServeHTTP(w, req)
		w.WriteHeader(http.StatusOK) // in case that it wrote nothing
	}()
	err := read(<-w.status, body)
	body.Close() // what is still written fails, and the handler ends
	<-done
	return err
}

// piped hands an answer on while it is written.
type piped struct {
	*io.PipeWriter
	header http.Header
	status chan int // has room for the one that counts, which is the first
}

func (p *piped) Header() http.Header { return p.header }

func (p *piped) WriteHeader(status int) {
	select {
	case p.status <- status:
	default:
	}
}

func (p *piped) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.PipeWriter.Write(b)
}

func decode(status int, body io.Reader, into any) error {
	if status == http.StatusOK {
		return json.NewDecoder(body).Decode(into)
	}
	var failed struct{ Error string }
	if err := json.NewDecoder(body).Decode(&failed); err != nil {
		return fmt.Errorf("the server answered with status %d", status)
	}
	return errors.New(failed.Error)
}
