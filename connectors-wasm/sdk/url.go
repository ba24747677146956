package sdk

import "strings"

// Parameters are the names and values of a form or a query, in order: Parameters{{"token", token}, {"limit", "20"}}.
type Parameters [][2]string

// Encode returns the parameters as the body of a form, or as what follows the question mark of a URL.
func (p Parameters) Encode() string {
	var b strings.Builder
	for i, parameter := range p {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(Escape(parameter[0]))
		b.WriteByte('=')
		b.WriteString(Escape(parameter[1]))
	}
	return b.String()
}

// URL returns a URL below base. It escapes the segments: URL("https://crm.example/api/", "users", id).
func URL(base string, segments ...string) string {
	url := strings.TrimRight(base, "/")
	for _, s := range segments {
		url += "/" + Escape(s)
	}
	return url
}

// Escape percent-encodes all but letters, digits and -._~, so that a text can be a segment of a path, or a name or value of a
// query or form. A server may still take the segments "." and ".." for folders.
func Escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
