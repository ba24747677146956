package mask

import (
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
	// encode encodes what takes the place of a secret; nil if that needs no encoding.
	encode func(string) string
}

// encoding is a way to write characters. They have many spellings, so they are undone in the text.
type encoding struct {
	mark byte // begins each encoded character
	// decode decodes the first character of a text: it appends its bytes, and returns how many bytes of the text it took.
	decode func(to []byte, text string) ([]byte, int)
}

var (
	asItIs  = view{}
	json    = encoding{'\\', decodeJSON}
	percent = encoding{'%', decodePercent}
)

// once returns the views of a text that may be encoded once.
func once(text string) []view {
	views := []view{asItIs}
	if strings.Contains(text, "%") {
		views = append(views, view{[]encoding{percent}, url.QueryEscape})
	}
	if strings.Contains(text, `\`) {
		views = append(views, view{encodings: []encoding{json}})
	}
	return views
}

// nested returns the views of a text that may have documents in it: a body is JSON in the JSON of its document.
func nested(text string) []view {
	views := []view{asItIs}
	add := func(e ...encoding) { views = append(views, view{encodings: e}) }
	escaped := strings.Contains(text, `\`)
	if escaped {
		add(json)
		add(json, json)
		add(json, json, json)
	}
	if escaped || strings.Contains(text, "%") {
		add(percent)
		add(percent, percent)
		add(json, percent)
		add(json, json, percent)
		add(percent, json)
	}
	return views
}

// layers returns a text, and what it is after each encoding is undone.
func (v view) layers(text string) []string {
	layers := append(make([]string, 0, 4), text)
	for _, e := range v.encodings {
		text = e.decoded(text)
		layers = append(layers, text)
	}
	return layers
}

// origins returns where matches in the last layer are in the first one.
func (v view) origins(layers []string, found []match) []match {
	if len(found) == 0 || len(v.encodings) == 0 {
		return found
	}
	begins, ends := map[int]int{}, map[int]int{}
	for _, f := range found {
		begins[f.from], ends[f.to] = f.from, f.to
	}
	for n := len(v.encodings) - 1; n >= 0; n-- {
		v.encodings[n].origins(layers[n], begins, false)
		v.encodings[n].origins(layers[n], ends, true)
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

// decodeJSON decodes one character of a JSON string.
func decodeJSON(to []byte, text string) ([]byte, int) {
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
func codeUnit(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(n), err == nil
}
