package connector_test

import (
	"encoding/json"
	"testing"

	"github.com/crmgate/crmgate/connector"
)

// FuzzMergeInfo checks that the result is an object with the members of both, and those of over if both have one.
func FuzzMergeInfo(f *testing.F) {
	for _, s := range [][2]string{{`{"a":1,"b":{"c":2}}`, `{"b":null}`}, {``, `{}`}, {`null`, `null`}, {`{}`, `[]`}, {`{"a":1}`, ``}, {`{"a":1,"a":2}`, `{"A":3}`}} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, old, over []byte) {
		merged, err := connector.MergeInfo(old, over)
		if err != nil || len(over) == 0 {
			return
		}
		var was, came, is map[string]any
		_ = json.Unmarshal(old, &was)
		if json.Unmarshal(over, &came) != nil || json.Unmarshal(merged, &is) != nil || is == nil {
			t.Fatalf("%s over %s is %s", over, old, merged)
		}
		want := func(m map[string]any, name string) string { b, _ := json.Marshal(m[name]); return string(b) }
		for name := range is {
			from := was
			if _, ok := came[name]; ok {
				from = came
			}
			if _, ok := from[name]; !ok || want(from, name) != want(is, name) {
				t.Errorf("%s over %s is %s", over, old, merged)
			}
		}
		for _, m := range []map[string]any{was, came} {
			for name := range m {
				if _, ok := is[name]; !ok {
					t.Errorf("%s over %s is %s, without %q", over, old, merged, name)
				}
			}
		}
	})
}
