package connectortest

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// The ABI's vectors, a copy of connectors-wasm/abi: that is another module, whose files cannot be embedded.
//
//go:embed abi/*.json
var abiVectors embed.FS

// vectors are the cases of one operation, as connectors-wasm/ABI.md has them.
type vectors struct {
	Operation string       `json:"operation"`
	Cases     []vectorCase `json:"cases"`
}

type vectorCase struct {
	Name    string          `json:"name"`
	Input   json.RawMessage `json:"input"`
	Fetches []exchange      `json:"fetches"`
	Result  int32           `json:"result"`
	Output  json.RawMessage `json:"output"`
}

// exchange is one fetch: the documents of the import.
type exchange struct {
	Request struct {
		Method     string            `json:"method"`
		URL        string            `json:"url"`
		Headers    map[string]string `json:"headers"`
		Body       string            `json:"body"`
		BodyBase64 []byte            `json:"bodyBase64"`
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

// goldenVectors are the ABI's own.
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

// readVectors reads a connector's own; a file that is not there holds none.
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
			return nil, fmt.Errorf("%s: item %d names no operation", path, i)
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

// of returns the cases of one operation.
func of(all []vectors, operation string) []vectorCase {
	var cases []vectorCase
	for _, v := range all {
		if v.Operation == operation {
			cases = append(cases, v.Cases...)
		}
	}
	return cases
}

// glad reports whether the case ends as everybody hopes.
func (c vectorCase) glad() bool {
	var out struct {
		Successful *bool `json:"successful"`
	}
	return c.Result == 0 && json.Unmarshal(c.Output, &out) == nil && (out.Successful == nil || *out.Successful)
}

// doc is a JSON object taken apart. Numbers stay as they are written.
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
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(d) // it came out of JSON
	return []byte(strings.TrimSpace(b.String()))
}

func (d doc) text(name string) string { s, _ := d[name].(string); return s }

func (d doc) object(name string) doc { m, _ := d[name].(map[string]any); return m }

// with returns a copy that has another member.
func (d doc) with(name string, v any) doc {
	c := doc{}
	for k, old := range d {
		c[k] = old
	}
	c[name] = v
	return c
}

// replay runs a recorded case: same requests, same answer.
func (k *check) replay(ctx context.Context, operation string, c vectorCase) {
	name := "recorded: " + operation + ", " + c.Name
	k.watch.at(name)
	if !slices.Contains(k.operations, operation) {
		k.say(name, Failed, fmt.Sprintf("the module does not export %s", operation), "export it, or remove the case")
		return
	}
	p := &replay{name: name, want: c.Fetches}
	k.crm.mu.Lock()
	k.crm.replay = p
	k.crm.mu.Unlock()
	a := k.call(ctx, operation, parseDoc(c.Input), "")
	k.crm.mu.Lock()
	k.crm.replay = nil
	k.crm.mu.Unlock()
	if p.n < len(p.want) && a.err == nil {
		p.wrong = append(p.wrong, fmt.Sprintf("it makes %d requests, recorded are %d", p.n, len(p.want)))
	}
	const advice = "mend the connector, or record the case anew if the CRM has changed"
	switch {
	case a.err != nil:
		k.say(name, Failed, a.told(), advice)
	case len(p.wrong) > 0:
		k.say(name, Failed, p.wrong[0], advice)
	case a.Result != c.Result || !equal(a.Output, c.Output):
		k.say(name, Failed, fmt.Sprintf("it answers %d %s, recorded is %d %s", a.Result, crmgate.Clip(string(a.Output)), c.Result, crmgate.Clip(compact(c.Output))), advice)
	default:
		k.say(name, OK, a.told(), "")
	}
}

func equal(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return reflect.DeepEqual(parseDoc(a), parseDoc(b)) // numbers as they are written: ids are longer than a float
}

func compact(b []byte) string { return string(parseDoc(b).bytes()) }
