package proxy_test

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func readOpenAPI(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOpenAPIIsValid: the document is valid OpenAPI 3.1. Tests in e2e check the examples.
func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	doc := readOpenAPI(t)
	if err := doc.Validate(t.Context(), openapi3.DisableExamplesValidation()); err != nil {
		t.Error(err)
	}
	ids := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Summary == "" || op.OperationID == "" || ids[op.OperationID] || len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil {
				t.Errorf("%s %s lacks a summary, an operationId of its own, or a defined tag", method, path)
			}
			ids[op.OperationID] = true
		}
	}
}

// TestOpenAPIHasEveryRoute: the document and the route table have the same routes.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	t.Parallel()
	var documented []string
	for path, item := range readOpenAPI(t).Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	routes := newServer(t, slog.DiscardHandler).Routes()
	for i, name := range routes {
		if strings.HasPrefix(name, "GET /ui/") {
			routes[i] = "GET /ui/{file}" // the files are listed there
		}
	}
	if len(routes) < 20 {
		t.Fatalf("only %d routes were found", len(routes))
	}
	for _, name := range routes {
		if !slices.Contains(documented, name) {
			t.Errorf("the document lacks %s", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(routes, name) {
			t.Errorf("the document has %s, which is not a route", name)
		}
	}
}

// TestOpenAPIHasEveryParameter: the document has the parameters, security schemes and members of bodies that the source of
// the handlers reads.
func TestOpenAPIHasEveryParameter(t *testing.T) {
	t.Parallel()
	code := readCode(t)
	doc := readOpenAPI(t)
	if len(code.routes) < 20 {
		t.Fatalf("only %d routes were found: readCode is out of date", len(code.routes))
	}
	for name, run := range code.routes {
		method, path, _ := strings.Cut(name, " ")
		item := doc.Paths.Find(path)
		if item == nil || item.GetOperation(method) == nil {
			continue // for TestOpenAPIHasEveryRoute
		}
		want, got := code.reads(method, run), documentedReads(doc, item.GetOperation(method))
		for _, r := range slices.Sorted(maps.Keys(want)) {
			if !got[r] {
				t.Errorf("%s: the handler reads the %s, which is not in the document", name, r)
			}
		}
		for _, r := range slices.Sorted(maps.Keys(got)) {
			if !want[r] {
				t.Errorf("%s: the document has the %s, which the handler does not read", name, r)
			}
		}
	}
}

// documentedReads are the parameters of an operation, as code.reads names them.
func documentedReads(doc *openapi3.T, op *openapi3.Operation) map[string]bool {
	all := map[string]bool{}
	for _, p := range op.Parameters {
		if p.Value.In != openapi3.ParameterInPath {
			all[p.Value.In+" "+p.Value.Name] = true
		}
	}
	for _, alternative := range *cmp.Or(op.Security, &openapi3.SecurityRequirements{}) {
		for name := range alternative {
			switch s := doc.Components.SecuritySchemes[name].Value; s.Type {
			case "http":
				all["header Authorization"] = true
			case "apiKey":
				all[s.In+" "+s.Name] = true
			}
		}
	}
	if op.RequestBody != nil {
		for _, content := range op.RequestBody.Value.Content {
			for name := range content.Schema.Value.Properties {
				all["member "+name] = true
			}
		}
	}
	return all
}
