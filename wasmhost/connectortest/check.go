package connectortest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost"
)

// publicURL stands for {publicUrl} in manifests.
const publicURL = "http://127.0.0.1:8080"

// Outcome is how a case ended.
type Outcome string

// The outcomes. A warning is no failure: people will notice what it is about.
const (
	OK      Outcome = "ok"
	Warning Outcome = "warning"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Result is one case.
type Result struct {
	Connector string  `json:"connector"` // the name of the file, without .wasm or .json
	Case      string  `json:"case"`
	Outcome   Outcome `json:"outcome"`
	// Message says what was seen.
	Message string `json:"message"`
	// Advice says what to do about it; empty if nothing.
	Advice string `json:"advice,omitempty"`
}

// Config is how to check; every field has a default.
type Config struct {
	// CacheDir keeps compiled modules; default a folder that is removed afterwards.
	CacheDir string
	// Repeats is how often each operation is called in a row; default 1000.
	Repeats int
	// Deadline bounds a call; default 3 s. The server's is longer, and no connector should need it.
	Deadline time.Duration
}

// Check checks a connector, NAME.wasm with NAME.json beside it, or only a manifest, NAME.json, and tells report of every
// case as it ends. The error is about the check itself: a file that cannot be read, a context that ended.
func Check(ctx context.Context, file string, c Config, report func(Result)) error {
	if c.Repeats == 0 {
		c.Repeats = 1000
	}
	if c.Deadline == 0 {
		c.Deadline = 3 * time.Second
	}
	base := filepath.Base(file)
	k := &check{Config: c, file: file, name: crmgate.Platform(strings.TrimSuffix(strings.TrimSuffix(base, ".wasm"), ".json")), report: report, watch: newWatch()}
	if strings.HasSuffix(base, ".json") {
		_, err := k.checkManifest(filepath.Dir(file))
		return err
	}
	if !strings.HasSuffix(base, ".wasm") {
		return fmt.Errorf("%s: expected NAME.wasm, or NAME.json for a manifest alone", file)
	}
	return k.run(ctx)
}

// check is one connector on its way through the cases.
type check struct {
	Config
	file   string
	name   crmgate.Platform
	report func(Result)

	watch      *watch
	crm        *crm
	folder     *wasmhost.Folder
	manifest   *manifest.Manifest
	operations []string // that the module exports
	own        []vectors
	golden     []vectors
}

// say reports a case.
func (k *check) say(name string, o Outcome, message, advice string) {
	k.report(Result{Connector: string(k.name), Case: name, Outcome: o, Message: message, Advice: advice})
}

func (k *check) run(ctx context.Context) (err error) {
	dir := filepath.Dir(k.file)
	if _, err := os.Stat(k.file); err != nil {
		return err
	}
	fine, err := k.checkManifest(dir)
	if err != nil {
		return err
	}
	if !fine {
		k.say("module", Skipped, "it was not looked at", "mend the manifest first: it says what the module may do")
		return nil
	}
	own := filepath.Join(dir, string(k.name)+".vectors.json")
	if k.own, err = readVectors(own); err != nil {
		k.say("vectors", Failed, err.Error(), "ABI.md, The vectors, has the format")
		return nil
	}
	if k.golden, err = goldenVectors(); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "crmgate-check")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	return k.runIn(ctx, dir, work)
}

// runIn checks the module, with a folder for what has to be written meanwhile.
func (k *check) runIn(ctx context.Context, dir, work string) (err error) {
	if k.crm, err = newCRM(); err != nil {
		return err
	}
	defer k.crm.close()
	if k.CacheDir == "" {
		k.CacheDir = filepath.Join(work, "cache")
	}
	host, err := wasmhost.New(ctx, wasmhost.Config{
		CacheDir: k.CacheDir, Fetch: k.crm.Fetch, Setting: k.watch.setting, Logger: slog.New(k.watch), Deadline: k.Deadline,
		MaxInstances: 1, // so that all calls meet the same memory
	})
	if err != nil {
		return err
	}
	defer host.Close()
	folder := filepath.Join(work, "connectors")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	if ok, err := k.load(ctx, host, dir, folder); !ok || err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.folder.Close()) }()
	k.checkOperations(ctx)
	k.checkManners()
	return ctx.Err()
}

// manifests reads the connector's manifest, and what manifest.json beside it says of the platform.
func (k *check) manifests(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range []string{string(k.name), "manifest"} {
		b, err := readFile(filepath.Join(dir, name+".json"), 4<<20)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = b
	}
	return files, nil
}

// checkManifest holds the manifest to the schema and to the server's own reading; false if something is wrong.
func (k *check) checkManifest(dir string) (fine bool, err error) {
	files, err := k.manifests(dir)
	if err != nil {
		return false, err
	}
	own := files[string(k.name)]
	if own == nil && files["manifest"] == nil {
		k.say("manifest", Failed, fmt.Sprintf("there is no %s.json beside it", k.name),
			"a connector has a manifest of its name: the hosts that it may reach stand there; start from connectors-wasm/clio/clio.json, or from insightly/insightly.json for API keys")
		return false, nil
	}
	fine = true
	if own != nil {
		faults, err := schemaFaults(string(k.name)+".json", own)
		if err != nil {
			return false, err
		}
		for _, f := range faults {
			fine = false
			k.say("manifest", Failed, f.what, f.advice)
		}
	}
	if !fine {
		return false, nil
	}
	ms, err := manifest.Parse(files, publicURL)
	if err != nil {
		f := parserFault(err)
		k.say("manifest", Failed, f.what, f.advice)
		return false, nil
	}
	for _, m := range ms.Platforms() {
		if err := wasmhost.CheckHosts(m); err != nil {
			k.say("manifest", Failed, err.Error(), "name the hosts that are the CRM's own")
			return false, nil
		}
	}
	if k.name == "manifest" {
		k.say("manifest", OK, fmt.Sprintf("fits the schema; %d platforms", len(ms.Platforms())), "")
		return true, nil
	}
	m, ok := ms.Platform(k.name)
	if !ok {
		k.say("manifest", Failed, fmt.Sprintf("neither %[1]s.json nor manifest.json describes the platform %[1]s", k.name), "name the platform as the file is named")
		return false, nil
	}
	k.manifest = m
	k.say("manifest", OK, fmt.Sprintf("fits the schema; reaches %s", reaches(m)), "")
	return true, nil
}

func reaches(m *manifest.Manifest) string {
	if len(m.Hosts) == 0 {
		return "no host"
	}
	var all []string
	for _, h := range m.Hosts {
		all = append(all, h.String())
	}
	return strings.Join(all, ", ")
}

// load takes the module in as the server does, from a folder that has this connector alone; false if the server would
// refuse it. The host reads the folder again when it brings the module in, so that it stays for as long as the check.
func (k *check) load(ctx context.Context, host *wasmhost.Host, from, to string) (bool, error) {
	files, err := k.manifests(from)
	if err != nil {
		return false, err
	}
	module, err := readFile(k.file, 16<<20)
	if err != nil {
		return false, err
	}
	err = os.WriteFile(filepath.Join(to, string(k.name)+".wasm"), module, 0o600)
	for name, b := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(to, name+".json"), b, 0o600))
	}
	if err != nil {
		return false, err
	}
	k.folder, err = host.Load(ctx, to, publicURL)
	var wrong wasmhost.Problems
	switch {
	case errors.As(err, &wrong):
		for _, p := range wrong {
			k.say(p.Part, Failed, p.What, p.Advice)
		}
		return false, nil
	case err != nil:
		k.say("manifest", Failed, err.Error(), "")
		return false, nil
	}
	k.loaded(len(module))
	return true, nil
}

// loaded tells of a module that is in order.
func (k *check) loaded(size int) {
	k.say("module", OK, fmt.Sprintf("a core module of %s, which starts", bytesText(int64(size))), "")
	conn, _ := k.folder.Connector(k.name) // it was just loaded
	for _, name := range wasmhost.Operations() {
		if conn.Implements(name) {
			k.operations = append(k.operations, name)
		}
	}
	k.say("exports", OK, strings.Join(k.operations, ", "), "")
	k.say("getAuthType", OK, string(k.manifest.AuthType)+", as the manifest says", "")
}

func bytesText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}

// checkManners tells what all the calls asked for, and what came out of them.
func (k *check) checkManners() {
	k.crm.mu.Lock()
	strange := k.crm.strange
	k.crm.mu.Unlock()
	leaks, undeclared := k.watch.found()
	k.manners("hosts", unique(strange), "it asks only for hosts that the manifest declares", "it asks for %s, which the manifest does not declare",
		"add it to crmgate.hosts if the connector should reach it; until then every such request is refused")
	k.manners("configuration", unique(undeclared), "it asks only for configuration that the manifest declares", "it asks for %s, which the manifest does not declare",
		"add it to crmgate.config; until then it is never set")
	k.manners("secrets", leaks, "none in its log, messages or additional info", "%s",
		"keep tokens, keys and passwords out of logs, messages and platformAdditionalInfo; do not repeat what the CRM says, for CRMs repeat what they were sent")
}

func (k *check) manners(name string, found []string, fine, wrong, advice string) {
	if len(found) == 0 {
		k.say(name, OK, fine, "")
		return
	}
	for _, f := range found {
		k.say(name, Failed, fmt.Sprintf(wrong, f), advice)
	}
}

func unique(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}

// readFile reads a file of at most so many bytes; a pipe or a device could go on for ever.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: expected a regular file", path)
	case info.Size() > most:
		return nil, fmt.Errorf("%s: expected at most %d MB, got %d", path, most>>20, info.Size()>>20)
	}
	return os.ReadFile(path)
}
