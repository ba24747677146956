// Package mask finds secrets in texts, in the encodings that CRMs use, and replaces them. It has no I/O.
//
// It finds a secret as it is, in hex and in base64, and all of these in a text that is JSON-escaped or percent-encoded. It does not find
// a part of a secret, one of less than [Shortest] bytes, or one in another encoding.
package mask

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// Shortest is the length of the shortest secret to look for, in bytes. A shorter one occurs in ordinary text.
const Shortest = 6

// Masked replaces what an encoding has of a secret, where a handle would not be decoded.
const Masked = "[secret]"

// Masks are secrets, with what takes their places. The zero value has none. It is not safe for concurrent use.
type Masks struct{ patterns []pattern }

// pattern is an encoding of a secret.
type pattern struct{ text, instead string }

// Add adds a secret, and what takes its place where an encoding has all of it: a handle, for example. The first such text of a secret
// counts. A secret that is too short is not added.
func (m *Masks) Add(secret, instead string) {
	if len(secret) < Shortest {
		return
	}
	m.add(secret, instead)
	if strings.Contains(secret, " ") { // of a form
		m.add(strings.ReplaceAll(secret, " ", "+"), instead)
	}
	digits := hex.EncodeToString([]byte(secret))
	m.add(digits, Masked)
	m.add(strings.ToUpper(digits), Masked)
	for before := range 3 { // the bytes of other text in front, in the first group of three
		e := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:before] + secret))
		e = e[(before*8+5)/6 : (before+len(secret))*8/6] // the characters that only depend on the secret
		m.add(e, Masked)
		if strings.ContainsAny(e, "+/") { // the alphabet for URLs
			m.add(strings.ReplaceAll(strings.ReplaceAll(e, "+", "-"), "/", "_"), Masked)
		}
	}
}

func (m *Masks) add(text, instead string) {
	if !slices.ContainsFunc(m.patterns, func(p pattern) bool { return p.text == text }) {
		m.patterns = append(m.patterns, pattern{text, instead})
	}
}

// Clone returns a copy.
func (m *Masks) Clone() Masks { return Masks{slices.Clone(m.patterns)} }

// Replace replaces the secrets in a text, which may be encoded once. A text that takes the place of a percent-encoded secret is
// percent-encoded too.
func (m *Masks) Replace(text string) string {
	if len(m.patterns) == 0 {
		return text
	}
	return replaced(text, m.find(text, once(text)))
}

// ReplaceNested replaces the secrets in a document, which may have other documents in it, and the beginning of a secret at its end.
// What takes their places is not encoded.
func (m *Masks) ReplaceNested(text string) string {
	found := m.find(text, nested(text))
	if n := m.Begun(text); n > 0 {
		found = append(found, match{len(text) - n, len(text), Masked})
	}
	return replaced(text, found)
}

// Finds reports whether a document has a secret. It looks where ReplaceNested does, except at the end.
func (m *Masks) Finds(text string) bool { return len(m.find(text, nested(text))) > 0 }

// Begun returns how many bytes at the end of a text begin a secret: the text may have been cut there.
func (m *Masks) Begun(text string) (longest int) {
	for _, p := range m.patterns {
		for n := min(len(p.text), len(text)); n >= Shortest && n > longest; n-- {
			if strings.HasSuffix(text, p.text[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// match is a range of a text that is replaced.
type match struct {
	from, to int
	instead  string
}

// find returns the places of secrets in a text, as each view shows it. A secret that is seen in one view can have another one in it that
// is seen in another view, so all of them are found before anything is replaced.
func (m *Masks) find(text string, views []view) (all []match) {
	for _, v := range views {
		layers := v.layers(text)
		found := m.matches(layers[len(layers)-1])
		if v.encode != nil {
			for i, f := range found {
				if f.instead != Masked {
					found[i].instead = v.encode(f.instead)
				}
			}
		}
		all = append(all, v.origins(layers, found)...)
	}
	return all
}

// matches returns the places of all patterns in a text.
func (m *Masks) matches(text string) (found []match) {
	for _, p := range m.patterns {
		last := -1 // the index of the pattern's last match
		for from := 0; ; {
			i := strings.Index(text[from:], p.text)
			if i < 0 {
				break
			}
			begin := from + i
			if last >= 0 && begin < found[last].to { // "aaaaaa" is in a long row of "a" everywhere
				found[last].to, found[last].instead = begin+len(p.text), Masked
			} else {
				last = len(found)
				found = append(found, match{begin, begin + len(p.text), p.instead})
			}
			from = begin + 1
		}
	}
	return found
}

// replaced replaces ranges of a text. Those that overlap become one: a secret can begin with another one, and the rest of the longer one
// must not remain.
func replaced(text string, found []match) string {
	if len(found) == 0 {
		return text
	}
	slices.SortStableFunc(found, func(a, b match) int { return cmp.Or(a.from-b.from, b.to-a.to) })
	merged := found[:1]
	for _, f := range found[1:] {
		last := &merged[len(merged)-1]
		switch {
		case f.from >= last.to:
			merged = append(merged, f)
		case f.to > last.to:
			last.to, last.instead = f.to, Masked
		}
	}
	var b strings.Builder
	done := 0
	for _, f := range merged {
		b.WriteString(text[done:f.from])
		b.WriteString(f.instead)
		done = f.to
	}
	b.WriteString(text[done:])
	return b.String()
}
