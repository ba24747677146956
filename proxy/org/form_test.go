package org_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/storage"
)

// canary stands for a credential in the input: no error may repeat it.
const canary = "canary-4f1c9be2"

// FuzzForm: the connector gets an object for any input of a form, and no refusal repeats the input.
func FuzzForm(f *testing.F) {
	f.Add(`{"apiKey":"`+canary+`","region":"eu"}`, "apiKey")
	f.Add(`{"apiKey":null,"region":{"a":[1]}}`, canary)
	f.Add(`["`+canary+`"]`, "")
	f.Add(`"`+canary+`"`, "")
	f.Add(`{"apiKey":"`+canary, "")
	f.Add(`null`, "")
	f.Fuzz(func(t *testing.T, info, key string) {
		fields := []manifest.FormField{{Const: "apiKey", Required: true}, {Const: "region", Required: true}, {Const: "note"}}
		form, err := org.ReadForm(crmgate.NewSecret(info), crmgate.NewSecret(key))
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %v", info, err)
			}
			return
		}
		out, got, missing := form.Secret().Reveal(), form.Text("apiKey"), form.Missing(fields)
		var all map[string]any
		if json.Unmarshal([]byte(out), &all) != nil || all == nil {
			t.Fatalf("%s became %s", info, out)
		}
		if s, _ := all["apiKey"].(string); s != got {
			t.Errorf("the key is %q, and the connector gets %s", got, out)
		}
		if key != "" && utf8.ValidString(key) && all["apiKey"] == nil {
			t.Errorf("%s: the key %q was lost", info, key)
		}
		for _, name := range []string{"apiKey", "region", "note"} {
			v := all[name]
			if empty := v == nil || v == ""; (empty && name != "note") != slices.Contains(missing, name) {
				t.Errorf("%s: missing %v", out, missing)
			}
		}
	})
}

// FuzzFillForm: a managed field holds the stored value, the submitted one as a text, or nothing. The connector gets the same
// values that are kept for the person. No refusal repeats the input.
func FuzzFillForm(f *testing.F) {
	f.Add(`{"a":"`+canary+`","b":"x","c":{"d":1}}`, "stored", false)
	f.Add(`{"a":"********","b":7,"c":"********"}`, "", true)
	f.Add(`{"a":["`+canary+`"],"b":null}`, "stored", true)
	f.Add(`{"b":" ******** ","a":true}`, "", false)
	f.Fuzz(func(t *testing.T, info, stored string, failed bool) {
		fields := []manifest.FormField{
			{Const: "a", Managed: true, Scope: manifest.AccountScope}, {Const: "b", Managed: true, Scope: manifest.UserScope}, {Const: "c"},
		}
		there := storage.Fields{Account: storage.FieldValues{}, Extension: storage.FieldValues{}, Failed: failed}
		if stored = strings.ToValidUTF8(stored, ""); stored != "" {
			there.Account["a"] = crmgate.NewSecret(stored)
		}
		out, own, err := org.FillForm(crmgate.NewSecret(info), fields, there)
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %v", info, err)
			}
			return
		}
		var all map[string]any
		if json.Unmarshal([]byte(out), &all) != nil || all == nil {
			t.Fatalf("%s became %s", info, out)
		}
		for name, kept := range map[string]crmgate.Secret{"a": own.Account["a"], "b": own.Extension["b"]} {
			v, given := all[name]
			s, isText := v.(string)
			switch {
			case given && (!isText || s == "" || strings.TrimSpace(s) == "********" && s != stored):
				t.Errorf("%s became %s", info, out)
			case !kept.IsZero() && kept.Reveal() != s:
				t.Errorf("%s: %s is kept, and the connector gets %s", info, name, out)
			case kept.IsZero() && given && (name == "b" || s != stored):
				t.Errorf("%s: %s is not stored, and the connector gets %s", info, name, out)
			case name == "a" && stored != "" && !failed && s != stored:
				t.Errorf("%s: the connector gets %s, want the stored value", info, out)
			}
		}
	})
}

// FuzzFieldValues: submitted values are read as texts within bounds. No refusal repeats one.
func FuzzFieldValues(f *testing.F) {
	for _, s := range []string{``, `null`, `{"a":"` + canary + `","b":1e9,"c":false,"d":null,"e":"********"}`, `{"a":["` + canary + `"]}`, `["` + canary, `{"":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, object string) {
		values, err := org.ReadFieldValues(object)
		if err != nil {
			named := strings.Contains(object, canary+`":`) || strings.Contains(object, canary+`" :`) // a refusal names the field
			if strings.Contains(err.Error(), canary) && !named {
				t.Errorf("%s: %v", object, err)
			}
			return
		}
		for name, v := range values {
			s := v.Reveal()
			if s == "" || len(s) > 8<<10 || len(name) > 256 || !utf8.ValidString(s) || s[0] == '{' && !strings.Contains(object, `"`) {
				t.Errorf("%q: %q is %q", object, name, s)
			}
		}
		if len(values) > storage.MaxFields {
			t.Errorf("%d values", len(values))
		}
	})
}
