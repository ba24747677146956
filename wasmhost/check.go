package wasmhost

import (
	"context"
	"encoding/hex"
	"encoding/json"
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

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/meter"
)

// operations are the exports that the host calls.
var operations = []string{
	"getAuthType", "getOauthInfo", "getOverridingOAuthOption", "getBasicAuth", "getUserInfo", "authValidation", "refreshUserInfo",
	"unAuthorize", "postSaveUserInfo", "getLicenseStatus", "checkAndRefreshAccessToken", "getManagedAuthOptions",
}

// facts are what a module's content says once and for all. They are kept beside its compiled form, so that a start with
// a warm cache neither compiles nor runs anything.
type facts struct {
	AuthType manifest.AuthType `json:"authType"`
	Exports  []string          `json:"exports"` // sorted
}

func (f facts) exports(name string) bool {
	_, ok := slices.BinarySearch(f.Exports, name)
	return ok
}

// suit holds a module to its manifest.
func (f facts) checkManifest(m *manifest.Manifest) Problems {
	var all Problems
	if f.AuthType != m.AuthType {
		all.add(Problem{"getAuthType", fmt.Sprintf("getAuthType answers %q, and the manifest's auth.type is %q: expected them to agree", f.AuthType, m.AuthType), ""})
	}
	needed := map[manifest.AuthType]string{manifest.OAuth: "getOauthInfo", manifest.APIKey: "getBasicAuth"}[f.AuthType]
	for _, name := range []string{needed, "getUserInfo"} {
		if !f.exports(name) {
			all.add(Problem{"exports", fmt.Sprintf("the export %s is missing: a connector of type %s needs it", name, f.AuthType), exportAdvice(name, f.Exports)})
		}
	}
	if f.exports("checkAndRefreshAccessToken") && !m.Reveals("refreshToken") {
		all.add(Problem{"manifest", `it exports checkAndRefreshAccessToken: expected "refreshToken" in crmgate.reveal of the manifest`,
			`add "reveal": ["refreshToken"] to the manifest's crmgate object, or leave the export out: then the standard refresh is done`})
	}
	return all
}

// examine returns a module's facts: remembered ones, or those found by inspecting it.
func (h *Host) factsOf(ctx context.Context, m *module, b []byte) (facts, error) {
	var f facts
	path := filepath.Join(h.CacheDir, "facts-"+cacheVersion()+"-"+hex.EncodeToString(m.sum[:]))
	if known, err := os.ReadFile(path); err == nil && json.Unmarshal(known, &f) == nil && len(f.Exports) > 0 {
		return f, nil
	}
	f, err := h.inspect(ctx, m, b)
	if err != nil {
		return f, err
	}
	known, err := json.Marshal(f)
	if err == nil {
		err = os.WriteFile(path, known, 0o600)
	}
	if err != nil {
		h.Logger.WarnContext(ctx, "the facts of a connector could not be kept; the next start compiles it again", "err", err)
	}
	return f, nil
}

// inspect compiles a module to the cache, looks at what it exports and imports, starts it, and asks its type. What is
// wrong with it is of type Problems; it goes as far as the module lets it.
func (h *Host) inspect(ctx context.Context, m *module, b []byte) (facts, error) {
	var f facts
	l, err := m.load(ctx, b)
	if err != nil {
		return f, Problems{{"module", err.Error(), moduleAdvice(b)}}
	}
	defer l.close()
	exported := l.compiled.ExportedFunctions()
	delete(exported, meter.StartExport)
	f.Exports = slices.Sorted(maps.Keys(exported))
	if wrong := checkShape(l, f.Exports); len(wrong) > 0 {
		return f, wrong
	}
	ctx, cancel := context.WithTimeout(ctx, h.Deadline)
	defer cancel()
	inst, err := m.instantiate(ctx, l)
	if err != nil {
		err = (&call{module: m, operation: "_initialize"}).stopReason(ctx, err)
		return f, Problems{{"start", failureText(err), adviceUnlessCommand("what a module does when it starts, before any operation is called, must end soon and not trap", f.Exports)}}
	}
	out, err := m.run(ctx, inst, &call{module: m, operation: "getAuthType", input: []byte("{}")})
	if err != nil {
		return f, Problems{{"getAuthType", failureText(err), adviceUnlessCommand(authTypeAdvice, f.Exports)}}
	}
	answer, err := decode[authTypeOut](out)
	if err != nil {
		return f, Problems{{"getAuthType", fmt.Sprintf(`getAuthType: expected {"type": "oauth"} or {"type": "apiKey"}, got %q`, truncate(string(out), 80)), authTypeAdvice}}
	}
	f.AuthType = answer.Type
	return f, nil
}

// compiler names what the cache was made by: another version compiles anew.
func cacheVersion() string {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/tetratelabs/wazero" {
				version = d.Version
			}
		}
	}
	return version + "-" + runtime.GOARCH + "-3" // raised when what is checked here changes
}

// checkShape checks exports and imports by name and signature. exports are the names of the exported functions, sorted.
func checkShape(l *loadedModule, exports []string) Problems {
	var all Problems
	if _, ok := l.compiled.ExportedMemories()["memory"]; !ok {
		all.add(Problem{"exports", "the export memory is missing", "export the module's memory under the name memory (C: leave out -Wl,--no-export-memory; WAT: (memory (export \"memory\") 2))"})
	}
	exported := l.compiled.ExportedFunctions()
	for _, name := range operations {
		if f := exported[name]; f != nil && signature(f) != "() -> i32" {
			all.add(Problem{"exports", fmt.Sprintf("the export %s has the signature %s: expected () -> i32", name, signature(f)),
				"an operation takes nothing and returns an i32: it reads its request with input, leaves its answer with output, and returns 0"})
		}
	}
	if exported["getAuthType"] == nil {
		all.add(Problem{"exports", "the export getAuthType is missing", exportAdvice("getAuthType", exports)})
	}
	for _, f := range l.compiled.ImportedFunctions() {
		if from, _, _ := f.Import(); from == meter.PauseModule {
			continue
		}
		if p, ok := checkImport(l.runtime, f); !ok {
			all.add(p)
		}
	}
	return all
}

// checkImport holds one import to what the host offers.
func checkImport(rt wazero.Runtime, f api.FunctionDefinition) (Problem, bool) {
	from, name, _ := f.Import()
	if from != abiModule && from != wasiModule {
		return Problem{"imports", fmt.Sprintf("it imports %s.%s: expected imports from %s and %s only", from, name, abiModule, wasiModule), importAdvice(from, name)}, false
	}
	offered := rt.Module(from).ExportedFunctionDefinitions()
	switch want := offered[name]; {
	case want == nil && from == abiModule:
		return Problem{"imports", fmt.Sprintf("it imports %s.%s, which does not exist: expected one of %s", from, name, strings.Join(slices.Sorted(maps.Keys(offered)), ", ")), ""}, false
	case want == nil:
		return Problem{"imports", fmt.Sprintf("it imports %s.%s, which the host does not offer", from, name), importAdvice(from, name)}, false
	case signature(f) != signature(want):
		return Problem{"imports", fmt.Sprintf("it imports %s.%s as %s: expected %s", from, name, signature(f), signature(want)),
			"declare it with the types that ABI.md gives"}, false
	}
	return Problem{}, true
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

// Operations lists what the host calls, in the ABI's order. The slice is the caller's.
func Operations() []string { return slices.Clone(operations) }
