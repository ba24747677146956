package wasmhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/process"
)

// operations are the exports that the host calls, in the ABI's order.
var operations = []string{
	"getAuthType", "getOauthInfo", "getOverridingOAuthOption", "getBasicAuth", "getUserInfo", "authValidation", "refreshUserInfo",
	"unAuthorize", "postSaveUserInfo", "getLicenseStatus", "checkAndRefreshAccessToken", "getManagedAuthOptions",
}

// facts are the properties of a module's content. They are stored next to its compiled form, so that a start with a warm
// cache neither compiles nor runs anything.
type facts struct {
	AuthType   manifest.AuthType `json:"authType"`
	Exports    []string          `json:"exports"`    // sorted
	Restorable bool              `json:"restorable"` // see meter.GlobalExport
	Configured bool              `json:"-"`          // it has looked at its configuration while it was loaded
}

func (f facts) exports(name string) bool {
	_, ok := slices.BinarySearch(f.Exports, name)
	return ok
}

// checkManifest compares a module with its manifest.
func (f facts) checkManifest(m *manifest.Manifest, script bool) Problems {
	var all Problems
	if f.AuthType != m.AuthType {
		all.add(Problem{"getAuthType", fmt.Sprintf("getAuthType answers %q, but the manifest's auth.type is %q", f.AuthType, m.AuthType), ""})
	}
	advice := scriptExportAdvice
	if !script {
		advice = func(name string) string { return exportAdvice(name, f.Exports) }
	}
	needed := map[manifest.AuthType]string{manifest.OAuth: "getOauthInfo", manifest.APIKey: "getBasicAuth"}[f.AuthType]
	for _, name := range []string{needed, "getUserInfo"} {
		if !f.exports(name) {
			all.add(Problem{"exports", fmt.Sprintf("the export %s is missing: a connector of type %s needs it", name, f.AuthType), advice(name)})
		}
	}
	if f.exports("checkAndRefreshAccessToken") && !m.Reveals("refreshToken") {
		all.add(Problem{"manifest", `it exports checkAndRefreshAccessToken: expected "refreshToken" in crmgate.reveal of the manifest`,
			`add "reveal": ["refreshToken"] to the manifest's crmgate object, or remove the export to use the standard refresh`})
	}
	return all
}

// errConfigured means that facts are not kept: with another configuration, they may be others.
var errConfigured = errors.New("a script that looks at its configuration while it is loaded")

// factsOf returns a module's facts, from the cache or by inspecting the module.
func (h *Host) factsOf(ctx context.Context, m *module, b []byte) (facts, error) {
	var f, found facts
	known, err := h.cached(m.factsKind(), m.sum, func() ([]byte, error) {
		defer debug.FreeOSMemory() // instrumenting leaves garbage of several times the module's size
		var err error
		if found, err = h.inspect(ctx, m, b); err != nil {
			return nil, err
		}
		if found.Configured {
			return nil, errConfigured
		}
		return json.Marshal(found)
	})
	if errors.Is(err, errConfigured) {
		return found, nil
	}
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(known, &f)
}

// inspect compiles a module to the cache, checks its exports and imports, starts it, and calls getAuthType. The error is of
// type Problems if the module is at fault.
func (h *Host) inspect(ctx context.Context, m *module, b []byte) (facts, error) {
	var f facts
	wasm, script, err := m.code(ctx, b)
	if err != nil {
		return f, err
	}
	code, err := m.openApart(ctx, wasm)
	if errors.Is(err, errCache) || errors.Is(err, process.ErrNotStarted) {
		return f, err
	}
	if err != nil {
		return f, Problems{{"module", err.Error(), moduleAdvice(b)}}
	}
	defer code.Close()
	ctx, cancel := context.WithTimeout(ctx, h.Deadline)
	defer cancel()
	starting := m.newCall(loading, nil)
	if script != nil {
		err = m.inspectScript(ctx, code, starting, script, &f)
	} else {
		err = m.inspectModule(ctx, code, starting, &f)
	}
	if err != nil {
		return f, err
	}
	asking := m.newCall("getAuthType", []byte("{}"))
	asking.secrets.Show(starting.secrets.Seen()...)
	out, err := m.run(ctx, code, asking)
	if err != nil {
		return f, Problems{{"getAuthType", failureText(err), adviceUnlessCommand(authTypeAdvice, f.Exports)}}
	}
	answer, err := decode[authTypeOut](out)
	if err != nil {
		return f, Problems{{"getAuthType", fmt.Sprintf(`getAuthType: expected {"type": "oauth"} or {"type": "apiKey"}, got %q`, truncate(asking.secrets.Redact(string(out), false), 80)), authTypeAdvice}}
	}
	f.AuthType = answer.Type
	return f, nil
}

// inspectModule checks the exports and imports of a WebAssembly module, and starts it.
func (m *module) inspectModule(ctx context.Context, code runner, starting *call, f *facts) error {
	shape := code.Shape()
	for _, e := range shape.Exports {
		f.Exports = append(f.Exports, e.Name)
	}
	if wrong := checkShape(shape, f.Exports); len(wrong) > 0 {
		return wrong
	}
	started, err := code.Start(ctx, starting, nil)
	if err != nil {
		err = starting.stopReason(err)
		return Problems{{"start", failureText(err), adviceUnlessCommand("code that runs at start, before any operation is called, must end soon and must not trap", f.Exports)}}
	}
	f.Restorable = started.Restorable
	return nil
}

// checkShape checks the names and signatures of exports and imports. exports are the sorted names of exported functions.
func checkShape(s guest.Shape, exports []string) Problems {
	var all Problems
	if !s.Memory {
		all.add(Problem{"exports", "the export memory is missing", "export the module's memory under the name memory (C: remove -Wl,--no-export-memory; WAT: (memory (export \"memory\") 2))"})
	}
	for _, name := range operations {
		i := slices.Index(exports, name)
		if i >= 0 && s.Exports[i].Signature != "() -> i32" {
			all.add(Problem{"exports", fmt.Sprintf("the export %s has the signature %s: expected () -> i32", name, s.Exports[i].Signature),
				"an operation has no parameters and returns an i32: it reads its request with input, writes its answer with output, and returns 0"})
		}
	}
	if !slices.Contains(exports, "getAuthType") {
		all.add(Problem{"exports", "the export getAuthType is missing", exportAdvice("getAuthType", exports)})
	}
	for _, f := range s.Imports {
		if p, ok := checkImport(f); !ok {
			all.add(p)
		}
	}
	return all
}

// checkImport checks that the host provides an import.
func checkImport(f guest.Function) (Problem, bool) {
	offered, known := guest.Offered()[f.From]
	switch want := offered[f.Name]; {
	case !known:
		return Problem{"imports", fmt.Sprintf("it imports %s.%s: expected imports from %s and %s only", f.From, f.Name, guest.ABIModule, guest.WASIModule), importAdvice(f.From, f.Name)}, false
	case want == "" && f.From == guest.ABIModule:
		return Problem{"imports", fmt.Sprintf("it imports %s.%s, which does not exist: expected one of %s", f.From, f.Name, strings.Join(slices.Sorted(maps.Keys(offered)), ", ")), ""}, false
	case want == "":
		return Problem{"imports", fmt.Sprintf("it imports %s.%s, which the host does not provide", f.From, f.Name), importAdvice(f.From, f.Name)}, false
	case f.Signature != want:
		return Problem{"imports", fmt.Sprintf("it imports %s.%s as %s: expected %s", f.From, f.Name, f.Signature, want),
			"declare it with the types in ABI.md"}, false
	}
	return Problem{}, true
}

// Operations returns the operations that the host calls, in the ABI's order. The caller owns the slice.
func Operations() []string { return slices.Clone(operations) }
