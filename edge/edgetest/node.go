package edgetest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// Node is a node with its own practice CRM: real store, real connectors, real HTTP. The node and the CRM share a clock.
type Node struct {
	Clock
	Person
	Edge   *edge.Node // nil while it is stopped
	CRM    *practicecrm.CRM
	CRMURL string
	*Options
	Log *Log

	t     testing.TB
	watch atomic.Pointer[func(*http.Request)]
}

// Options are the options of a node.
type Options struct {
	edge.Config
	// Settings are found by Config.Setting.
	Settings map[string]string
}

func (o *Options) setting(name string) (crmgate.Secret, bool, error) {
	v, ok := o.Settings[name]
	return crmgate.NewSecret(v), ok, nil
}

// New starts a node and closes it when the test ends. change may alter its options first.
func New(t testing.TB, change ...func(*Options)) *Node {
	t.Helper()
	n := &Node{t: t, Log: &Log{}, Person: Person{Client: NewClient(t)}}
	n.CRM = practicecrm.New(practicecrm.Config{Now: n.Now})
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if watch := n.watch.Load(); watch != nil {
			(*watch)(r)
		}
		n.CRM.ServeHTTP(w, r)
	}))
	t.Cleanup(hs.Close)
	n.CRMURL = hs.URL
	n.Options = NewOptions(t, hs.URL)
	n.Config.Now, n.Logger = n.Now, n.Log.Logger()
	for _, c := range change {
		c(n.Options)
	}
	n.Start()
	t.Cleanup(n.Stop)
	return n
}

// NewOptions returns options for the practice connectors and a practice CRM at a URL.
func NewOptions(t testing.TB, crmURL string) *Options {
	t.Helper()
	o := &Options{
		Config: edge.Config{
			Data: filepath.Join(t.TempDir(), "data"), Cache: Cache(), Connectors: Folder(t, strings.TrimPrefix(crmURL, "http://"), nil),
			GuestProcesses: 16, Strict: true, AllowEgress: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, RingCentralURL: crmURL,
			Timeout:    time.Minute, // on a slow machine
			Accept:     func(context.Context, crmgate.Platform, []string) bool { return true },
			AuditEvery: 24 * time.Hour, // at the end: a slow test must find the same entries
		},
		Settings: map[string]string{"PRACTICE_URL": crmURL, "PRACTICEKEY_URL": crmURL, "PRACTICE_CLIENT_SECRET": practicecrm.ClientSecret},
	}
	o.Setting = o.setting
	return o
}

// NewClient returns an HTTP client for one test. It does not follow redirects.
func NewClient(t testing.TB) *http.Client {
	c := &http.Client{
		Transport:     &http.Transport{},
		Timeout:       2 * time.Minute, // on a slow machine
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// Start starts the node. After Stop it uses the same address again.
func (n *Node) Start() {
	n.t.Helper()
	e, err := edge.Start(context.Background(), n.Config)
	Must(n.t, err)
	n.Edge, n.Listen, n.URL = e, e.Addr(), "http://"+e.Addr()
}

// Stop closes the node, if it runs.
func (n *Node) Stop() {
	n.t.Helper()
	if n.Edge == nil {
		return
	}
	if err := n.Edge.Close(); err != nil {
		n.t.Error(err)
	}
	n.Edge = nil
}

// WhenAsked calls f with every request to the CRM, before the CRM answers; nil ends it.
func (n *Node) WhenAsked(f func(*http.Request)) {
	if f == nil {
		n.watch.Store(nil)
		return
	}
	n.watch.Store(&f)
}

// Metrics returns the metrics of the admin listener.
func (n *Node) Metrics() string {
	w := httptest.NewRecorder()
	n.Edge.Operator().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}
