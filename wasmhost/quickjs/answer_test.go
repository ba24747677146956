package quickjs

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
)

// TestSplitAnswer: the documents of the host are split if the body is text, and are the same afterwards.
func TestSplitAnswer(t *testing.T) {
	t.Parallel()
	type headers = map[string]string
	type answer struct {
		Status     int     `json:"status"`
		Headers    headers `json:"headers"`
		Body       *string `json:"body,omitempty"`
		BodyBase64 []byte  `json:"bodyBase64,omitempty"`
	}
	text := func(s string) *string { return &s }
	for name, tt := range map[string]struct {
		answer answer
		split  bool
	}{
		"JSON":                        {answer{Status: 200, Headers: headers{"date": "now"}, Body: text(`{"a":"b\"\\\n","body":"c"}`)}, true},
		"an empty body":               {answer{Status: 204, Headers: headers{}, Body: text("")}, true},
		"control characters":          {answer{Status: 200, Headers: headers{}, Body: text("\x00\x01\x1f\x7f\t\r\n\b\f")}, true},
		"characters of HTML":          {answer{Status: 200, Headers: headers{}, Body: text("<a href='/?b&c'>\u2028\u2029é😀\ufffd")}, true},
		"a backslash at the end":      {answer{Status: 200, Headers: headers{}, Body: text(`\`)}, true},
		"bytes":                       {answer{Status: 200, Headers: headers{}, BodyBase64: []byte{255}}, false},
		"a header body":               {answer{Status: 200, Headers: headers{"age": "1", "body": "x"}, Body: text("y")}, false},
		"a header body, and no other": {answer{Status: 200, Headers: headers{"age": "1", "body": "x"}, BodyBase64: []byte{255}}, false},
		"nothing but a header body":   {answer{Status: 200, Headers: headers{"age": "1", "body": "x"}}, false},
	} {
		document, err := crmgate.EncodeJSON(tt.answer)
		if err != nil {
			t.Fatal(err)
		}
		parts := splitAnswer(string(document))
		if split := len(parts) == 2; split != tt.split {
			t.Errorf("%s: got %q", name, parts)
		}
		checkSame(t, string(document), parts)
	}
}

// checkSame checks that the parts of a document have what the document has.
func checkSame(t *testing.T, document string, parts []string) {
	t.Helper()
	var want, got map[string]any
	if err := json.Unmarshal([]byte(document), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(parts[0]), &got); err != nil {
		t.Fatalf("%q: the rest is %q: %v", document, parts[0], err)
	}
	if len(parts) == 2 {
		got["body"] = parts[1]
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q: got %q", document, parts)
	}
}

// FuzzSplitAnswer checks that a document is the same after it was split, whatever is in it.
func FuzzSplitAnswer(f *testing.F) {
	for _, s := range []string{
		`{"status":200,"headers":{},"body":"{\"a\":1}"}`, `{"a":1,"body":"\/\b\f\u00e9"}`, `{"a":1,"body":"\ud83d\ude00\ud800"}`, `{"a":1,"body":"x"}}`,
		`{"a":{"a":1,"body":"x"}}`, `{"a":{"a":1,"body":"x"},"b":"y"}`, `{"a":1,"body":"\\"}`, `{"a":",\"body\":\"b"}`, `{"a":1,"body":"a","body":"b"}`, `[1,"body"]`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, document string) {
		var object map[string]any
		if utf8.ValidString(document) && json.Unmarshal([]byte(document), &object) == nil && object != nil {
			checkSame(t, document, splitAnswer(document))
		}
	})
}
