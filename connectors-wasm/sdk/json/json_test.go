package json_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
)

const answer = ` {"data": {"id": 90071992547409931234, "name": "A\u0064a \"L\"", "none": null, "active": true, "rate": -2.5e1,
	"tags": ["a", {"b": [[]]}, "c"], "a.b": 1, "id2": "x7"}, "data2": [ ]} `

func TestValuesAreLookedUpByTheirNames(t *testing.T) {
	t.Parallel()
	v := json.Parse(answer)
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"a number keeps its digits", v.Text("data", "id"), "90071992547409931234"},
		{"a string as text", v.Text("data", "id2"), "x7"},
		{"a string with escapes", v.String("data", "name"), `Ada "L"`},
		{"a boolean", v.Bool("data", "active"), true},
		{"a number with a fraction", v.Float("data", "rate"), -25.0},
		{"a whole number", v.Int("data", "a.b"), int64(1)},
		{"null", v.String("data", "none"), ""},
		{"a member that is missing", v.Text("data", "nothing"), ""},
		{"a member of one that is missing", v.Int("nothing", "id"), int64(0)},
		{"a member of null", v.Bool("data", "none", "id"), false},
		{"the name in capitals", v.String("data", "NAME"), ""},
		{"null does not exist", v.Get("data", "none").Exists(), false},
		{"false exists", json.Parse("false").Exists(), true},
		{"the text of a value", v.Get("data", "tags").Raw(), `["a", {"b": [[]]}, "c"]`},
		{"the text of a value that is missing", v.Get("x").Raw(), ""},
		{"the zero value", json.Value{}.Get("x", "y").String("z"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
	if err := errors.Join(v.Err(), json.Value{}.Err()); err != nil {
		t.Error(err)
	}
}

func TestLoops(t *testing.T) {
	t.Parallel()
	v := json.Parse(answer)
	var items, names []string
	for item := range v.Items("data", "tags") {
		items = append(items, item.Raw())
	}
	for name := range v.Members("data") {
		names = append(names, name)
		if name == "none" {
			break
		}
	}
	for range v.Items("data2") {
		t.Error("an empty list has an item")
	}
	for range v.Members("data", "none") {
		t.Error("null has a member")
	}
	if want := []string{`"a"`, `{"b": [[]]}`, `"c"`}; !slices.Equal(items, want) {
		t.Errorf("got %q, want %q", items, want)
	}
	if want := []string{"id", "name", "none"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if err := v.Err(); err != nil {
		t.Error(err)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{``, "byte 0 is the end, too early"},
		{`{"a": [1, 2`, "byte 11 is the end, too early"},
		{`"a`, "byte 2 is the end, too early"},
		{`"\u12`, "byte 5 is the end, too early"},
		{`<html>`, "byte 0 is not a value"},
		{`{"a":}`, "byte 5 is not a value"},
		{`[1,]`, "byte 3 is not a value"},
		{`[-]`, "byte 2 is not a value"},
		{`nul`, "byte 0 is not a value"},
		{`truer`, "byte 4 is after the end of the document"},
		{`{} {}`, "byte 3 is after the end of the document"},
		{`01`, "byte 1 is after the end of the document"},
		{"1\x00", "byte 1 is after the end of the document"},
		{`{"a":1,}`, "byte 7 is not the name of a member"},
		{`{a:1}`, "byte 1 is not the name of a member"},
		{`{"a" 1}`, "byte 5 is not a colon"},
		{`[1 2]`, "byte 3 is neither a comma nor the closing bracket"},
		{`[1}`, "byte 2 is neither a comma nor the closing bracket"},
		{`{"a":[}]`, "byte 6 is not a value"},
		{`[1.]`, "byte 3 is not a digit"},
		{`[1e+]`, "byte 4 is not a digit"},
		{"\"a\nb\"", "byte 2 is a control character in a string"},
		{`"\x"`, "byte 2 is not an escape"},
		{`"\u12g4"`, "byte 5 is not a hexadecimal digit"},
		{strings.Repeat("[", 10_001), "byte 10000 is nested too deep"},
		{"[" + strings.Repeat("0,", 1<<20) + "0]", "byte 2097149 is beyond what a document may have"},
	} {
		v := json.Parse(c.text)
		if err := v.Err(); err == nil || err.Error() != "the document is not the JSON that was expected: "+c.want {
			t.Errorf("%.20s: got %v, want %s", c.text, err, c.want)
		}
		if v.Get("a").Exists() || v.Raw() != "" {
			t.Errorf("%.20s has a value", c.text)
		}
	}
	if err := json.Parse(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)).Err(); err != nil {
		t.Error(err)
	}
}

func TestAnotherTypeIsAnError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		read func(json.Value)
		want string
	}{
		{"an object in place of a string", func(v json.Value) { v.String("o") }, "o at byte 6 is an object, want a string"},
		{"a number in place of a string", func(v json.Value) { v.String("o", "n") }, "o.n at byte 11 is a number, want a string"},
		{"a list in place of a text", func(v json.Value) { v.Text("l") }, "l at byte 20 is a list, want a string or a number"},
		{"a string in place of an object", func(v json.Value) { v.String("s", "x", "y") }, "s at byte 39 is a string, want an object"},
		{"a string in place of a number", func(v json.Value) { v.Int("s") }, "s at byte 39 is a string, want a number"},
		{"a string in place of a boolean", func(v json.Value) { v.Bool("s") }, "s at byte 39 is a string, want true or false"},
		{"a boolean in place of a number", func(v json.Value) { v.Float("b") }, "b at byte 48 is true or false, want a number"},
		{"a fraction", func(v json.Value) { v.Int("o", "n") }, "o.n at byte 11 is not a whole number of 64 bits"},
		{"too large a number", func(v json.Value) { v.Float("big") }, "big at byte 61 is too large a number"},
		{"an object in place of a list", func(v json.Value) { all(v.Items("o")) }, "o at byte 6 is an object, want a list"},
		{"a list in place of an object", func(v json.Value) { v.Members("l")(nil) }, "l at byte 20 is a list, want an object"},
		{"an item of a list", func(v json.Value) { v.Items("l")(func(v json.Value) bool { v.String("x", "y"); return true }) }, "x at byte 26 is a number, want an object"},
		{"the first error of several", func(v json.Value) { v.String("o"); v.String("l") }, "o at byte 6 is an object, want a string"},
	} {
		v := json.Parse(`{"o": {"n":1.5},"l":[{"x":1}, {}], "s":"", "b": false, "big":1e999}`)
		c.read(v)
		if err := v.Err(); err == nil || err.Error() != "the document is not the JSON that was expected: "+c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func all(items func(func(json.Value) bool)) { items(func(json.Value) bool { return true }) }

func TestAppend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "null"},
		{true, "true"},
		{-7, "-7"},
		{int64(math.MaxInt64), "9223372036854775807"},
		{5.5, "5.5"},
		{1e7, "10000000"},
		{1e21, "1e+21"},
		{json.Parse(" [1 ] "), "[1 ]"},
		{json.Value{}, "null"},
		{"a\"\\\n\r\t\x01é\xff<", `"a\"\\\n\r\t\u0001é` + "\ufffd" + `<"`},
		{map[string]any{"b": []any{1, "x"}, "a": map[string]string{"c": "d"}, "e": []string{"f"}}, `{"a":{"c":"d"},"b":[1,"x"],"e":["f"]}`},
	} {
		if got, err := json.Append([]byte("x"), c.v); err != nil || string(got) != "x"+c.want {
			t.Errorf("got %s (%v), want x%s", got, err, c.want)
		}
	}
	for _, v := range []any{struct{}{}, math.NaN(), math.Inf(-1), []any{map[string]any{"a": int8(1)}}} {
		if got, err := json.Append(nil, v); err == nil {
			t.Errorf("%v is written as %s", v, got)
		}
	}
}
