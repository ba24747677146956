package connectortest

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// abiVectors is a copy of connectors-wasm/abi, because files of another module cannot be embedded.
//
//go:embed abi/*.json
var abiVectors embed.FS

// vectors are the cases of one operation, in the format of connectors-wasm/ABI.md.
type vectors struct {
	Operation string       `json:"operation"`
	Cases     []vectorCase `json:"cases"`
}

type vectorCase struct {
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
	// Config has the configuration values that are set, by name.
	Config  map[string]string `json:"config"`
	Fetches []exchange        `json:"fetches"`
	Derives []doc             `json:"derives"`
	Result  int32             `json:"result"`
	Output  json.RawMessage   `json:"output"`
}

// exchange is one fetch: a request document and an answer document.
type exchange struct {
	Request struct {
		Method     string            `json:"method"`
		URL        string            `json:"url"`
		Headers    map[string]string `json:"headers"`
		Body       string            `json:"body"`
		BodyBase64 []byte            `json:"bodyBase64"`
		Redirect   string            `json:"redirect"`
	} `json:"request"`
	Answer struct {
		Status     int               `json:"status"`
		Headers    map[string]string `json:"headers"`
		Body       string            `json:"body"`
		BodyBase64 []byte            `json:"bodyBase64"`
		Error      *struct {
			Kind    string `json:"kind"`
			Message string `json:"message"`
		} `json:"error"`
	} `json:"answer"`
}

func (x exchange) body() string { return x.Answer.Body + string(x.Answer.BodyBase64) }

// goldenVectors returns the ABI's vectors.
func goldenVectors() ([]vectors, error) {
	paths, err := fs.Glob(abiVectors, "abi/*.json")
	if err != nil {
		return nil, err
	}
	all := make([]vectors, len(paths))
	for i, path := range paths {
		b, err := abiVectors.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(b, &all[i])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return all, nil
}

// readVectors reads a connector's vectors. A missing file means no vectors.
func readVectors(path string) ([]vectors, error) {
	b, err := readFile(path, 16<<20)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var all []vectors
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i, v := range all {
		if v.Operation == "" {
			return nil, fmt.Errorf("%s: item %d has no operation", path, i)
		}
		for _, c := range v.Cases {
			for n, x := range c.Fetches {
				if x.Answer.Error == nil && (x.Answer.Status < 200 || x.Answer.Status > 599) {
					return nil, fmt.Errorf("%s: %s, %s: the answer of fetch %d has the status %d: expected one from 200 to 599, or an error", path, v.Operation, c.Name, n+1, x.Answer.Status)
				}
			}
		}
	}
	return all, nil
}

// casesOf returns the cases of one operation.
func casesOf(all []vectors, operation string) []vectorCase {
	var cases []vectorCase
	for _, v := range all {
		if v.Operation == operation {
			cases = append(cases, v.Cases...)
		}
	}
	return cases
}

// succeeds reports whether the operation is successful in the case.
func (c vectorCase) succeeds() bool {
	var out struct {
		Successful *bool `json:"successful"`
	}
	return c.Result == 0 && json.Unmarshal(c.Output, &out) == nil && (out.Successful == nil || *out.Successful)
}

// doc is a decoded JSON object. Numbers keep their spelling.
type doc map[string]any

func parseDoc(b []byte) doc {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var m doc
	if d.Decode(&m) != nil || m == nil {
		return doc{}
	}
	return m
}

func (d doc) bytes() []byte {
	b, _ := crmgate.EncodeJSON(d) // never fails: it was decoded from JSON
	return b
}

func (d doc) text(name string) string { s, _ := d[name].(string); return s }

func (d doc) object(name string) doc { m, _ := d[name].(map[string]any); return m }

// with returns a copy with another member.
func (d doc) with(name string, v any) doc {
	c := doc{}
	for k, old := range d {
		c[k] = old
	}
	c[name] = v
	return c
}

// without returns a copy without a member.
func (d doc) without(name string) doc {
	c := d.with(name, nil)
	delete(c, name)
	return c
}

// member is the value of a member for a message.
func (d doc) member(name string) string {
	v, ok := d[name]
	if !ok {
		return "nothing"
	}
	b, _ := crmgate.EncodeJSON(v) // never fails: it was decoded from JSON
	return crmgate.Clip(string(b))
}

// replay runs a recorded case, and compares the requests and the answer.
func (k *check) replay(ctx context.Context, operation string, c vectorCase) {
	name := "recorded: " + operation + ", " + c.Name
	k.scanner.setCase(name)
	if !slices.Contains(k.operations, operation) {
		k.add(name, Failed, fmt.Sprintf("the module does not export %s", operation), "export it, or remove the case")
		return
	}
	p := &replay{name: name, want: c.Fetches}
	k.crm.mu.Lock()
	k.crm.replay = p
	k.crm.mu.Unlock()
	k.scanner.setRecorded(c.Config)
	a := k.call(ctx, operation, parseDoc(c.Input), "")
	k.scanner.setRecorded(nil)
	k.crm.mu.Lock()
	k.crm.replay = nil
	k.crm.mu.Unlock()
	wrong := append(c.otherDerivations(a.Derives), p.differences(a.Hide)...)
	const advice = "fix the connector, or record the case again if the CRM has changed"
	switch {
	case a.err != nil:
		k.add(name, Failed, a.summary(), advice)
	case len(wrong) > 0:
		k.add(name, Failed, wrong[0], advice)
	case a.Result == 1 && c.Result != 1: // missing requests follow from that
		k.add(name, Failed, fmt.Sprintf("it answers %s, recorded is %d %s", a.problem(), c.Result, crmgate.Clip(compact(c.Output))), advice)
	case p.missing() != "":
		k.add(name, Failed, p.missing(), advice)
	case a.Result != c.Result || !equal(a.Output, c.Output):
		k.add(name, Failed, c.otherAnswer(a.Result, a.Output), advice)
	default:
		k.add(name, OK, a.summary(), "")
	}
}

// otherDerivations says what the connector derives otherwise than recorded.
func (c vectorCase) otherDerivations(got [][]byte) (wrong []string) {
	for i, d := range got {
		switch {
		case i == len(c.Derives):
			return append(wrong, fmt.Sprintf("it derives %s, which is not recorded in derives", crmgate.Clip(string(d))))
		case !equal(d, c.Derives[i].bytes()):
			wrong = append(wrong, fmt.Sprintf("derivation %d: it derives %s, recorded is %s", i+1, crmgate.Clip(string(d)), crmgate.Clip(string(c.Derives[i].bytes()))))
		}
	}
	if len(got) < len(c.Derives) {
		wrong = append(wrong, fmt.Sprintf("it derives %d values, recorded are %d", len(got), len(c.Derives)))
	}
	return wrong
}

// otherAnswer says what the connector answers otherwise than recorded. Of two documents it names the first member that differs: in whole
// documents the place would be hard to find, and may be cut.
func (c vectorCase) otherAnswer(result int32, output []byte) string {
	if result != c.Result {
		return fmt.Sprintf("it answers %d %s, recorded is %d %s", result, crmgate.Clip(compact(output)), c.Result, crmgate.Clip(compact(c.Output)))
	}
	return otherMember("", parseDoc(output), parseDoc(c.Output))
}

// otherMember describes the first member, by name, that differs between two documents. path is where they are.
func otherMember(path string, got, want doc) string {
	either := maps.Clone(got)
	maps.Copy(either, want)
	for _, name := range slices.Sorted(maps.Keys(either)) {
		g, in := got[name]
		w, was := want[name]
		if in == was && reflect.DeepEqual(g, w) {
			continue
		}
		gotObject, isObject := g.(map[string]any)
		wantObject, wasObject := w.(map[string]any)
		if isObject && wasObject {
			return otherMember(path+name+".", gotObject, wantObject)
		}
		return fmt.Sprintf("it answers %s, recorded is %s, in %s", got.member(name), want.member(name), path+name)
	}
	return "" // they are equal
}

func equal(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return reflect.DeepEqual(parseDoc(a), parseDoc(b)) // numbers keep their spelling: ids can exceed a float's precision
}

func compact(b []byte) string { return string(parseDoc(b).bytes()) }
