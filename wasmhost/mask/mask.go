// Package mask finds secrets in texts, in the encodings that CRMs use, and replaces them. It has no I/O.
//
// It finds a secret as it is, in hex and in base64, and all of these in a text that is JSON-escaped, percent-encoded, of HTML or UTF-16,
// also in several of these encodings. It does not find a part of a secret, one of less than [Shortest] bytes, or one in another encoding.
//
// A text says nothing about a secret that it does not have as a whole: otherwise a guest could guess a secret character by character.
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
	if bare := strings.TrimRight(secret, "="); bare != secret && len(bare) >= Shortest { // base64 without padding
		m.add(bare, instead)
	}
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

// Replace replaces the secrets in a text. What takes the place of a percent-encoded secret is percent-encoded too.
func (m *Masks) Replace(text string) string { return replaced(text, m.find(text, true)) }

// ReplacePlain is Replace, but what takes the place of a secret is never encoded.
func (m *Masks) ReplacePlain(text string) string { return replaced(text, m.find(text, false)) }

// ReplaceCut is ReplacePlain for a text that may have been cut within a secret. As many bytes as the longest secret has are left out at
// the end, whatever they are.
func (m *Masks) ReplaceCut(text string) string {
	longest := 0
	for _, p := range m.patterns {
		longest = max(longest, len(p.text))
	}
	return replaced(text, append(m.find(text, false), match{max(0, len(text)-longest), len(text), ""}))
}

// Finds reports whether a text has a secret.
func (m *Masks) Finds(text string) bool { return len(m.find(text, false)) > 0 }

// match is a range of a text that is replaced.
type match struct {
	from, to int
	instead  string
}

// find returns the places of secrets in a text, in all of its views. A secret that is seen in one view can have another one in it that is
// seen in another view, so all of them are found before anything is replaced. encode says that what takes the place of a secret is
// percent-encoded as the secret was.
func (m *Masks) find(text string, encode bool) (all []match) {
	if len(m.patterns) == 0 {
		return nil
	}
	for _, v := range viewsOf(text) {
		found := m.matches(v.layers[len(v.layers)-1])
		for i, f := range found {
			if encode && f.instead != Masked {
				found[i].instead = v.encoded(f.instead)
			}
		}
		all = append(all, v.origins(found)...)
	}
	return all
}

// matches returns the places of all patterns in a text. Places of one pattern that overlap are one: "aaaaaa" is everywhere in a long row
// of "a", which a stranger can choose.
func (m *Masks) matches(text string) (found []match) {
	for _, p := range m.patterns {
		for from := 0; ; {
			i := strings.Index(text[from:], p.text)
			if i < 0 {
				break
			}
			f := match{from + i, from + i + len(p.text), p.instead}
			for last := f.from; ; f.instead = Masked {
				i := strings.LastIndex(text[last+1:min(len(text), f.to+len(p.text)-1)], p.text)
				if i < 0 {
					break
				}
				last += 1 + i
				f.to = last + len(p.text)
			}
			found = append(found, f)
			from = f.to
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
