package typescript

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// Places finds the places of a file in TypeScript from those in the JavaScript that Strip made of it.
type Places struct {
	pattern *regexp.Regexp
	all     []place
}

// place is where a part of the JavaScript begins, and where it was. Lines and columns count from 0.
type place struct{ line, column, wasLine, wasColumn int }

// NewPlaces returns the places of a file. Mappings that are damaged find too little.
func NewPlaces(file, mappings string) *Places {
	return &Places{regexp.MustCompile(`\b` + regexp.QuoteMeta(file) + `:(\d{1,7}):(\d{1,7})`), decode(mappings)}
}

// Replace returns a text with the places in it, such as acme.ts:3:14, as those of the file in TypeScript.
func (p *Places) Replace(text string) string {
	return p.pattern.ReplaceAllStringFunc(text, func(found string) string {
		m := p.pattern.FindStringSubmatch(found)
		line, _ := strconv.Atoi(m[1]) // at most seven digits
		column, _ := strconv.Atoi(m[2])
		file := strings.TrimSuffix(found, ":"+m[1]+":"+m[2])
		was, ok := p.find(line-1, column-1)
		if !ok {
			return found
		}
		return fmt.Sprintf("%s:%d:%d", file, was.wasLine+1, was.wasColumn+1)
	})
}

// find returns the part that a place is in.
func (p *Places) find(line, column int) (was place, ok bool) {
	i := sort.Search(len(p.all), func(i int) bool {
		at := p.all[i]
		return at.line > line || at.line == line && at.column > column
	})
	if i == 0 || p.all[i-1].line != line {
		return was, false
	}
	return p.all[i-1], true
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// decode decodes the mappings of a source map (ECMA-426): lines end with a semicolon, and parts with a comma. A part has four numbers or
// more, each of which is the difference from the one before: the column, the file, the line and the column there. A number is in digits
// of five bits, the lowest first, with a sixth bit if another one follows. Its lowest bit is the sign.
func decode(mappings string) (all []place) {
	var line, field, value, shift int
	var last [5]int
	for i := range len(mappings) + 1 {
		digit := -1 // the end of a part
		if i < len(mappings) && mappings[i] != ',' && mappings[i] != ';' {
			if digit = strings.IndexByte(base64Digits, mappings[i]); digit < 0 || shift > 30 || field >= len(last) {
				return all
			}
		}
		switch {
		case digit >= 0:
			value |= digit & 31 << shift
			if shift += 5; digit&32 != 0 {
				continue
			}
			if difference := value >> 1; value&1 != 0 {
				last[field] -= difference
			} else {
				last[field] += difference
			}
			field, value, shift = field+1, 0, 0
			continue
		case field >= 4:
			all = append(all, place{line, last[0], last[2], last[3]})
		}
		field, value, shift = 0, 0, 0
		if i < len(mappings) && mappings[i] == ';' {
			line, last[0] = line+1, 0
		}
	}
	return all
}
