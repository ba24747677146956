package handles

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// shortest is the shortest value to look for, in bytes. A shorter one occurs in ordinary text.
const shortest = 6

// masked is what a secret is replaced by if there is no handle.
const masked = "[secret]"

// pattern is an encoding of a secret.
type pattern struct{ text, instead string }

// Strip replaces the secrets that the guest must not see: by their handles in plain, JSON-escaped and percent-encoded text, and by
// "[secret]" in hex and base64.
func (s *Secrets) Strip(text string) string {
	if !s.opaque() || len(s.hidden) == 0 {
		return text
	}
	return stripped(text, s.patterns())
}

// Redact replaces all secrets in a text for people, in every encoding. The text may have been cut within a secret.
func (s *Secrets) Redact(text string) string {
	all := s.forPeople()
	if n := begun(text, all); n > 0 {
		text = text[:len(text)-n] + masked
	}
	text = strings.ToValidUTF8(text, "\uFFFD") // secrets are valid UTF-8 too: they crossed the boundary as JSON
	return stripped(text, all)
}

// forPeople returns the encodings of all secrets.
func (s *Secrets) forPeople() []pattern {
	if n := len(s.hidden) + len(s.visible); n != s.redacts {
		s.all = nil
		for _, h := range s.hidden {
			s.all = append(s.all, encodings(h.value, masked)...)
		}
		for _, v := range s.visible {
			s.all = append(s.all, encodings(v, masked)...)
		}
		s.redacts = n
	}
	return s.all
}

// begun returns how many bytes at the end of a text begin a pattern.
func begun(text string, all []pattern) (longest int) {
	for _, p := range all {
		for n := min(len(p.text), len(text)); n >= shortest && n > longest; n-- {
			if strings.HasSuffix(text, p.text[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// patterns returns the encodings of the secrets that the guest does not see.
func (s *Secrets) patterns() []pattern {
	for ; s.known < len(s.hidden); s.known++ {
		h := s.hidden[s.known]
		s.finds = append(s.finds, encodings(h.value, cmp.Or(h.handle, masked))...)
	}
	return s.finds
}

// encodings returns the encodings of a value that a text can have as they are. JSON and percent-encoding are undone in the text:
// they have many spellings.
func encodings(value, handle string) []pattern {
	if len(value) < shortest {
		return nil
	}
	all := append(make([]pattern, 0, 10), pattern{value, handle})
	add := func(text, instead string) {
		if !slices.ContainsFunc(all, func(p pattern) bool { return p.text == text }) {
			all = append(all, pattern{text, instead})
		}
	}
	if strings.Contains(value, " ") { // of a form
		add(strings.ReplaceAll(value, " ", "+"), handle)
	}
	digits := hex.EncodeToString([]byte(value))
	add(digits, masked)
	add(strings.ToUpper(digits), masked)
	for before := range 3 { // the bytes of other text in front, in the first group of three
		e := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:before] + value))
		e = e[(before*8+5)/6 : (before+len(value))*8/6] // the characters that only depend on the value
		all = append(all, pattern{e, masked})
		if strings.ContainsAny(e, "+/") { // the alphabet for URLs
			add(strings.ReplaceAll(strings.ReplaceAll(e, "+", "-"), "/", "_"), masked)
		}
	}
	return all
}

// stripped replaces the patterns in a text, in the text without percent-encoding, and in the text without JSON's escapes.
func stripped(text string, all []pattern) string {
	if len(all) == 0 {
		return text
	}
	text = replaceIn(text, all, view{})
	if strings.Contains(text, "%") {
		text = replaceIn(text, all, view{'%', percentUnit, url.QueryEscape})
	}
	if strings.Contains(text, `\`) {
		text = replaceIn(text, all, view{'\\', jsonUnit, nil})
	}
	return text
}

// view is a way to read an encoded text. The zero view is that of a text that is not encoded.
type view struct {
	mark byte // begins each encoded character
	// unit decodes the first character of a text: it appends its bytes, and returns how many bytes of the text it took.
	unit func(to []byte, text string) ([]byte, int)
	// encode encodes a handle for the text; nil if it needs no encoding.
	encode func(string) string
}

// decoded returns the decoded text.
func (v view) decoded(text string) string {
	if v.unit == nil {
		return text
	}
	out := make([]byte, 0, len(text))
	for {
		i := strings.IndexByte(text, v.mark)
		if i < 0 {
			return string(append(out, text...))
		}
		var n int
		out, n = v.unit(append(out, text[:i]...), text[i:])
		text = text[i+n:]
	}
}

// replaceIn replaces the patterns that are in the decoded text.
func replaceIn(text string, all []pattern, v view) string {
	seen := v.decoded(text)
	matches := matchesIn(seen, all)
	if len(matches) == 0 {
		return text
	}
	at, done := 0, 0 // in seen, and in text
	var one []byte
	move := func(to int) {
		if v.unit == nil {
			at, done = to, to
		}
		for at < to {
			var n int
			one, n = v.unit(one[:0], text[done:])
			at, done = at+len(one), done+n
		}
	}
	var b strings.Builder
	for _, m := range matches {
		begin := done
		move(m.from)
		b.WriteString(text[begin:done])
		move(m.to)
		if m.instead != masked && v.encode != nil {
			m.instead = v.encode(m.instead)
		}
		b.WriteString(m.instead)
	}
	b.WriteString(text[done:])
	return b.String()
}

// match is a range of a text that is replaced.
type match struct {
	from, to int
	instead  string
}

// matchesIn returns the ranges of all patterns, in order. Those that overlap become one: a secret can begin with another one, and
// the rest of the longer one must not remain.
func matchesIn(text string, all []pattern) []match {
	var found []match
	for _, p := range all {
		for from := 0; ; {
			i := strings.Index(text[from:], p.text)
			if i < 0 {
				break
			}
			found = append(found, match{from + i, from + i + len(p.text), p.instead})
			from += i + 1 // the next one may overlap with it
		}
	}
	if len(found) < 2 {
		return found
	}
	slices.SortStableFunc(found, func(a, b match) int { return cmp.Or(a.from-b.from, b.to-a.to) })
	merged := found[:1]
	for _, m := range found[1:] {
		last := &merged[len(merged)-1]
		switch {
		case m.from >= last.to:
			merged = append(merged, m)
		case m.to > last.to:
			last.to, last.instead = m.to, masked
		}
	}
	return merged
}

// percentUnit decodes one character of a percent-encoded text.
func percentUnit(to []byte, text string) ([]byte, int) {
	if len(text) >= 3 && text[0] == '%' {
		if b, err := strconv.ParseUint(text[1:3], 16, 8); err == nil {
			return append(to, byte(b)), 3
		}
	}
	return append(to, text[0]), 1
}

// jsonUnit decodes one character of a JSON string.
func jsonUnit(to []byte, text string) ([]byte, int) {
	if len(text) < 2 || text[0] != '\\' {
		return append(to, text[0]), 1
	}
	if text[1] != 'u' {
		if i := strings.IndexByte(`"\/bfnrt`, text[1]); i >= 0 {
			return append(to, "\"\\/\b\f\n\r\t"[i]), 2
		}
		return append(to, text[0]), 1
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
func codeUnit(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(n), err == nil
}
