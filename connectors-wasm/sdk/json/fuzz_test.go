package json_test

import (
	stdjson "encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
)

// FuzzParse compares the package with encoding/json: what is JSON, what its values are, and what Append writes.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		answer, `{}`, `[]`, ` "" `, `-0.0e-0`, `null`, `{"a":1,"a":{"b":2},"\u0061":[3]}`, `{"":"\ud83d\ude00 \ud83d x \ude00 \ud83d\ud83d\ude00 \ud83d\n"}`,
		`"\\\"\/\b\f\n\r\t\\"`, "[\"\xff\xed\xa0\x80é\"]", "{\"\xff\":1}", `[1e5,0.1E+2,-1]`, `01`, `[1,]`, `{"a"}`, "\ufeff{}", `"\u00zz"`, `tru`,
		strings.Repeat("[{\"a\":", 40) + "1" + strings.Repeat("}]", 40),
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	} {
		f.Add(text)
	}
	vectors, _ := filepath.Glob("../../*/*.json")
	if len(vectors) == 0 {
		f.Fatal("there are no vectors")
	}
	for _, path := range vectors {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := json.Parse(text)
		if valid := stdjson.Valid([]byte(text)); valid != (v.Err() == nil) {
			t.Fatalf("%q: got the error %v, and encoding/json says that valid is %v", text, v.Err(), valid)
		} else if !valid {
			return
		}
		var want any
		d := stdjson.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := plain(v); !reflect.DeepEqual(got, want) || v.Err() != nil {
			t.Fatalf("%q: got %#v (%v), want %#v", text, got, v.Err(), want)
		}
		lookUp(t, v, want)
		written := floats(want)
		back, err := json.Append(nil, written)
		if err != nil {
			return // a number that is too large for a float64
		}
		var again any
		if err := stdjson.Unmarshal(back, &again); err != nil || !reflect.DeepEqual(again, written) {
			t.Fatalf("%q is written as %s (%v)", text, back, err)
		}
	})
}

// plain returns what encoding/json makes of a value, with json.Number.
func plain(v json.Value) any {
	switch v.Raw()[0] {
	case '{':
		m := map[string]any{}
		for name, member := range v.Members() {
			m[name] = plain(member)
		}
		return m
	case '[':
		l := []any{}
		for item := range v.Items() {
			l = append(l, plain(item))
		}
		return l
	case '"':
		return v.String()
	case 't', 'f':
		return v.Bool()
	case 'n':
		return nil
	}
	return stdjson.Number(v.Text())
}

// lookUp compares each member with what Get finds.
func lookUp(t *testing.T, v json.Value, want any) {
	m, _ := want.(map[string]any)
	for name, member := range m {
		found := v.Get(name)
		if member == nil && !found.Exists() {
			continue
		}
		if got := plain(found); !reflect.DeepEqual(got, member) {
			t.Fatalf("%q: got %#v, want %#v", name, got, member)
		}
		lookUp(t, found, member)
	}
}

// floats replaces the numbers by those that Append takes. A number that is too large becomes an error, which it refuses.
func floats(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for name, member := range v {
			m[name] = floats(member)
		}
		return m
	case []any:
		l := []any{}
		for _, item := range v {
			l = append(l, floats(item))
		}
		return l
	case stdjson.Number:
		f, err := v.Float64()
		if err != nil {
			return err
		}
		return f
	}
	return v
}
