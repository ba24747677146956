package settings_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/settings"
)

func TestLayer(t *testing.T) {
	t.Parallel()
	plugin := func(config string) string {
		return `{"plugin_p":{"customizable":true,"value":{"name":"P","config":` + config + `}}}`
	}
	for _, c := range []struct{ name, org, own, want string }{
		{"both empty", `{}`, `{}`, `{}`},
		{"the organisation's only", `{"a":{"value":1,"own":true}}`, `{}`, `{"a":{"value":1,"own":true}}`},
		{"the organisation's only, customizable", `{"a":{"customizable":true,"value":1}}`, `{}`, `{"a":{"customizable":true,"value":1}}`},
		{"the person's only", `{}`, `{"a":{"value":1,"defaultValue":2,"options":[3],"other":4,"customizable":false}}`,
			`{"a":{"customizable":true,"value":1,"defaultValue":2,"options":[3]}}`},
		{"not customizable", `{"a":{"value":1}}`, `{"a":{"value":2}}`, `{"a":{"value":1}}`},
		{"customizable", `{"a":{"customizable":true,"value":1,"options":[1,2]}}`, `{"a":{"value":2}}`, `{"a":{"customizable":true,"value":2}}`},
		{"customizable, truthy in JavaScript", `{"a":{"customizable":1,"value":1},"b":{"customizable":"","value":1}}`, `{"a":{"value":2},"b":{"value":2}}`,
			`{"a":{"customizable":true,"value":2},"b":{"customizable":"","value":1}}`},
		{"removed", `{"a":{"isRemoved":true,"customizable":true,"value":1},"b":{"isRemoved":"yes"},"c":{"isRemoved":false,"value":1}}`, `{"a":{"value":2},"b":{"value":2}}`,
			`{"c":{"isRemoved":false,"value":1}}`},
		{"no values", `{"a":{"customizable":true}}`, `{"a":{}}`, `{"a":{"customizable":true}}`},
		{"values that are null", `{"a":{"customizable":true}}`, `{"a":{"value":null,"options":null}}`, `{"a":{"customizable":true,"value":null,"options":null}}`},
		{"null is absent", `{"a":null,"b":null,"c":{"customizable":true,"value":1}}`, `{"a":{"value":2},"b":null,"c":null}`,
			`{"a":{"customizable":true,"value":2},"c":{"customizable":true,"value":1}}`},
		{"entries that are not objects", `{"a":1,"b":[2],"c":"x"}`, `{"a":{"value":2},"d":5,"e":[1]}`, `{"a":1,"b":[2],"c":"x","d":{"customizable":true},"e":{"customizable":true}}`},
		{"names with a meaning in JavaScript", `{"__proto__":{"value":1}}`, `{"constructor":{"value":2}}`, `{"__proto__":{"value":1},"constructor":{"customizable":true,"value":2}}`},
		{"names in another case", `{"a":{"IsRemoved":true,"Customizable":true,"value":1}}`, `{"a":{"value":2}}`, `{"a":{"IsRemoved":true,"Customizable":true,"value":1}}`},
		{"text that an encoder would change", `{"a&":{"value":"<\u00e9>"}}`, `{"b":{"value":12345678901234567890.10}}`,
			`{"a&":{"value":"<\u00e9>"},"b":{"customizable":true,"value":12345678901234567890.10}}`},

		{"plugin, only the person has it", `{}`, plugin(`{"k":{"value":1}}`), plugin(`{"k":{"value":1}}`)},
		{"plugin without a configuration", `{}`, plugin(`{}`), plugin(`{}`)},
		{"plugin, the organisation has none", plugin(`{}`), plugin(`{"k":{"value":1}}`), plugin(`{"k":{"value":1}}`)},
		{"plugin, the person has none", plugin(`{"k":{"value":1,"customizable":false}}`), plugin(`{}`), plugin(`{"k":{"value":1,"customizable":false}}`)},
		{"plugin of a person who has no value", plugin(`{"k":{"value":1}}`), `{"plugin_p":{}}`, `{"plugin_p":{"customizable":true,"value":{"config":{"k":{"value":1}}}}}`},
		{"plugin, not customizable", plugin(`{"k":{"value":1}}`), plugin(`{"k":{"value":2}}`), plugin(`{"k":{"value":1}}`)},
		{"plugin, customizable", plugin(`{"k":{"customizable":true,"value":1}}`), plugin(`{"k":{"value":2,"x":3}}`), plugin(`{"k":{"customizable":true,"value":2,"x":3}}`)},
		{"plugin, the person's is empty", plugin(`{"k":{"customizable":true,"value":1}}`), plugin(`{"k":{"value":""}}`), plugin(`{"k":{"customizable":true,"value":1}}`)},
		{"plugin, both are empty", plugin(`{"k":{"customizable":true,"value":0}}`), plugin(`{"k":{"value":""}}`), plugin(`{"k":{"customizable":true,"value":""}}`)},
		{"plugin, entries of one side", plugin(`{"a":{"value":1}}`), plugin(`{"b":{"value":2,"customizable":false}}`), plugin(`{"a":{"value":1},"b":{"customizable":true,"value":2}}`)},
		{"plugin, null is absent", plugin(`{"a":null,"b":{"customizable":true,"value":1},"c":null}`), plugin(`{"a":{"value":2},"b":null,"d":null}`),
			plugin(`{"a":{"customizable":true,"value":2},"b":{"customizable":true,"value":1}}`)},
		{"plugin, entries that are not objects", plugin(`{"a":{"customizable":true}}`), plugin(`{"a":5,"b":"x"}`), plugin(`{"a":5,"b":"x"}`)},
		{"plugin that is fixed", `{"plugin_p":{"value":{"config":{"k":{"customizable":true}}}}}`, plugin(`{"k":{"value":2}}`), `{"plugin_p":{"value":{"config":{"k":{"customizable":true}}}}}`},
		{"plugin that is removed", `{"plugin_p":{"isRemoved":true}}`, plugin(`{"k":{"value":2}}`), `{}`},
		{"not a plugin", `{"p":{"customizable":true,"value":{"config":{"k":{"value":1}}}}}`, `{"p":{"value":{"config":{"k":{"value":2}}}}}`,
			`{"p":{"customizable":true,"value":{"config":{"k":{"value":2}}}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := settings.Layer(c.org, c.own)
			if err != nil || !sameJSON(got, c.want) {
				t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestLayerKeepsValuesAsTheyAre(t *testing.T) {
	t.Parallel()
	const odd = `[12345678901234567890.10,1e999,"<&>\u00e9\ud800é\/"]`
	got, err := settings.Layer(`{"a":{"value":`+odd+`},"plugin_a":{"customizable":true,"value":{"config":{"o":`+odd+`}}}}`,
		`{"b":{"value": `+odd+`},"plugin_a":{"value":{"config":{"k":{"value":1,"o":`+odd+`}},"o":`+odd+`}}}`)
	if err != nil || strings.Count(got, odd) != 5 {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestHostileSettings(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for _, c := range []struct{ name, own, want string }{
		{"deep", deep(100), ""},
		{"too deep", deep(101), "The body's own is nested more than 100 levels deep."},
		{"as deep as JSON goes", deep(10_000), "The body's own is nested more than 100 levels deep."},
		{"lists", `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "The body's own is nested more than 100 levels deep."},
		{"brackets in strings", `{"a":{"value":"` + strings.Repeat(`[{\"`, 500) + `"}}`, ""},
		{"large", `{"a":"` + strings.Repeat("x", 64<<10-8) + `"}`, ""},
		{"too large", `{"a":"` + strings.Repeat("x", 64<<10-7) + `"}`, "The settings are larger than 64 KB."},
		{"blanks", `{"a":` + strings.Repeat(" ", 64<<10) + `1}`, ""},
		{"a list", `[]`, "The body's own is of the wrong type."},
		{"a string", `"{}"`, "The body's own is of the wrong type."},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := settings.Layer(`{}`, c.own)
			var refusal *crmgate.Refusal
			if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &refusal) || refusal.Message != c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestTruthy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, "null": false, "false": false, `""`: false, "0": false, "-0": false, "0.0e5": false, "1e-999": false,
		"true": true, "1": true, "-1": true, "1e999": true, `"0"`: true, `"false"`: true, "[]": true, "{}": true, `" "`: true,
	} {
		if got := settings.Truthy(text); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

// sameJSON compares JSON, numbers by their digits.
func sameJSON(a, b string) bool {
	x, y := loose(a), loose(b)
	return x != nil && reflect.DeepEqual(x, y)
}

// loose decodes a JSON object without the code under test. It returns nil for other JSON.
func loose(s string) map[string]any {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var m map[string]any
	if d.Decode(&m) != nil {
		return nil
	}
	return m
}

// FuzzLayer: an entry that is not customizable is the organisation's. A removed entry is absent. A customizable entry has the
// person's value. There are no other entries.
func FuzzLayer(f *testing.F) {
	f.Add(`{"a":{"value":1},"b":{"isRemoved":true},"c":{"customizable":true,"value":[1]}}`, `{"a":{"value":2},"b":{},"c":{"value":{"x":1e400}},"d":3}`)
	f.Add(`{"plugin_a":{"customizable":true,"value":{"config":{"k":{"value":1},"l":{"customizable":true,"value":1},"m":null}}}}`,
		`{"plugin_a":{"value":{"config":{"k":{"value":2},"l":{"value":""},"m":{"value":3},"n":[]}}},"plugin_b":{"value":"x"}}`)
	f.Add(`{"":null}`, strings.Repeat(`{"":`, 100)+"null"+strings.Repeat("}", 100))
	f.Fuzz(func(t *testing.T, org, own string) {
		theirs, mine := loose(org), loose(own)
		if theirs == nil || mine == nil || !json.Valid([]byte(org)) || !json.Valid([]byte(own)) {
			return
		}
		out, err := settings.Layer(org, own)
		var refusal *crmgate.Refusal
		if errors.As(err, &refusal) {
			return
		}
		got := loose(out)
		if err != nil || got == nil {
			t.Fatalf("%s over %s: %q, %v", org, own, out, err)
		}
		for name, entry := range theirs {
			e, _ := entry.(map[string]any)
			shown, there := got[name]
			switch {
			case entry == nil:
			case on(e["isRemoved"]):
				if there {
					t.Errorf("%s over %s: %q was removed", org, own, name)
				}
			case !on(e["customizable"]) || mine[name] == nil:
				if !reflect.DeepEqual(shown, entry) {
					t.Errorf("%s over %s: %q is %v, and the organisation's is %v", org, own, name, shown, entry)
				}
			case strings.HasPrefix(name, "plugin_"):
				wantConfig(t, e, shown)
			}
		}
		for name, shown := range got {
			e, _ := theirs[name].(map[string]any)
			if theirs[name] != nil && (!on(e["customizable"]) || mine[name] == nil) || strings.HasPrefix(name, "plugin_") {
				continue // checked above
			}
			m, _ := mine[name].(map[string]any)
			s, _ := shown.(map[string]any)
			if mine[name] == nil || s["customizable"] != true || !reflect.DeepEqual(s["value"], m["value"]) {
				t.Errorf("%s over %s: %q is %v, and the person's is %v", org, own, name, shown, mine[name])
			}
		}
		for name, entry := range mine {
			if _, there := got[name]; !there && entry != nil && theirs[name] == nil {
				t.Errorf("%s over %s: the person's %q is missing", org, own, name)
			}
		}
	})
}

// wantConfig checks that the entries of a plugin's configuration that are not customizable are the organisation's.
func wantConfig(t *testing.T, org map[string]any, shown any) {
	value, _ := org["value"].(map[string]any)
	config, _ := value["config"].(map[string]any)
	s, _ := shown.(map[string]any)
	v, _ := s["value"].(map[string]any)
	got, _ := v["config"].(map[string]any)
	for name, entry := range config {
		if e, _ := entry.(map[string]any); entry != nil && !on(e["customizable"]) && !reflect.DeepEqual(got[name], entry) {
			t.Errorf("%q of the configuration is %v, and the organisation's is %v", name, got[name], entry)
		}
	}
}

// on reports whether JavaScript treats a value as true.
func on(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case json.Number:
		n, err := v.Float64()
		return err != nil || n != 0
	}
	return true
}
