package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// vectors are the cases of an operation, in the format of NAME.vectors.json; see connectors-wasm/ABI.md.
type vectors struct {
	Operation string       `json:"operation"`
	Cases     []vectorCase `json:"cases"`
}

type vectorCase struct {
	Name    string            `json:"name"`
	Input   json.RawMessage   `json:"input"`
	Config  map[string]string `json:"config,omitempty"`
	Derives []json.RawMessage `json:"derives,omitempty"`
	Fetches []exchange        `json:"fetches,omitempty"`
	Result  int32             `json:"result"`
	Output  json.RawMessage   `json:"output,omitempty"`
}

type exchange struct {
	Request json.RawMessage `json:"request"`
	Answer  json.RawMessage `json:"answer"`
}

// Case is a call as a case of vectors.
type Case struct {
	operation string
	vectorCase
	derived []Derivation
}

// Case returns the recording as a case. derived, fetches and end are those of the recording, or of a replay: a build that is mended
// says what the case is to be. If the call did not return, the case has the result 0 and no output, which fails until its author
// completes it. The error says why the recording cannot be a case.
func (r *Recording) Case(derived []Derivation, fetches []Fetch, end End) (Case, error) {
	c := Case{operation: r.Operation, derived: derived}
	c.Name, c.Input = "recorded at "+r.Time.UTC().Format("2006-01-02 15:04:05"), json.RawMessage(r.Input)
	for _, v := range r.Config {
		if v.Set {
			if c.Config == nil {
				c.Config = map[string]string{}
			}
			c.Config[v.Name] = v.Value
		}
	}
	for i, d := range derived {
		if !json.Valid([]byte(d.Request)) {
			return c, fmt.Errorf("derivation %d is not JSON: a vector cannot have it", i+1)
		}
		c.Derives = append(c.Derives, json.RawMessage(d.Request))
	}
	for i, f := range fetches {
		if !json.Valid([]byte(f.Request)) || !json.Valid([]byte(f.Answer)) {
			return c, fmt.Errorf("fetch %d is not JSON: a vector cannot have it", i+1)
		}
		c.Fetches = append(c.Fetches, exchange{json.RawMessage(f.Request), json.RawMessage(f.Answer)})
	}
	if end.How == Returned && end.Problem == "" {
		c.Result = end.Result
		if json.Valid([]byte(end.Output)) {
			c.Output = json.RawMessage(end.Output)
		}
	}
	return c, nil
}

// Vectors returns cases in the format of NAME.vectors.json. nonce is the nonce of handles in vectors.
func Vectors(cases []Case, nonce string) ([]byte, error) {
	all := []vectors{}
	for _, c := range cases {
		i := slices.IndexFunc(all, func(v vectors) bool { return v.Operation == c.operation })
		if i < 0 {
			i, all = len(all), append(all, vectors{Operation: c.operation})
		}
		all[i].Cases = append(all[i].Cases, c.vectorCase)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(all)
	text := b.String()
	for _, c := range cases {
		text = withNonce(text, c.derived, nonce)
	}
	return []byte(text), err
}

// setting is the handle of a configuration value in a recording.
var setting = regexp.MustCompile(`\{\{secret:([A-Za-z0-9_]+)\}\}`)

// withNonce returns a text with the handles of vectors: in a recording, those of derived values have the nonce of the call, and those of
// the credential and of configuration have none.
func withNonce(text string, derived []Derivation, nonce string) string {
	for _, d := range derived {
		if parts := strings.Split(strings.TrimSuffix(d.Handle, "}}"), ":"); len(parts) == 3 && parts[2] != "" { // {{derived:1:NONCE}}
			text = strings.ReplaceAll(text, parts[2], nonce)
		}
	}
	text = setting.ReplaceAllString(text, "{{secret:${1}:"+nonce+"}}")
	return strings.ReplaceAll(text, "{{accessToken}}", "{{accessToken:"+nonce+"}}")
}
