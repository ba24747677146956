package wasmhost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/process"
	"github.com/crmgate/crmgate/wasmhost/quickjs"
)

// A connector is a WebAssembly module, or a script that the JavaScript engine runs, which is a module that all scripts share.
const (
	moduleExt = ".wasm"
	scriptExt = ".js"
)

// maxScript is the maximum size of a script's file, in bytes.
const maxScript = 2 << 20

// isScript reports whether a connector's file is a script.
func isScript(path string) bool { return filepath.Ext(path) == scriptExt }

// connectorName returns the name of the connector in a file; ok is false if the file is not a connector's.
func connectorName(file string) (name string, ok bool) {
	name, ok = strings.CutSuffix(file, moduleExt)
	if !ok {
		name, ok = strings.CutSuffix(file, scriptExt)
	}
	return name, ok && !hidden(name)
}

func (m *module) isScript() bool { return isScript(m.path) }

// codeSum is the hash of the WebAssembly module that runs: the connector's own, or the JavaScript engine.
func (m *module) codeSum() [sha256.Size]byte {
	if m.isScript() {
		return m.host.engine
	}
	return m.sum
}

// code returns the WebAssembly module that runs, and the script that it loads; nil if there is none. content is that of the connector's
// file.
func (m *module) code(content []byte) ([]byte, *guest.Script) {
	if !m.isScript() {
		return content, nil
	}
	source := bytes.TrimPrefix(content, []byte("\uFEFF"))
	return quickjs.Engine(), &guest.Script{Name: filepath.Base(m.path), Source: string(source)}
}

// factsKind names a module's facts in the cache. Those of a script depend on what it runs in.
func (m *module) factsKind() string {
	kind := factsFile
	if m.host.Processes > 0 {
		kind = isolatedFacts
	}
	if m.isScript() {
		kind += "-" + quickjs.Version()
	}
	return kind
}

// env returns the configuration that a script gets with each call: all that its manifest declares, as far as it is set. It is nil for a
// module, which asks for what it needs, and for getAuthType, whose answer is kept.
func (m *module) env(ctx context.Context, h guest.Host, operation string) []byte {
	if !m.isScript() || operation == "getAuthType" {
		return nil
	}
	set := map[string]string{}
	for _, name := range m.manifest.Config {
		if value, ok := h.Config(ctx, []byte(name)); ok {
			set[name] = value
		}
	}
	return encode(set)
}

// withheld reports whether a script does not get a configuration value while it is loaded: it has a handle, which changes with each call.
func (m *module) withheld(name string) bool {
	_, isSecret := m.manifest.Sends[name]
	return m.manifest.Handles && isSecret
}

// envAtLoad returns the configuration that a script gets while it is loaded: null for a name that is not set. It is empty for a module.
func (m *module) envAtLoad(ctx context.Context, h guest.Host) string {
	if !m.isScript() || len(m.manifest.Config) == 0 {
		return ""
	}
	all := map[string]*string{}
	for _, name := range m.manifest.Config {
		if m.withheld(name) {
			continue
		}
		all[name] = nil
		if value, ok := h.Config(ctx, []byte(name)); ok {
			all[name] = &value
		}
	}
	return string(encode(all))
}

// exportsOf returns the operations among what a script exports, sorted.
func exportsOf(s guest.Started) (all []string) {
	for _, name := range slices.Sorted(slices.Values(operations)) {
		if slices.Contains(s.Operations, name) {
			all = append(all, name)
		}
	}
	return all
}

// inspectScript loads a script, and finds out which operations it exports.
func (m *module) inspectScript(ctx context.Context, code runner, starting *call, script *guest.Script, f *facts) error {
	if !utf8.ValidString(script.Source) {
		return Problems{{"script", "the file is not UTF-8 text", "save the file as UTF-8"}}
	}
	script.Env = m.envAtLoad(ctx, starting)
	started, err := code.Start(ctx, starting, script)
	if err != nil {
		return Problems{{"script", failureText(starting.stopReason(err)), ""}}
	}
	f.Restorable, f.Configured, f.Exports = started.Restorable, started.Configured, exportsOf(started)
	if !slices.Contains(f.Exports, "getAuthType") {
		return Problems{{"exports", "the export getAuthType is missing", scriptExportAdvice("getAuthType")}}
	}
	return nil
}

// compileEngine compiles the JavaScript engine, if one of the modules is a script and the cache does not have it. What goes wrong is
// the error of each script that is loaded.
func (h *Host) compileEngine(ctx context.Context, modules []*module) {
	for _, m := range modules {
		if !m.isScript() || m.compiled() {
			continue
		}
		began := time.Now()
		h.Progress.Info("compiling the JavaScript engine, which all connectors in JavaScript share")
		if err := m.compileCode(ctx); err != nil {
			h.Progress.Info("the JavaScript engine was not compiled", "err", err)
			return
		}
		h.Progress.Info("compiled the JavaScript engine", "took", time.Since(began).Round(time.Millisecond).String())
		return
	}
}

// compileCode compiles what a script runs in.
func (m *module) compileCode(ctx context.Context) error {
	m.host.compiling.Lock()
	defer m.host.compiling.Unlock()
	if m.compiled() {
		return nil
	}
	code, _ := m.code(nil)
	if m.host.Processes > 0 {
		ctx, cancel := context.WithTimeout(ctx, loadTime)
		defer cancel()
		folder := m.host.folder(m.codeSum())
		return m.admit(ctx, folder, process.Config{Code: code, Dir: filepath.Join(folder, isolatedFolder), Limits: m.host.limits()})
	}
	loaded, err := m.loadHere(ctx, code)
	if err != nil {
		return err
	}
	loaded.Close()
	return nil
}
