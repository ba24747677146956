package connectortest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/connectortest"
)

// FuzzManifest checks that every manifest that the server accepts fits the schema, apart from unknown members.
func FuzzManifest(f *testing.F) {
	paths, _ := filepath.Glob(filepath.Join("..", "..", "connectors-wasm", "*", "*.json"))
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil && len(b) < 8<<10 {
			f.Add(b)
		}
	}
	for _, s := range []string{
		`{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://a.example/", "adminManaged": {"enabled": true}}}}}}`,
		`{"platforms": {"a": {"auth": {"type": "apiKey"}, "environment": {"urlIdentifier": "*.a.example", "selections": [{"const": "https://a.example/x?y"}]}}}}`,
		`{"platforms": {"a": {"auth": {"type": "apiKey"}, "override": [{"triggerType": "hostname", "triggerValue": "b", "overrideObjects": [{"path": "x.y", "value": 1}]}],
		 "crmgate": {"hosts": ["a.example:8443", "{hostname}", "*.b.example"], "config": ["A_X"], "reveal": ["clientSecret"], "issuer": "https://a.example/i", "token": {"lifetime": 60}}}}}`,
		`{"platforms": {"crmgate": {}, "1": null}}`, `[`, `{"platforms": {"a": {"crmgate": {"host": 1}}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		faults, err := connectortest.SchemaFaults(b)
		if err != nil {
			t.Fatal(err)
		}
		if ms, err := manifest.Parse(map[string][]byte{"manifest": b}, "https://gate.example"); err != nil || len(ms.LeftOut()) > 0 {
			return
		}
		for _, what := range faults {
			if !strings.Contains(what, "unknown member") {
				t.Errorf("the server accepts a manifest that does not fit the schema: %s\n%s", what, b)
			}
		}
	})
}

// FuzzVectors checks that a file with an error has no cases.
func FuzzVectors(f *testing.F) {
	f.Add([]byte(`[{"operation": "getUserInfo", "cases": [{"name": "x", "input": {"authHeader": "Bearer t"}, "fetches": [{"request": {"method": "GET", "url": "https://a.example/"}, "answer": {"status": 200}}], "result": 0, "output": {"successful": true}}]}]`))
	f.Add([]byte(`[{"operation": "x", "cases": [{"input": 7, "output": null, "fetches": [{"request": {"url": "%"}}]}]}]`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(dir, "a.vectors.json")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := connectortest.ReadVectors(path); err != nil && n > 0 {
			t.Errorf("got %d cases and the error %v", n, err)
		}
	})
}
