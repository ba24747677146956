package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	Derives []json.RawMessage `json:"derives,omitempty"`
	Fetches []exchange        `json:"fetches,omitempty"`
	Result  int32             `json:"result"`
	Output  json.RawMessage   `json:"output,omitempty"`
}

type exchange struct {
	Request json.RawMessage `json:"request"`
	Answer  json.RawMessage `json:"answer"`
}

// Vectors returns the recording as the vectors of a connector. derived, fetches and end are those of a replay: a build that is mended
// says what the case is to be. If the call did not return, the case has the result 0 and no output, which fails until its author
// completes it. nonce is the nonce of handles in vectors. The error says why the recording cannot be a case.
func (r *Recording) Vectors(derived []Derivation, fetches []Fetch, end End, nonce string) ([]byte, error) {
	c := vectorCase{Name: "recorded at " + r.Time.UTC().Format("2006-01-02 15:04:05"), Input: json.RawMessage(r.Input)}
	for i, d := range derived {
		if !json.Valid([]byte(d.Request)) {
			return nil, fmt.Errorf("derivation %d is not JSON: a vector cannot have it", i+1)
		}
		c.Derives = append(c.Derives, json.RawMessage(d.Request))
	}
	for i, f := range fetches {
		if !json.Valid([]byte(f.Request)) || !json.Valid([]byte(f.Answer)) {
			return nil, fmt.Errorf("fetch %d is not JSON: a vector cannot have it", i+1)
		}
		c.Fetches = append(c.Fetches, exchange{json.RawMessage(f.Request), json.RawMessage(f.Answer)})
	}
	if end.How == Returned && end.Problem == "" {
		c.Result = end.Result
		if json.Valid([]byte(end.Output)) {
			c.Output = json.RawMessage(end.Output)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode([]vectors{{r.Operation, []vectorCase{c}}})
	return []byte(withNonce(b.String(), derived, nonce)), err
}

// withNonce returns a text with the handles of vectors: in a recording, those of derived values have the nonce of the call, and that of
// the credential has none.
func withNonce(text string, derived []Derivation, nonce string) string {
	for _, d := range derived {
		if parts := strings.Split(strings.TrimSuffix(d.Handle, "}}"), ":"); len(parts) == 3 && parts[2] != "" { // {{derived:1:NONCE}}
			text = strings.ReplaceAll(text, parts[2], nonce)
		}
	}
	return strings.ReplaceAll(text, "{{accessToken}}", "{{accessToken:"+nonce+"}}")
}
