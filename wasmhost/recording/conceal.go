package recording

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Secret is a value that a recording must not contain, and what takes its place. Handle is made of characters that JSON need not escape.
type Secret struct{ Handle, Value string }

// Shortest is the Shortest value to look for, in bytes. A shorter one occurs in ordinary text.
const Shortest = 6

// Masked replaces what an encoding has of a secret, where a handle would not be decoded.
const Masked = "[secret]"

// errConceal means that a secret could not be taken out.
var errConceal = errors.New("a secret in it could not be replaced")

// conceal replaces the secrets in all texts of the recording: the ones it is given, and those that look like secrets by their names.
func (r *Recording) conceal(secrets []Secret) error {
	c := &concealer{}
	for _, s := range append(slices.Clone(secrets), r.looksSecret()...) {
		c.add(s)
	}
	for _, text := range r.texts() {
		changed := c.replace(*text)
		if json.Valid([]byte(*text)) && !json.Valid([]byte(changed)) || c.finds(changed) {
			return errConceal
		}
		*text = changed
	}
	return nil
}

// texts are the texts that can contain secrets.
func (r *Recording) texts() []*string {
	all := []*string{&r.Input, &r.End.Output, &r.End.Problem, &r.End.Reason, &r.Call.Stack}
	for i := range r.Fetches {
		all = append(all, &r.Fetches[i].Request, &r.Fetches[i].Answer)
	}
	for i := range r.Config {
		all = append(all, &r.Config[i].Name, &r.Config[i].Value)
	}
	for i := range r.Derived {
		all = append(all, &r.Derived[i].Request, &r.Derived[i].Handle)
	}
	for i := range r.Log {
		all = append(all, &r.Log[i].Text)
	}
	return all
}

// concealer replaces secrets.
type concealer struct{ patterns []pattern }

type pattern struct{ text, instead string }

// add adds a secret. The first handle of a value counts.
func (c *concealer) add(s Secret) {
	if len(s.Value) < Shortest {
		return
	}
	add := func(text, instead string) {
		if !slices.ContainsFunc(c.patterns, func(p pattern) bool { return p.text == text }) {
			c.patterns = append(c.patterns, pattern{text, instead})
		}
	}
	add(s.Value, s.Handle)
	if strings.Contains(s.Value, " ") { // of a form
		add(strings.ReplaceAll(s.Value, " ", "+"), s.Handle)
	}
	digits := hex.EncodeToString([]byte(s.Value))
	add(digits, Masked)
	add(strings.ToUpper(digits), Masked)
	for before := range 3 { // the bytes of other text in front, in the first group of three
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			e := alphabet.EncodeToString([]byte("\x00\x00"[:before] + s.Value))
			add(e[(before*8+5)/6:(before+len(s.Value))*8/6], Masked) // the characters that only depend on the value
		}
	}
}

// units decode the first character of a text: they append its bytes, and return how many bytes of the text it took.
type unit func(to, text []byte) ([]byte, int)

// viewsOf returns the ways to read a text: as it is, and after one or several encodings. A body is JSON in the JSON of its document.
func viewsOf(text string) [][]unit {
	all := [][]unit{nil}
	escaped := strings.Contains(text, `\`)
	if escaped {
		all = append(all, []unit{jsonUnit}, []unit{jsonUnit, jsonUnit}, []unit{jsonUnit, jsonUnit, jsonUnit})
	}
	if escaped || strings.Contains(text, "%") {
		all = append(all, []unit{percentUnit}, []unit{percentUnit, percentUnit}, []unit{jsonUnit, percentUnit}, []unit{jsonUnit, jsonUnit, percentUnit},
			[]unit{percentUnit, jsonUnit})
	}
	return all
}

// replace returns a text without the secrets. All views are looked at before anything is replaced: a secret in one of them can have
// another one in it, and its rest would remain.
func (c *concealer) replace(text string) string {
	var found []match
	for _, v := range viewsOf(text) {
		found = append(found, c.look(text, v)...)
	}
	if n := c.cut(text); n > 0 {
		found = append(found, match{len(text) - n, len(text), Masked})
	}
	var b strings.Builder
	done := 0
	for _, m := range merged(found) {
		b.WriteString(text[done:m.from])
		b.WriteString(m.instead)
		done = m.to
	}
	b.WriteString(text[done:])
	return b.String()
}

// cut returns how many bytes at the end of a text begin a secret: a long line of a log was cut.
func (c *concealer) cut(text string) (longest int) {
	for _, p := range c.patterns {
		for n := min(len(p.text), len(text)); n >= Shortest && n > longest; n-- {
			if strings.HasSuffix(text, p.text[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// finds reports whether a text has a secret, also in a part that is base64 as a whole.
func (c *concealer) finds(text string) bool {
	for _, v := range viewsOf(text) {
		if len(c.look(text, v)) > 0 {
			return true
		}
	}
	var doc struct {
		BodyBase64 []byte `json:"bodyBase64"`
	}
	return json.Unmarshal([]byte(text), &doc) == nil && len(doc.BodyBase64) > 0 && c.finds(string(doc.BodyBase64))
}

// look returns the secrets in a text that a view decodes, with their places in the text.
func (c *concealer) look(text string, v []unit) (found []match) {
	seen := []byte(text)
	at := make([]int, len(seen)+1)
	for i := range at {
		at[i] = i
	}
	for _, u := range v {
		seen, at = decoded(seen, at, u)
	}
	decoded := string(seen)
	for _, p := range c.patterns {
		for from := 0; ; {
			i := strings.Index(decoded[from:], p.text)
			if i < 0 {
				break
			}
			found = append(found, match{at[from+i], at[from+i+len(p.text)], p.instead})
			from += i + 1 // the next one may overlap with it
		}
	}
	return found
}

// decoded decodes a text, and finds out where each byte comes from.
func decoded(text []byte, from []int, u unit) (out []byte, at []int) {
	for i := 0; i < len(text); {
		var n int
		out, n = u(out, text[i:])
		for len(at) < len(out) {
			at = append(at, from[i])
		}
		i += n
	}
	return out, append(at, from[len(text)])
}

// match is a range of a text that is replaced.
type match struct {
	from, to int
	instead  string
}

// merged returns ranges in order. Those that overlap become one, with the handle of a secret that covers all of it.
func merged(found []match) (all []match) {
	slices.SortStableFunc(found, func(a, b match) int { return cmp.Or(a.from-b.from, b.to-a.to) })
	for _, m := range found {
		if len(all) == 0 || m.from >= all[len(all)-1].to {
			all = append(all, m)
			continue
		}
		if last := &all[len(all)-1]; m.to > last.to {
			last.to, last.instead = m.to, Masked
		}
	}
	return all
}

// percentUnit decodes one character of a percent-encoded text.
func percentUnit(to, text []byte) ([]byte, int) {
	if len(text) >= 3 && text[0] == '%' {
		if b, err := strconv.ParseUint(string(text[1:3]), 16, 8); err == nil {
			return append(to, byte(b)), 3
		}
	}
	return append(to, text[0]), 1
}

// jsonUnit decodes one character of a JSON string.
func jsonUnit(to, text []byte) ([]byte, int) {
	if len(text) < 2 || text[0] != '\\' {
		return append(to, text[0]), 1
	}
	if i := strings.IndexByte(`"\/bfnrt`, text[1]); i >= 0 {
		return append(to, "\"\\/\b\f\n\r\t"[i]), 2
	}
	r, ok := codeUnit(text)
	if !ok {
		return append(to, text[0]), 1
	}
	if low, ok := codeUnit(text[6:]); ok && utf16.IsSurrogate(r) {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return utf8.AppendRune(to, pair), 12
		}
	}
	return utf8.AppendRune(to, r), 6
}

// codeUnit reads the escape \uXXXX at the beginning of a text.
func codeUnit(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n), err == nil
}
