package wasmhost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/process"
	"github.com/crmgate/crmgate/wasmhost/quickjs"
	"github.com/crmgate/crmgate/wasmhost/typescript"
)

// A connector is a WebAssembly module, or a script in JavaScript or TypeScript. The JavaScript engine, a module that all scripts share, runs
// those.
const (
	moduleExt = ".wasm"
	scriptExt = ".js"
	typedExt  = ".ts"
)

// extensions lists the endings of a connector's file.
var extensions = []string{moduleExt, scriptExt, typedExt}

// maxScript is the maximum size of a script's file, in bytes.
const maxScript = 2 << 20

// isScript reports whether a connector's file is a script.
func isScript(path string) bool { return filepath.Ext(path) == scriptExt || isTyped(path) }

// isTyped reports whether a connector's file is a script in TypeScript.
func isTyped(path string) bool { return filepath.Ext(path) == typedExt }

// connectorName returns the name of the connector in a file; ok is false if the file is not a connector's, as one that has only types.
func connectorName(file string) (name string, ok bool) {
	ext := filepath.Ext(file)
	name = strings.TrimSuffix(file, ext)
	return name, slices.Contains(extensions, ext) && !hidden(name) && !strings.HasSuffix(file, ".d"+typedExt)
}

// ReadsFile reports whether Load reads files of a name: those of connectors, and JSON. Vectors are for crmgate check.
func ReadsFile(name string) bool {
	_, code := connectorName(name)
	_, json := jsonName(name)
	return code || json
}

func (m *module) isScript() bool { return m.interpreter != nil || isScript(m.path) }

// codeSum is the hash of the WebAssembly module that runs: the connector's own, or the JavaScript engine.
func (m *module) codeSum() [sha256.Size]byte {
	if m.isScript() {
		return m.host.engine
	}
	return m.sum
}

// code returns the WebAssembly module that runs, and the script that it loads; nil if there is none. content is that of the connector's
// file. The error is of type Problems if the file is at fault.
func (m *module) code(ctx context.Context, content []byte) ([]byte, *guest.Script, error) {
	if !m.isScript() {
		return content, nil, nil
	}
	if !utf8.Valid(content) {
		return nil, nil, Problems{{"script", filepath.Base(m.path) + " is not UTF-8 text", "save the file as UTF-8"}}
	}
	s := &guest.Script{Name: filepath.Base(m.path), Source: string(bytes.TrimPrefix(content, []byte("\uFEFF")))}
	if isTyped(m.path) {
		stripped, err := m.strip(ctx, s.Source)
		if err != nil {
			return nil, nil, err
		}
		s.Source, s.Mappings = stripped.Source, stripped.Mappings
	}
	return quickjs.Engine(), s, nil
}

// strip returns a script in TypeScript without its types, from the cache or from a process of its own. That is this process if guests run
// here.
func (m *module) strip(ctx context.Context, source string) (s typescript.Script, err error) {
	stripped, err := m.host.cached("script-"+typescript.Version, m.sum, func() ([]byte, error) {
		strip := typescript.Strip
		if m.host.Processes > 0 {
			ctx, cancel := context.WithTimeout(ctx, loadTime)
			defer cancel()
			strip = func(file, source string) (typescript.Script, error) { return process.Strip(ctx, file, source) }
		}
		s, err := strip(filepath.Base(m.path), source)
		if err != nil && !errors.Is(err, process.ErrNotStarted) && ctx.Err() == nil {
			err = Problems{{"script", err.Error(), ""}}
		}
		return encode(s), err
	})
	if err == nil {
		err = json.Unmarshal(stripped, &s)
	}
	return s, err
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
	if isTyped(m.path) {
		kind += "-" + typescript.Version
	}
	return kind
}

// env returns the configuration that a script gets with each call: all that its manifest declares, as far as it is set. It is nil for a
// module, which asks for what it needs, and for getAuthType of a script, whose answer is kept. The interpreter gets the platform's data too.
func (m *module) env(ctx context.Context, h guest.Host, c *call) []byte {
	if !m.isScript() || c.operation == "getAuthType" && m.interpreter == nil {
		return nil
	}
	set := map[string]any{}
	for _, name := range m.manifest.Config {
		if value, ok := h.Config(ctx, []byte(name)); ok {
			set[name] = value
		}
	}
	if m.interpreter != nil {
		set[dataName] = m.manifest.ForHost(c.hostname).Data
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
	code := quickjs.Engine()
	if m.host.Processes > 0 {
		ctx, cancel := context.WithTimeout(ctx, loadTime)
		defer cancel()
		folder := m.host.folder(m.codeSum())
		return m.admit(ctx, folder, process.Config{Code: code, Dir: filepath.Join(folder, isolatedFolder), Limits: m.host.limits()})
	}
	loaded, err := m.compileHere(ctx, code)
	if err != nil {
		return err
	}
	loaded.Close()
	return nil
}
