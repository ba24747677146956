package connectortest

import (
	"testing"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost"
)

// BasicAuthOutcome is the outcome of an answer of getBasicAuth.
func BasicAuthOutcome(output string) Outcome {
	o, _, _ := (&check{}).checkSuccess("getBasicAuth", doc{}, callResult{Answer: wasmhost.Answer{Output: []byte(output)}})
	return o
}

// SchemaFaults returns the places where a manifest does not fit the schema.
func SchemaFaults(b []byte) ([]string, error) {
	faults, err := schemaFaults("a.json", b)
	var all []string
	for _, f := range faults {
		all = append(all, f.what)
	}
	return all, err
}

// ReadVectors reads a file of vectors, and decodes the cases as a check does.
func ReadVectors(path string) (cases int, err error) {
	all, err := readVectors(path)
	for _, v := range all {
		for _, c := range v.Cases {
			cases++
			c.succeeds()
			parseDoc(c.Input).bytes()
			for _, x := range c.Fetches {
				requestKey(x.Request.Method, x.Request.URL)
			}
		}
	}
	return cases, err
}

// OnDeclaredHosts returns a golden input as the check of platform a uses it.
func OnDeclaredHosts(t *testing.T, text, input, recorded string) string {
	t.Helper()
	ms, err := manifest.Parse(map[string][]byte{"a": []byte(text)}, publicURL)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := ms.Platform("a")
	if !ok {
		t.Fatal(ms.LeftOut())
	}
	k := &check{manifest: m}
	return string(k.onDeclaredHosts(parseDoc([]byte(input)), recorded).bytes())
}

// ReplaceSecret returns an input with a recorded secret replaced.
func ReplaceSecret(input, old, ours string) string {
	d := mapTexts(map[string]any(parseDoc([]byte(input))), func(s string) string { return replaceWhole(s, old, ours) })
	return string(doc(d.(map[string]any)).bytes())
}
