//go:build !wasip1

// Package sdktest replays a connector's vectors, NAME.vectors.json, against the connector running natively.
package sdktest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
)

// Vectors are the cases of one operation.
type Vectors struct {
	Operation string `json:"operation"`
	Cases     []Case `json:"cases"`
}

// Case is one call: documents exactly as they cross the boundary.
type Case struct {
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
	// Config has the configuration values that are set, by name.
	Config  map[string]string `json:"config,omitempty"`
	Fetches []Exchange        `json:"fetches,omitempty"` // in order
	// Derives lists what the connector derives from handles, in order. It gets {{derived:1:NONCE}}, and so on.
	Derives []json.RawMessage `json:"derives,omitempty"`
	Result  int32             `json:"result"`
	Output  json.RawMessage   `json:"output,omitempty"` // none if Result is 2
}

// Exchange is a request of the connector with the host's answer.
type Exchange struct {
	Request json.RawMessage `json:"request"`
	Answer  json.RawMessage `json:"answer"`
}

// MustRead reads a file with a list of Vectors, or a folder with one file of Vectors for each operation, named after it. An
// unknown member fails the test.
func MustRead(t *testing.T, path string) []Vectors {
	t.Helper()
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return mustReadFolder(t, path)
	}
	var all []Vectors
	mustDecode(t, path, &all)
	return all
}

func mustReadFolder(t *testing.T, dir string) []Vectors {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors in %s (%v)", dir, err)
	}
	var all []Vectors
	for _, path := range paths {
		var v Vectors
		mustDecode(t, path, &v)
		if v.Operation+".json" != filepath.Base(path) {
			t.Fatalf("%s contains the operation %q", path, v.Operation)
		}
		all = append(all, v)
	}
	return all
}

func mustDecode(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// Replay calls a connector's exports with the cases of its vectors, and compares requests, result and output. An export
// without a case fails the test, and so does a case without an export.
func Replay(t *testing.T, file string, exports map[string]func() int32) {
	t.Helper()
	replayed := map[string]bool{}
	for _, v := range MustRead(t, file) {
		for _, c := range v.Cases {
			export := exports[v.Operation]
			if export == nil {
				t.Errorf("%s: %q has a case, but there is no export", v.Operation, c.Name)
				continue
			}
			replayed[v.Operation] = true
			t.Run(v.Operation+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				c.replay(t, export)
			})
		}
	}
	for operation := range exports {
		if !replayed[operation] {
			t.Errorf("%s is exported, but has no case", operation)
		}
	}
}

func (c Case) replay(t *testing.T, export func() int32) {
	next := 0
	var derived []sdk.Derivation
	derive := func(d sdk.Derivation) { derived = append(derived, d) }
	got, err := sdk.Run(sdk.Host{Config: c.Config, Derive: derive, Fetch: func(r sdk.Request) (sdk.Response, error) {
		if next == len(c.Fetches) {
			t.Errorf("fetch %d, %s %s: expected no more", next+1, r.Method, r.URL)
			return sdk.Response{}, &sdk.FetchError{Kind: "refused", Message: "not in the vector"}
		}
		x := c.Fetches[next]
		next++
		if sent, err := json.Marshal(r); err != nil || !Equal(sent, x.Request) {
			t.Errorf("fetch %d: got %s (%v), want %s", next, sent, err, x.Request)
		}
		return x.answer(t)
	}}, c.Input, export)
	if err != nil {
		t.Fatal(err)
	}
	if next != len(c.Fetches) {
		t.Errorf("got %d fetches, want %d", next, len(c.Fetches))
	}
	c.compareDerived(t, derived)
	if got.Code != c.Result || !Equal(got.Output, c.Output) {
		t.Errorf("got %d %s, want %d %s", got.Code, got.Output, c.Result, c.Output)
	}
}

func (c Case) compareDerived(t *testing.T, derived []sdk.Derivation) {
	if len(derived) != len(c.Derives) {
		t.Errorf("got %d derivations, want %d", len(derived), len(c.Derives))
		return
	}
	for i, d := range derived {
		if b, err := json.Marshal(d); err != nil || !Equal(b, c.Derives[i]) {
			t.Errorf("derivation %d: got %s (%v), want %s", i+1, b, err, c.Derives[i])
		}
	}
}

func (x Exchange) answer(t *testing.T) (sdk.Response, error) {
	var failed struct {
		Error *sdk.FetchError `json:"error"`
	}
	var r sdk.Response
	if err := json.Unmarshal(x.Answer, &failed); err != nil {
		t.Errorf("the vector's answer: %v", err)
	}
	if failed.Error != nil {
		return r, failed.Error
	}
	if err := json.Unmarshal(x.Answer, &r); err != nil {
		t.Errorf("the vector's answer: %v", err)
	}
	return r, nil
}

// Equal reports whether two documents are the same JSON value. Two empty documents are equal.
func Equal(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
