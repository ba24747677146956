package edge_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/proxy/operator"
)

// controlled returns a client of a server that answers control requests with a handler.
func controlled(t *testing.T, h http.HandlerFunc) *edge.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge") // t.TempDir may be too long for a unix socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	hs := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	hs.Start()
	t.Cleanup(hs.Close)
	return edge.NewClient(edge.Config{Data: dir})
}

func TestTruncatedAudit(t *testing.T) {
	t.Parallel()
	c := controlled(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"entry":{"what":"sign-in"}}`)) })
	n := 0
	err := c.Audit(t.Context(), time.Time{}, "", "", func(operator.AuditEntry) error { n++; return nil })
	if err == nil || !strings.Contains(err.Error(), "cut off") || n != 1 {
		t.Errorf("%v after %d lines", err, n)
	}
}

func TestStoppedAudit(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	c := controlled(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		for {
			if _, err := w.Write([]byte(`{"entry":{"what":"sign-in"}}`)); err != nil {
				return
			}
		}
	})
	stop := errors.New("enough")
	if err := c.Audit(t.Context(), time.Time{}, "", "", func(operator.AuditEntry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want %v", err, stop)
	}
	<-ended
}
