package project

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/connectortest"
)

// DevelopConfig configures Develop.
type DevelopConfig struct {
	// Node configures the node that serves the connector. Develop sets Connectors; Setting and Logger are required. Without Data,
	// the node's database is removed at the end.
	Node edge.Config
	// Practice is the address for the practice CRM. It runs if the manifest names practicecrm.Addr. Required.
	Practice string
	// Ready is called after the first round that has loaded the connector. Required.
	Ready func(Addresses)
	// Round is called after each round. Required.
	Round func(Round)
}

// Addresses are where to reach what Develop has started, as URLs.
type Addresses struct {
	Connect  string // the page where people sign in
	Redirect string // where the CRM has to send people back to; empty without OAuth
	Practice string // the practice CRM; empty if it does not run
}

// Round is what one round has shown: the sources were built, loaded and checked.
type Round struct {
	Output  string                 // of the build, if it failed
	Loaded  bool                   // the node has loaded the connector
	Err     error                  // why the connector was not loaded or checked
	Results []connectortest.Result // of the check
	Took    time.Duration
}

// settle is how long the sources have to be unchanged before they are built: an editor may write several files.
const settle = 100 * time.Millisecond

// Develop serves a project's connector on a local node until ctx ends. It begins with a round, and runs one each time that a source has
// changed. If a round fails, the node goes on with the connector of before.
func Develop(ctx context.Context, p Project, c DevelopConfig) error {
	d, err := begin(ctx, p, c.Node, c.Practice)
	if err != nil && ctx.Err() != nil { // a stop is not a failure
		return nil
	}
	if err != nil {
		return err
	}
	defer d.end()
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { d.watch(watching, c) })
	err = d.node.Wait(ctx) // it closes the node
	stop()
	watch.Wait()
	return err
}

// development is a project on a local node.
type development struct {
	Project
	config   edge.Config // of the node
	node     *edge.Node
	work     string       // a temporary folder
	practice *http.Server // nil if it does not run
	address  string       // of the practice CRM
	loading  atomic.Bool  // see nodeLog
}

// begin starts a node, which has no connector yet, and the practice CRM if the project needs it. The caller closes the node, and then
// calls end.
func begin(ctx context.Context, p Project, node edge.Config, practice string) (*development, error) {
	d := &development{Project: p, config: node}
	err := d.startPractice(practice)
	if err == nil {
		err = d.startNode(ctx)
	}
	if err != nil {
		d.end()
		return nil, err
	}
	return d, nil
}

// end removes what begin has made, apart from the node.
func (d *development) end() {
	if d.practice != nil {
		_ = d.practice.Close() // nothing is left to do
	}
	_ = os.RemoveAll(d.work) // empty if it was not made
}

// startPractice starts the practice CRM, if the manifest names its address.
func (d *development) startPractice(listen string) error {
	b, err := os.ReadFile(d.Manifest())
	if err != nil || !bytes.Contains(b, []byte(practicecrm.Addr)) {
		return err
	}
	l, err := edge.Listen("Practice", listen)
	if err != nil {
		return err
	}
	d.address = l.Addr().String()
	d.practice = &http.Server{Handler: practicecrm.New(practicecrm.Config{}), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = d.practice.Serve(l) }() // ends with end
	return nil
}

// startNode starts the node, which has no connector yet.
func (d *development) startNode(ctx context.Context) (err error) {
	if d.work, err = os.MkdirTemp("", "crmgate-dev-"); err != nil {
		return err
	}
	c := &d.config
	c.Connectors, c.Setting = filepath.Join(d.work, "connectors"), d.setting(c.Setting)
	c.Logger = slog.New(nodeLog{c.Logger.Handler(), &d.loading})
	if err := os.Mkdir(c.Connectors, 0o700); err != nil {
		return err
	}
	if c.Data == "" {
		c.Data = filepath.Join(d.work, "data")
		if err := os.Mkdir(c.Data, 0o700); err != nil {
			return err
		}
		if _, _, err := sealed.LoadKeyRing(filepath.Join(c.Data, "keyset.json")); err != nil { // the node would advise to keep a copy
			return err
		}
	}
	if c.Cache == "" {
		c.Cache = filepath.Join(c.Data, "cache")
	}
	d.node, err = edge.Start(ctx, *c)
	return err
}

// setting adds settings for the practice CRM to those of the author, which go first.
func (d *development) setting(own func(string) (crmgate.Secret, bool, error)) func(string) (crmgate.Secret, bool, error) {
	prefix := strings.ToUpper(string(d.Name)) + "_"
	practice := map[string]string{prefix + "URL": "http://" + d.address, prefix + "CLIENT_ID": practicecrm.ClientID, prefix + "CLIENT_SECRET": practicecrm.ClientSecret}
	return func(name string) (crmgate.Secret, bool, error) {
		v, ok, err := own(name)
		if instead, known := practice[name]; known && d.practice != nil && !ok && err == nil {
			return crmgate.NewSecret(instead), true, nil
		}
		return v, ok, err
	}
}

// watch runs a round now, and after each change of the sources.
func (d *development) watch(ctx context.Context, c DevelopConfig) {
	seen, ready := "", false
	round := func(print string) {
		seen = print
		r := d.round(ctx)
		if ctx.Err() != nil {
			return
		}
		c.Round(r)
		if r.Loaded && !ready {
			ready = true
			c.Ready(d.addresses())
		}
	}
	edge.FolderWatch{Folders: d.folders, Print: d.print, Settle: settle, Logger: d.config.Logger}.Run(ctx, func() string { return seen }, round)
}

func (d *development) addresses() Addresses {
	url := d.config.PublicURL
	if url == "" {
		url = "http://" + d.node.Addr()
	}
	a := Addresses{Connect: url + "/connect/" + string(d.Name)}
	if m, ok := d.node.Manifests().Platform(d.Name); ok && m.AuthType == manifest.OAuth {
		a.Redirect = url + "/redirect.html"
	}
	if d.practice != nil {
		a.Practice = "http://" + d.address
	}
	return a
}

// round builds the connector, has the node load it, and checks it.
func (d *development) round(ctx context.Context) (r Round) {
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	if r.Output, r.Err = d.Build(ctx); r.Err != nil {
		return r
	}
	if r.Err = d.load(ctx); errors.Is(r.Err, errNoFile) {
		return r
	}
	r.Loaded = r.Err == nil
	err := connectortest.Check(ctx, d.File(), d.checkConfig(), func(c connectortest.Result) { r.Results = append(r.Results, c) })
	r.Err = errors.Join(r.Err, err)
	return r
}

// checkConfig is that of a check that need not be thorough: an author waits for it.
func (d *development) checkConfig() connectortest.Config {
	return connectortest.Config{Processes: d.config.GuestProcesses, Memory: d.config.GuestMemory, CacheDir: d.config.Cache, Repeats: 2}
}

// load has the node load the connector. What the connector may do is accepted: it is the author's own.
func (d *development) load(ctx context.Context) error {
	if !exists(d.File()) {
		return errNoFile
	}
	atPractice := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(practicecrm.Addr), []byte(d.address)) }
	if d.practice == nil {
		atPractice = nil
	}
	for _, ending := range append([]string{".json"}, endings...) { // those of the round before
		if err := os.RemoveAll(filepath.Join(d.config.Connectors, string(d.Name)+ending)); err != nil {
			return err
		}
	}
	if err := wasmhost.Stage(d.File(), d.config.Connectors, atPractice); err != nil {
		return err
	}
	d.loading.Store(true)
	changed, err := d.node.Reload(ctx, d.Name)
	d.loading.Store(false)
	if err != nil {
		return err
	}
	for _, c := range changed.Platforms {
		if c.Reason != "" {
			return errors.New(c.Reason)
		}
	}
	return nil
}
