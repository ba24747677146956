package quickjs

import (
	"strconv"
	"strings"
)

// splitAnswer takes the body out of the document of a fetch's answer. It returns the rest of the document and the body, or the document
// alone if it does not end with a body. Otherwise the script would parse a body of JSON twice, and the first time as a part of the
// document.
//
// The document is valid JSON without blanks between its members, as the host writes it. The text that is searched for cannot be inside a
// string then, so it begins a member. If the member's string ends right before the last brace, the member is one of the document itself,
// and not of its headers.
func splitAnswer(document string) []string {
	rest, quoted, _ := strings.Cut(document, `,"body":"`)
	quoted, found := strings.CutSuffix(quoted, `"}`)
	if body, ok := unquote(quoted); found && ok {
		return []string{rest + "}", body}
	}
	return []string{document}
}

// unquote returns the text of a JSON string that is given without its quotation marks. ok is false if there are more of them, or if it
// has an escape of JSON that Go does not have: a slash, or half of a character.
func unquote(quoted string) (text string, ok bool) {
	var b strings.Builder
	b.Grow(len(quoted))
	for {
		plain := 0
		for plain < len(quoted) && quoted[plain] != '"' && quoted[plain] != '\\' {
			plain++
		}
		b.WriteString(quoted[:plain])
		quoted = quoted[plain:]
		switch {
		case quoted == "":
			return b.String(), true
		case strings.HasPrefix(quoted, `\"`), strings.HasPrefix(quoted, `\\`): // most escapes of JSON in JSON, in a third of the time
			b.WriteByte(quoted[1])
			quoted = quoted[2:]
			continue
		}
		r, _, rest, err := strconv.UnquoteChar(quoted, '"')
		if err != nil {
			return "", false
		}
		b.WriteRune(r)
		quoted = rest
	}
}
