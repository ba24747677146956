package manifest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/crmgate/crmgate/manifest"
)

func manifestSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(manifest.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("manifest.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("manifest.schema.json")
}

// fits reports whether text is JSON that fits the schema.
func fits(s *jsonschema.Schema, text string) bool {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.TrimPrefix(text, "\uFEFF")))
	return err == nil && s.Validate(v) == nil
}

// onlyParser are parts of errors that a schema of one file cannot find.
var onlyParser = []string{
	"platforms.a: expected an object",    // the name of the file
	"CLIO_CLIENT_SECRET",                 // the platform's name in capitals
	`got "auth.type.x"`,                  // a value on the way of a path
	`hosts, got "https://b.example`,      // the hosts
	`hosts, got "https://{hostname}`,     // the hosts
	`hosts, got "http://a.example`,       // http needs a port in hosts
	"(overridden for b)",                 // the manifest with its override
	"on one of crmgate.hosts",            // the hosts
	"or a host that its wildcards cover", // the hosts
	"expected one of crmgate.hosts",
	"expected a name of crmgate.config",
	`a name of crmgate.config, got "{config:A_SECRET}"`,
	"so it cannot be a secret",
	"sends.A_SECRET",      // the configuration
	"token.parameters.k:", // the same name in rename
	"refresh.rename: a parameter",
	"a name that no other parameter has",
}

func TestSchemaAndParserAgree(t *testing.T) {
	t.Parallel()
	s := manifestSchema(t)
	for _, c := range invalidManifests {
		expected := false
		for _, only := range onlyParser {
			expected = expected || strings.Contains(c.want, only)
		}
		if fits(s, c.text) && !expected {
			t.Errorf("the parser refuses it (%s), the schema does not:\n%s", c.want, c.text)
		}
	}
	for _, text := range []string{law, `{"platforms": {}}`, `{"$schema": "x", "platforms": {"a": {"auth": {"type": "apiKey", "oauth": null}, "environment": null, "override": null, "crmgate": null}}}`} {
		if _, err := parse(map[string]string{"manifest": text}); err != nil || !fits(s, text) {
			t.Errorf("parser: %v, schema: %v:\n%s", err, fits(s, text), text)
		}
	}
	// The server ignores unknown members of the crmgate object. The schema reports them.
	for _, member := range []string{`"host": ["a.example"]`, `"token": {"separator": ","}`, `"token": {"url": "https://a.example"}`, `"refresh": {"pkce": false}`, `"token": {"paths": {"token": "a"}}`} {
		misspelt := `{"platforms": {"a": {"auth": {"type": "apiKey"}, "crmgate": {` + member + `}}}}`
		if _, err := parse(map[string]string{"a": misspelt}); err != nil || fits(s, misspelt) {
			t.Errorf("a misspelt member of crmgate (%s): parser %v, schema %v", member, err, fits(s, misspelt))
		}
	}
}

func TestShippedManifestsFitTheSchema(t *testing.T) {
	t.Parallel()
	s := manifestSchema(t)
	paths, err := filepath.Glob(filepath.Join("..", "connectors-wasm", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, path := range paths {
		dir, file := filepath.Split(path)
		if file != filepath.Base(dir)+".json" {
			continue // vectors
		}
		seen++
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !fits(s, string(b)) {
			t.Errorf("%s does not fit the schema", path)
		}
	}
	if seen < 2 {
		t.Errorf("only %d manifests found", seen)
	}
}
