package manifest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/crmgate/crmgate/manifest"
)

func notes(text string) (string, error) {
	ms, err := parse(map[string]string{"releaseNotes": text, "law": law})
	if err != nil {
		return "", err
	}
	return string(ms.ReleaseNotes()), nil
}

func TestReleaseNotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"empty", `{}`, `{}`},
		{"the file's order", `{"1.9.0": {"law": []}, "1.10.0": {"zoo": [], "law": []}, "1.2.0": {}}`,
			`{"1.9.0":{"global":[],"law":[]},"1.10.0":{"global":[],"zoo":[],"law":[]},"1.2.0":{"global":[]}}`},
		{"the file's own global notes, first", `{"2.0.0": {"law": [1], "global": [{"type": "New", "description": "a & <b>"}]}}`,
			`{"2.0.0":{"global":[{"type":"New","description":"a & <b>"}],"law":[1]}}`},
		{"a byte order mark, long numbers and escapes", "\uFEFF" + `{"1": {"law": [12345678901234567890, "\u00e4"]}}`,
			`{"1":{"global":[],"law":[12345678901234567890,"\u00e4"]}}`},
	} {
		if got, err := notes(c.text); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v; want %s", c.name, got, err, c.want)
		}
	}
	ms, err := parse(map[string]string{"law": law})
	if err != nil || string(ms.ReleaseNotes()) != "{}" {
		t.Errorf("without a file: %s, %v", ms.ReleaseNotes(), err)
	}
	// It is not a manifest.
	ms, err = parse(map[string]string{"releaseNotes": `{"1.0.0": {}}`})
	if err != nil || len(ms.Platforms()) != 0 {
		t.Errorf("got %v, %v", ms.Platforms(), err)
	}
	if doc, ok := ms.Published("releaseNotes"); ok {
		t.Errorf("it is published as a manifest: %s", doc)
	}
}

func TestInvalidReleaseNotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", `releaseNotes.json: expected JSON, got an error in line 1, column 0: unexpected end of JSON input`},
		{"{\n\"1.0.0\": }", `releaseNotes.json: expected JSON, got an error in line 2, column 10: invalid character '}' looking for beginning of value`},
		{`[]`, `releaseNotes.json: expected an object, got a list`},
		{`{"1.0.0": []}`, `releaseNotes.json: 1.0.0: expected an object, got a list`},
		{`{"1.0.0": null}`, `releaseNotes.json: 1.0.0: expected an object of platforms, got nothing`},
		{`{"1.0.0": {"law": "x"}}`, `releaseNotes.json: 1.0.0.law: expected a list, got "x"`},
		{`{"1.0.0": {"global": null}}`, `releaseNotes.json: 1.0.0.global: expected a list, got nothing`},
		{`{"1.0.0": {}, "1.0.0": {}}`, `releaseNotes.json: 1.0.0: this member occurs twice: remove one`},
		{`{"1.0.0": {"law": [], "law": []}}`, `releaseNotes.json: 1.0.0.law: this member occurs twice: remove one`},
	} {
		_, err := notes(c.text)
		if wrong, ok := errors.AsType[*manifest.Error](err); !ok || wrong.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

// FuzzParseReleaseNotes checks that a document is refused with its place, or that reading the result again changes nothing.
func FuzzParseReleaseNotes(f *testing.F) {
	f.Add([]byte(`{"1.10.0": {"law": [{"type": "New"}]}, "1.9.0": {"global": [1]}}`))
	f.Add([]byte("\uFEFF" + `{"\u0031": {"": [" "], "a": []}, "1": {}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ms, err := manifest.Parse(map[string][]byte{"releaseNotes": b}, publicURL)
		if err != nil {
			if wrong, ok := errors.AsType[*manifest.Error](err); !ok || wrong.File != "releaseNotes.json" || wrong.Want == "" {
				t.Errorf("%v names no place", err)
			}
			return
		}
		var versions map[string]map[string][]any
		if err := json.Unmarshal(ms.ReleaseNotes(), &versions); err != nil {
			t.Fatalf("%q became %q: %v", b, ms.ReleaseNotes(), err)
		}
		for v, notes := range versions {
			if notes["global"] == nil {
				t.Errorf("%q: no global notes in %q", v, ms.ReleaseNotes())
			}
		}
		again, err := manifest.Parse(map[string][]byte{"releaseNotes": ms.ReleaseNotes()}, publicURL)
		if err != nil || !bytes.Equal(again.ReleaseNotes(), ms.ReleaseNotes()) {
			t.Errorf("%q became %q, and that %v", b, ms.ReleaseNotes(), err)
		}
	})
}
