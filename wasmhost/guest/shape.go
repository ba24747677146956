package guest

import (
	"maps"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/crmgate/crmgate/wasmhost/meter"
)

// Function is a function that a module exports or imports.
type Function struct {
	From      string // the module that it is imported from; empty for an export
	Name      string
	Signature string // such as (i32, i64) -> i32
}

// Shape is what a module exports and imports, without what package meter has added.
type Shape struct {
	Memory  bool // it exports a memory under the name memory
	Exports []Function
	Imports []Function
}

// Shape returns the module's functions: exports in the order of their names, and imports in the module's order.
func (m *Module) Shape() Shape {
	_, memory := m.compiled.ExportedMemories()["memory"]
	s := Shape{Memory: memory}
	exports := m.compiled.ExportedFunctions()
	for _, name := range slices.Sorted(maps.Keys(exports)) {
		if name != meter.StartExport {
			s.Exports = append(s.Exports, Function{"", name, signature(exports[name].ParamTypes(), exports[name].ResultTypes())})
		}
	}
	for _, f := range m.compiled.ImportedFunctions() {
		if from, name, _ := f.Import(); from != meter.PauseModule {
			s.Imports = append(s.Imports, Function{from, name, signature(f.ParamTypes(), f.ResultTypes())})
		}
	}
	return s
}

// Offered returns the signatures of the functions that guests can import, by module and name.
func Offered() map[string]map[string]string {
	all := map[string]map[string]string{}
	for from, functions := range imports() {
		all[from] = map[string]string{}
		for _, f := range functions {
			all[from][f.name] = signature(f.params, f.results)
		}
	}
	return all
}

func signature(params, results []api.ValueType) string {
	list := func(types []api.ValueType) string {
		names := make([]string, len(types))
		for i, t := range types {
			names[i] = api.ValueTypeName(t)
		}
		return strings.Join(names, ", ")
	}
	return strings.TrimSpace("(" + list(params) + ") -> " + list(results))
}
