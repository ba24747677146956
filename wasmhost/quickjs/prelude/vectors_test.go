package prelude_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The documents of the golden vectors pass through the prelude unchanged: a connector that answers with the output of a case has that
// output. What the prelude adds to an input is not in the output.
func TestGoldenVectors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "connectors-wasm", "abi", "*.json"))
	if err != nil || len(files) < 12 {
		t.Fatalf("found %d files of vectors, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var vectors struct {
			Operation string
			Cases     []struct {
				Name          string
				Input, Output json.RawMessage
				Result        int
			}
		}
		if err := json.Unmarshal(b, &vectors); err != nil {
			t.Fatal(err)
		}
		for _, c := range vectors.Cases {
			connector := fmt.Sprintf("exports.getAuthType = () => 'oauth'; exports.%s = () => (%s)", vectors.Operation, c.Output)
			switch c.Result {
			case 1:
				connector = fmt.Sprintf("exports.%s = () => { throw (%s) }", vectors.Operation, c.Output)
			case 2:
				connector = "exports.other = 1; exports.getAuthType = () => 'oauth'"
			}
			s := newScript(t)
			if err := s.load(connector); err != nil {
				t.Fatal(err)
			}
			got, err := s.run(vectors.Operation, string(c.Input), `{}`, nil)
			if err != nil || got.Result != c.Result {
				t.Errorf("%s, %s: got %+v, %v, want the result %d", vectors.Operation, c.Name, got, err, c.Result)
			} else if c.Result != 2 {
				compareJSON(t, vectors.Operation+", "+c.Name, got.Output, string(c.Output))
			}
		}
	}
}
