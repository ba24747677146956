package mask

import (
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// view is a way to read a text: as it is, or after one or several encodings are undone.
type view struct {
	encodings []encoding // in the order in which they are undone
	layers    []string   // the text, and what it is after each of them
}

// encoding is a way to write characters. They have many spellings, so they are undone in the text.
type encoding struct {
	mark byte // is in each encoded character
	// decode decodes the first character of a text: it appends its bytes, and returns how many bytes of the text it took.
	decode func(to []byte, text string) ([]byte, int)
	most   int // how often it is undone in one view
}

// A body is JSON in the JSON of its document, and a URL may be in it.
var encodings = []encoding{
	{'\\', decodeJSON, 3},
	{'%', decodePercent, 2},
	{'&', decodeHTML, 1},
	{0, decodeUTF16, 1},
}

// maxEncodings is how many encodings are undone in one view.
const maxEncodings = 3

// viewsOf returns the views of a text, those with few encodings first. A view that would change nothing is left out. All views together
// have eight times as many bytes as the text, or 2 MB, at most: a stranger can choose a text that has every encoding in every other one.
func viewsOf(text string) []view {
	all := []view{{layers: []string{text}}}
	left := max(2<<20, 8*len(text))
	for i := 0; i < len(all); i++ {
		v := all[i]
		last := v.layers[len(v.layers)-1]
		for _, e := range encodings {
			if len(v.encodings) == maxEncodings || v.undoes(e.mark) == e.most || len(last) > left || strings.IndexByte(last, e.mark) < 0 {
				continue
			}
			left -= len(last)
			if text := e.decoded(last); text != last {
				all = append(all, view{append(slices.Clip(v.encodings), e), append(slices.Clip(v.layers), text)})
			}
		}
	}
	return all
}

// undoes returns how often an encoding is undone.
func (v view) undoes(mark byte) (n int) {
	for _, e := range v.encodings {
		if e.mark == mark {
			n++
		}
	}
	return n
}

// encoded returns a text as the view reads it. JSON and HTML need not escape what takes the place of a secret.
func (v view) encoded(text string) string {
	for range v.undoes('%') {
		text = url.QueryEscape(text)
	}
	return text
}

// origins returns where matches in the last layer are in the first one.
func (v view) origins(found []match) []match {
	if len(found) == 0 || len(v.encodings) == 0 {
		return found
	}
	begins, ends := map[int]int{}, map[int]int{}
	for _, f := range found {
		begins[f.from], ends[f.to] = f.from, f.to
	}
	for n := len(v.encodings) - 1; n >= 0; n-- {
		v.encodings[n].origins(v.layers[n], begins, false)
		v.encodings[n].origins(v.layers[n], ends, true)
	}
	for i, f := range found {
		found[i].from, found[i].to = begins[f.from], ends[f.to]
	}
	return found
}

// decoded returns the decoded text.
func (e encoding) decoded(text string) string {
	out := make([]byte, 0, len(text))
	for {
		i := strings.IndexByte(text, e.mark)
		if i < 0 {
			return string(append(out, text...))
		}
		var n int
		out, n = e.decode(append(out, text[:i]...), text[i:])
		text = text[i+n:]
	}
}

// origins replaces the values of a map, which are offsets in the decoded text, by those in the text. An offset inside of a character
// becomes that of its beginning, or with end that of its end.
func (e encoding) origins(text string, offsets map[int]int, end bool) {
	order := make([]int, 0, len(offsets))
	for key := range offsets {
		order = append(order, key)
	}
	slices.Sort(order) // the values have the order of their keys
	at, i := 0, 0      // in the decoded text, and in the text
	var one []byte
	for _, key := range order {
		for want := offsets[key]; at < want; {
			ahead := text[i:min(len(text), i+want-at)]
			if run := strings.IndexByte(ahead, e.mark); run != 0 {
				if run < 0 {
					run = len(ahead)
				}
				at, i = at+run, i+run
				continue
			}
			var n int
			if one, n = e.decode(one[:0], text[i:]); at+len(one) > want && !end {
				break
			}
			at, i = at+len(one), i+n
		}
		offsets[key] = i
	}
}

// decodePercent decodes one character of a percent-encoded text.
func decodePercent(to []byte, text string) ([]byte, int) {
	if len(text) >= 3 && text[0] == '%' {
		if b, err := strconv.ParseUint(text[1:3], 16, 8); err == nil {
			return append(to, byte(b)), 3
		}
	}
	return append(to, text[0]), 1
}

// decodeHTML decodes one character of HTML.
func decodeHTML(to []byte, text string) ([]byte, int) {
	const longest = 10
	if n := strings.IndexByte(text[:min(len(text), longest)], ';') + 1; n > 0 {
		if c := html.UnescapeString(text[:n]); c != text[:n] {
			return append(to, c...), n
		}
	}
	return append(to, text[0]), 1
}

// decodeUTF16 decodes one half of a character of ASCII in UTF-16: zeros are left out, in either byte order.
func decodeUTF16(to []byte, text string) ([]byte, int) {
	if text[0] == 0 {
		return to, 1
	}
	return append(to, text[0]), 1
}

// decodeJSON decodes one character of a string in JSON or JavaScript.
func decodeJSON(to []byte, text string) ([]byte, int) {
	if len(text) < 2 || text[0] != '\\' {
		return append(to, text[0]), 1
	}
	if i := strings.IndexByte(`"\/bfnrt`, text[1]); i >= 0 {
		return append(to, "\"\\/\b\f\n\r\t"[i]), 2
	}
	if len(text) >= 4 && text[1] == 'x' {
		if b, err := strconv.ParseUint(text[2:4], 16, 8); err == nil {
			return utf8.AppendRune(to, rune(b)), 4
		}
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
