package wasmhost

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/crmgate/crmgate"
)

// operations are the exports that the host calls.
var operations = []string{
	"getAuthType", "getOauthInfo", "getOverridingOAuthOption", "getBasicAuth", "getUserInfo", "authValidation", "refreshUserInfo",
	"unAuthorize", "postSaveUserInfo", "getLicenseStatus", "checkAndRefreshAccessToken", "getManagedAuthOptions",
}

// facts are what a module's content says once and for all. They are kept beside its compiled form, so that a start with
// a warm cache neither compiles nor runs anything.
type facts struct {
	AuthType crmgate.AuthType `json:"authType"`
	Exports  []string         `json:"exports"` // sorted
}

func (f facts) exports(name string) bool {
	_, ok := slices.BinarySearch(f.Exports, name)
	return ok
}

// suit holds a module to its manifest.
func (f facts) suit(m *crmgate.Manifest) error {
	if f.AuthType != m.AuthType {
		return fmt.Errorf("getAuthType answers %q, and the manifest's auth.type is %q: expected them to agree", f.AuthType, m.AuthType)
	}
	needed := map[crmgate.AuthType]string{crmgate.OAuth: "getOauthInfo", crmgate.APIKey: "getBasicAuth"}[f.AuthType]
	for _, name := range []string{needed, "getUserInfo"} {
		if !f.exports(name) {
			return fmt.Errorf("the export %s is missing: a connector of type %s needs it", name, f.AuthType)
		}
	}
	if f.exports("checkAndRefreshAccessToken") && !m.Reveals("refreshToken") {
		return errors.New(`it exports checkAndRefreshAccessToken: expected "refreshToken" in crmgate.reveal of the manifest`)
	}
	return nil
}

// examine returns a module's facts: remembered ones, or those found by compiling it to the cache and asking it.
func (h *Host) examine(ctx context.Context, m *module, b []byte) (facts, error) {
	var f facts
	path := filepath.Join(h.CacheDir, "facts-"+compiler()+"-"+hex.EncodeToString(m.sum[:]))
	if known, err := os.ReadFile(path); err == nil && json.Unmarshal(known, &f) == nil && len(f.Exports) > 0 {
		return f, nil
	}
	if err := checkBinary(b); err != nil {
		return f, err
	}
	l, err := m.load(ctx, b)
	if err != nil {
		return f, err
	}
	defer l.close()
	if err := checkShape(l.compiled); err != nil {
		return f, err
	}
	exported := l.compiled.ExportedFunctions()
	delete(exported, exportStart)
	f.Exports = slices.Sorted(maps.Keys(exported))
	ctx, cancel := context.WithTimeout(ctx, h.Deadline)
	defer cancel()
	inst, err := m.instantiate(ctx, l)
	if err != nil {
		return f, (&call{module: m, operation: "_initialize"}).stopped(ctx, err)
	}
	out, err := m.run(ctx, inst, &call{module: m, operation: "getAuthType", input: []byte("{}")})
	if err != nil {
		return f, err
	}
	var answer struct{ Type crmgate.AuthType }
	if json.Unmarshal(out, &answer) != nil || answer.Type != crmgate.OAuth && answer.Type != crmgate.APIKey {
		return f, fmt.Errorf(`getAuthType: expected {"type": "oauth"} or {"type": "apiKey"}, got %q`, cut(string(out), 80))
	}
	f.AuthType = answer.Type
	known, err := json.Marshal(f)
	if err == nil {
		err = os.WriteFile(path, known, 0o600)
	}
	if err != nil {
		h.Logger.WarnContext(ctx, "the facts of a connector could not be kept; the next start compiles it again", "err", err)
	}
	return f, nil
}

// compiler names what the cache was made by: another version compiles anew.
func compiler() string {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/tetratelabs/wazero" {
				version = d.Version
			}
		}
	}
	return version + "-" + runtime.GOARCH + "-2" // raised when what is checked here changes
}

// checkBinary tells modules from what people put in their place.
func checkBinary(b []byte) error {
	switch {
	case len(b) < 8 || !bytes.HasPrefix(b, []byte("\x00asm")):
		return errors.New("it is no WebAssembly module")
	case b[4] == 0x0d && b[6] == 1:
		return errors.New("it is a component: recompile as a core wasip1 module")
	case !bytes.Equal(b[4:8], []byte{1, 0, 0, 0}):
		return errors.New("it has a version of WebAssembly that is not known: expected 1")
	}
	return nil
}

// checkShape checks exports and imports by name and signature.
func checkShape(c wazero.CompiledModule) error {
	if _, ok := c.ExportedMemories()["memory"]; !ok {
		return errors.New("the export memory is missing")
	}
	exported := c.ExportedFunctions()
	for _, name := range operations {
		if f := exported[name]; f != nil && signature(f) != "() -> i32" {
			return fmt.Errorf("the export %s has the signature %s: expected () -> i32", name, signature(f))
		}
	}
	if exported["getAuthType"] == nil {
		return errors.New("the export getAuthType is missing")
	}
	known := hostSignatures()
	for _, f := range c.ImportedFunctions() {
		from, name, _ := f.Import()
		switch from {
		case wasi_snapshot_preview1.ModuleName:
		case abiModule:
			if want := known[name]; want == "" {
				return fmt.Errorf("it imports %s.%s, which does not exist: expected one of %s", from, name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			} else if signature(f) != want {
				return fmt.Errorf("it imports %s.%s as %s: expected %s", from, name, signature(f), want)
			}
		default:
			return fmt.Errorf("it imports %s.%s: expected imports from %s and %s only", from, name, abiModule, wasi_snapshot_preview1.ModuleName)
		}
	}
	return nil
}

func signature(f api.FunctionDefinition) string {
	return typesOf(f.ParamTypes(), f.ResultTypes())
}

func typesOf(params, results []api.ValueType) string {
	list := func(types []api.ValueType) string {
		names := make([]string, len(types))
		for i, t := range types {
			names[i] = api.ValueTypeName(t)
		}
		return strings.Join(names, ", ")
	}
	return strings.TrimSpace("(" + list(params) + ") -> " + list(results))
}
