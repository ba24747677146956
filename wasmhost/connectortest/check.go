package connectortest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost"
)

// publicURL replaces {publicUrl} in manifests.
const publicURL = "http://127.0.0.1:8080"

// Outcome is the outcome of a case.
type Outcome string

// The outcomes. A warning is not a failure, but users will notice the problem.
const (
	OK      Outcome = "ok"
	Warning Outcome = "warning"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Result is the result of one case.
type Result struct {
	Connector string  `json:"connector"` // the file name without .wasm, .js or .json
	Case      string  `json:"case"`
	Outcome   Outcome `json:"outcome"`
	// Message says what happened.
	Message string `json:"message"`
	// Advice says what to do. It is empty if there is nothing to do.
	Advice string `json:"advice,omitempty"`
}

// Config configures a check. Every field has a default.
type Config struct {
	// Processes is how many processes of their own connectors can have; default 0, which runs them in this one.
	Processes int
	// Memory is how many bytes the connector may use, with its process; default a quarter of what this system has.
	Memory int64
	// CacheDir is the folder for compiled modules; default a temporary folder.
	CacheDir string
	// Repeats is how often each operation is called again with the same input; default 100.
	Repeats int
	// Deadline limits a call; default 3 s. The server's deadline is longer, but a connector should not need it.
	Deadline time.Duration
	// Progress receives a line when the connector is being compiled; default none.
	Progress *slog.Logger
}

// Check checks a connector (NAME.wasm or NAME.js, with NAME.json in the same folder; NAME.json for one without code) or only a manifest
// (NAME.json). It calls report at the end of each case. The error is about the check itself, such as an unreadable file or an ended context.
func Check(ctx context.Context, file string, c Config, report func(Result)) error {
	if c.Repeats == 0 {
		c.Repeats = 100
	}
	if c.Deadline == 0 {
		c.Deadline = 3 * time.Second
	}
	if c.Progress == nil {
		c.Progress = slog.New(slog.DiscardHandler)
	}
	base := filepath.Base(file)
	k := &check{Config: c, file: file, name: crmgate.Platform(strings.TrimSuffix(base, filepath.Ext(base))), report: report, scanner: newScanner(), reported: map[string]bool{}, misnamed: map[string]string{}}
	if strings.HasSuffix(base, ".json") {
		_, err := k.checkManifest(filepath.Dir(file))
		if err != nil || k.manifest == nil || k.manifest.Data == nil {
			return err
		}
		return k.checkConnector(ctx) // its manifest is all of it
	}
	if !slices.Contains([]string{".wasm", ".js", ".ts"}, filepath.Ext(base)) {
		return fmt.Errorf("%s: expected NAME.wasm, NAME.js, NAME.ts, or NAME.json for a manifest alone", file)
	}
	return k.run(ctx)
}

// check is the check of one connector.
type check struct {
	Config
	file   string
	name   crmgate.Platform
	report func(Result)

	scanner    *scanner
	crm        *fakeCRM
	folder     *wasmhost.Folder
	manifest   *manifest.Manifest
	operations []string // that the module exports
	own        []vectors
	golden     []vectors
	group      *group            // nil while results are reported one by one
	reported   map[string]bool   // the causes that were reported, by their ids
	misnamed   map[string]string // for each misspelt member of an answer, by operation and member: the right name
}

// add reports a case.
func (k *check) add(name string, o Outcome, message, advice string) {
	r := Result{Connector: string(k.name), Case: name, Outcome: o, Message: message, Advice: advice}
	if k.group != nil {
		k.group.results = append(k.group.results, r)
		return
	}
	k.report(r)
}

func (k *check) run(ctx context.Context) error {
	dir := filepath.Dir(k.file)
	if _, err := os.Stat(k.file); errors.Is(err, os.ErrNotExist) && filepath.Ext(k.file) == ".wasm" {
		return fmt.Errorf("%s not found: build it first", k.file)
	} else if err != nil {
		return err
	}
	ok, err := k.checkManifest(dir)
	if err != nil {
		return err
	}
	if !ok {
		k.add("module", Skipped, "not checked", "fix the manifest first: it says what the module may do")
		return nil
	}
	return k.checkConnector(ctx)
}

// checkConnector checks a connector whose manifest is right.
func (k *check) checkConnector(ctx context.Context) (err error) {
	dir := filepath.Dir(k.file)
	own := filepath.Join(dir, string(k.name)+".vectors.json")
	if k.own, err = readVectors(own); err != nil {
		k.add("vectors", Failed, err.Error(), "ABI.md, The vectors, describes the format")
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
	return k.runIn(ctx, work)
}

// runIn checks the module. work is a folder for temporary files.
func (k *check) runIn(ctx context.Context, work string) (err error) {
	if k.crm, err = newFakeCRM(); err != nil {
		return err
	}
	defer k.crm.close()
	if k.CacheDir == "" {
		k.CacheDir = filepath.Join(work, "cache")
	}
	host, err := wasmhost.New(ctx, wasmhost.Config{
		CacheDir: k.CacheDir, Processes: k.Processes, Memory: k.Memory, Fetch: k.crm.Fetch, Setting: k.scanner.setting, Deadline: k.Deadline,
		Logger: slog.New(k.scanner), Progress: k.Progress,
		MaxRunning: 1, // so that all calls use the same memory
	})
	if err != nil {
		return err
	}
	folder := filepath.Join(work, "connectors")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	if ok, err := k.load(ctx, host, folder); !ok || err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.folder.Close()) }()
	k.checkOperations(ctx)
	k.checkUsage()
	return ctx.Err()
}

// manifests reads the connector's manifest, and manifest.json in the same folder.
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

// checkManifest checks the manifest with the schema and with the server's own parser. ok is false if something is wrong.
func (k *check) checkManifest(dir string) (ok bool, err error) {
	files, err := k.manifests(dir)
	if err != nil {
		return false, err
	}
	own := files[string(k.name)]
	if own == nil && files["manifest"] == nil {
		k.add("manifest", Failed, fmt.Sprintf("%s.json not found in the same folder", k.name),
			"a connector needs a manifest of its own name, which lists the hosts that it may reach: start from connectors-wasm/clio/clio.json, or from insightly/insightly.json for API keys")
		return false, nil
	}
	ok = true
	if own != nil {
		faults, err := schemaFaults(string(k.name)+".json", own)
		if err != nil {
			return false, err
		}
		for _, f := range faults {
			ok = false
			k.add("manifest", Failed, f.what, f.advice)
		}
	}
	if !ok {
		return false, nil
	}
	ms, err := manifest.Parse(files, publicURL)
	if err != nil {
		f := parserFault(err)
		k.add("manifest", Failed, f.what, f.advice)
		return false, nil
	}
	ms = ms.Configured(k.scanner.hostSetting)
	wrong := ms.LeftOut() // of any platform in manifest.json
	for _, p := range slices.Sorted(maps.Keys(wrong)) {
		f := parserFault(wrong[p])
		k.add("manifest", Failed, f.what, f.advice)
	}
	all := ms.Platforms()
	for _, p := range slices.Sorted(maps.Keys(all)) {
		if err := wasmhost.CheckHosts(all[p]); err != nil {
			wrong[p] = err
			k.add("manifest", Failed, err.Error(), "list only hosts of the CRM")
		}
	}
	if len(wrong) > 0 {
		return false, nil
	}
	if k.name == "manifest" {
		k.add("manifest", OK, fmt.Sprintf("fits the schema; %d platforms", len(all)), "")
		for _, p := range slices.Sorted(maps.Keys(all)) {
			k.addDoubts(all[p])
		}
		return true, k.addMisspelt(own)
	}
	m, ok := ms.Platform(k.name)
	if !ok {
		k.add("manifest", Failed, fmt.Sprintf("neither %[1]s.json nor manifest.json describes the platform %[1]s", k.name), "give the platform the name of the file")
		return false, nil
	}
	k.manifest = m
	k.add("manifest", OK, fmt.Sprintf("fits the schema; reaches %s; %s", hostsText(m), m.Sees()), "")
	k.addDoubts(m)
	return true, k.addMisspelt(own)
}

// addMisspelt warns about misspelt members of a manifest, which may be empty.
func (k *check) addMisspelt(own []byte) error {
	doubts, err := misspelt(string(k.name)+".json", own)
	for _, f := range doubts {
		k.add("manifest", Warning, f.what, f.advice)
	}
	return err
}

// addDoubts warns about what the server accepts and people will notice.
func (k *check) addDoubts(m *manifest.Manifest) {
	if u, err := url.Parse(m.OAuth.AuthURL); err == nil && m.AuthType == manifest.OAuth && u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" {
		k.add("manifest", Warning, fmt.Sprintf("authUrl %q of %s is not https: people would sign in to the CRM unencrypted", m.OAuth.AuthURL, m.Platform), "write https")
	}
	if to := m.OAuth.RedirectURI; m.AuthType == manifest.OAuth && to != publicURL+"/redirect.html" && to != manifest.DefaultRedirectURI {
		k.add("manifest", Warning, fmt.Sprintf("redirectUri %q of %s is not a page of the server: people can sign in only from an application that waits there", to, m.Platform),
			"write {publicUrl}/redirect.html, so that the pages of the server can finish a sign-in")
	}
	if f := m.Page.Form; m.AuthType == manifest.APIKey && !slices.ContainsFunc(slices.Concat(f.Content, f.Managed), manifest.FormEntry.Field) {
		k.add("manifest", Warning, fmt.Sprintf("the form of %s has no fields: people cannot enter an API key", m.Platform),
			`add auth.apiKey.page.content, such as [{"const": "apiKey", "title": "API key", "type": "string", "required": true}]`)
	}
	for _, name := range m.Page.Form.Unlinked {
		k.add("manifest", Warning, fmt.Sprintf("the button %s of %s has no address: the pages of the server leave it out", name, m.Platform),
			fmt.Sprintf(`add "buttons": {%q: "https://…"} to the manifest's crmgate object`, name))
	}
}

func hostsText(m *manifest.Manifest) string {
	if len(m.Hosts) == 0 {
		return "no host"
	}
	var all []string
	for _, h := range m.Hosts {
		all = append(all, h.Declared())
	}
	return strings.Join(all, ", ")
}

// load loads the module as the server does, from a folder with only this connector. It returns false if the server would
// reject the module. The host reads the folder again when it loads the module for a call, so the folder stays until the end.
func (k *check) load(ctx context.Context, host *wasmhost.Host, to string) (bool, error) {
	if err := wasmhost.Stage(k.file, to, nil); err != nil {
		return false, err
	}
	var err error
	if k.folder, err = host.Load(ctx, to, publicURL); err == nil {
		err = k.folder.Err()
	}
	var wrong wasmhost.Problems
	switch {
	case errors.As(err, &wrong):
		for _, p := range wrong {
			k.add(p.Part, Failed, p.What, p.Advice)
		}
		return false, nil
	case err != nil:
		k.add("manifest", Failed, err.Error(), "")
		return false, nil
	}
	module, err := os.ReadFile(filepath.Join(to, filepath.Base(k.file)))
	if err != nil {
		return false, err
	}
	k.addLoaded(int64(len(module)))
	if filepath.Ext(k.file) != ".wasm" {
		k.findConfig(module)
	}
	return true, nil
}

// readsConfig finds the names that a script reads of its configuration.
var readsConfig = regexp.MustCompile(`\bprocess\.env(?:\??\.|\[['"` + "`" + `])([A-Z][A-Z0-9_]*)`)

// findConfig looks in a script for configuration that its manifest does not declare. A script does not ask the server for it: its process.env
// has no such value. A name without the platform's cannot be declared, and may be that of a bundled package.
func (k *check) findConfig(script []byte) {
	for _, m := range readsConfig.FindAllSubmatch(script, -1) {
		name := string(m[1])
		if strings.HasPrefix(name, strings.ToUpper(string(k.name))+"_") && !slices.Contains(k.manifest.Config, name) {
			k.scanner.reads(name, filepath.Base(k.file))
		}
	}
}

// addLoaded reports a module that was loaded.
func (k *check) addLoaded(size int64) {
	switch filepath.Ext(k.file) {
	case ".json":
		k.add("module", OK, "none: its manifest says all", "")
	case ".wasm":
		k.add("module", OK, fmt.Sprintf("a core module of %s, which starts", bytesText(size)), "")
	default:
		k.add("module", OK, fmt.Sprintf("a script of %s, which starts", bytesText(size)), "")
	}
	if !k.folder.Restorable(k.name) {
		k.add("instances", Warning, "the module writes tables, drops segments or has a global of a reference type: the server makes a new instance for every call, which takes longer",
			"build without threads and dynamic linking, which need such code")
	}
	conn, _ := k.folder.Connector(k.name) // it was just loaded
	for _, name := range wasmhost.Operations() {
		if conn.Implements(name) {
			k.operations = append(k.operations, name)
		}
	}
	k.add("exports", OK, strings.Join(k.operations, ", "), "")
	k.add("getAuthType", OK, string(k.manifest.AuthType)+", as in the manifest", "")
}

func bytesText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}

// checkUsage reports what the connector requested in calls of no group, and leaked secrets.
func (k *check) checkUsage() {
	all := k.causesOf("")
	k.reportCauses("", all, 0)
	for _, c := range []struct{ name, fine string }{
		{"hosts", "it requests only hosts that the manifest declares"}, {"configuration", "it reads only configuration that the manifest declares"},
	} {
		if !slices.ContainsFunc(all, func(found cause) bool { return found.name == c.name }) {
			k.add(c.name, OK, c.fine, "")
		}
	}
	leaks := k.scanner.leaked()
	for _, l := range leaks {
		k.add("secrets", Failed, l,
			"keep tokens, keys and passwords out of logs, messages and platformAdditionalInfo; do not quote the CRM's answers, which may contain what was sent")
	}
	if len(leaks) == 0 {
		k.add("secrets", OK, "none in its log, messages or additional info", "")
	}
}

// readFile reads a regular file of at most limit bytes. A pipe or a device could be endless.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: expected a regular file", path)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s: expected at most %d MB, got %d", path, limit>>20, info.Size()>>20)
	}
	return os.ReadFile(path)
}
