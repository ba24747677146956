package json

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep a document nests, as in encoding/json: a connector may recurse over it.
const maxDepth = 10_000

// maxValues bounds the memory for a document: a value takes 12 bytes beside its text.
const maxValues = 1 << 20

// token is a value or the name of a member, in the order of the text. What is in an object or list follows it.
type token struct {
	from, to uint32 // its place in the text
	next     uint32 // the index of the token that follows what is in it; while it is open, the index of the one around it
}

// scanner finds the tokens of a text. It does not recurse, so a document cannot use up the stack.
type scanner struct {
	s       string
	i       int
	tokens  []token
	problem string // the first reason why the text is not JSON, at i
	open    uint32 // the index of the object or list around i; 0 if there is none
	depth   int
}

// scan returns the tokens of a text, after one that stands for a missing value. If the text is not JSON, it returns the first reason and
// its place.
func scan(s string) (tokens []token, at int, problem string) {
	c := scanner{s: s, tokens: make([]token, 1, 32)}
	for c.value() && c.after() {
	}
	return c.tokens, c.i, c.problem
}

func (c *scanner) fail(problem string) bool {
	if c.problem == "" {
		c.problem = problem
		if c.i >= len(c.s) {
			c.i, c.problem = len(c.s), "is the end, too early"
		}
	}
	return false
}

// begin adds the token that begins here.
func (c *scanner) begin() bool {
	if len(c.tokens) == maxValues {
		return c.fail("is beyond what a document may have")
	}
	c.tokens = append(c.tokens, token{from: uint32(c.i)})
	return true
}

// end says that a token ends before i.
func (c *scanner) end(token uint32) bool {
	c.tokens[token].to, c.tokens[token].next = uint32(c.i), uint32(len(c.tokens))
	return true
}

// value passes over a value, or over the beginning of an object or list up to the first value in it.
func (c *scanner) value() bool {
	for {
		c.i = space(c.s, c.i)
		if !c.begin() {
			return false
		}
		this, b := uint32(len(c.tokens)-1), c.peek()
		if b != '{' && b != '[' {
			return c.scalar(b) && c.end(this)
		}
		if c.depth == maxDepth {
			return c.fail("is nested too deep")
		}
		c.depth++
		c.tokens[this].next, c.open = c.open, this
		c.i = space(c.s, c.i+1)
		if c.peek() == b+2 { // { and }, [ and ]
			c.close()
			return true
		}
		if b == '{' && !c.name() {
			return false
		}
	}
}

// close passes over the bracket that closes an object or list.
func (c *scanner) close() {
	this := c.open
	c.i++
	c.depth--
	c.open = c.tokens[this].next
	c.end(this)
}

// after passes over what follows a value, up to the next value. It returns false at the end of the document.
func (c *scanner) after() bool {
	for {
		c.i = space(c.s, c.i)
		if c.open == 0 {
			return c.i < len(c.s) && c.fail("is after the end of the document")
		}
		bracket := c.s[c.tokens[c.open].from]
		switch c.peek() {
		case ',':
			c.i++
			if bracket == '{' {
				c.i = space(c.s, c.i)
				return c.name()
			}
			return true
		case bracket + 2:
			c.close()
		default:
			return c.fail("is neither a comma nor the closing bracket")
		}
	}
}

// peek returns the byte at hand, or 0 at the end.
func (c *scanner) peek() byte {
	if c.i < len(c.s) {
		return c.s[c.i]
	}
	return 0
}

// name passes over the name of a member and the colon.
func (c *scanner) name() bool {
	if c.peek() != '"' {
		return c.fail("is not the name of a member")
	}
	if !c.begin() || !c.quoted() {
		return false
	}
	c.end(uint32(len(c.tokens) - 1))
	c.i = space(c.s, c.i)
	if c.peek() != ':' {
		return c.fail("is not a colon")
	}
	c.i++
	return true
}

func (c *scanner) scalar(b byte) bool {
	switch b {
	case '"':
		return c.quoted()
	case 't':
		return c.literal("true")
	case 'f':
		return c.literal("false")
	case 'n':
		return c.literal("null")
	}
	return c.number()
}

func (c *scanner) literal(word string) bool {
	if !strings.HasPrefix(c.s[c.i:], word) {
		return c.fail("is not a value")
	}
	c.i += len(word)
	return true
}

func (c *scanner) quoted() bool {
	for {
		c.i = special(c.s, c.i+1)
		switch c.peek() {
		case '"':
			c.i++
			return true
		case '\\':
			if !c.escape() {
				return false
			}
		default:
			return c.fail("is a control character in a string")
		}
	}
}

// escape passes over an escape but for its last byte.
func (c *scanner) escape() bool {
	c.i++
	b := c.peek()
	if b == 'u' {
		for range 4 {
			c.i++
			if hex(c.peek()) < 0 {
				return c.fail("is not a hexadecimal digit")
			}
		}
		return true
	}
	return strings.IndexByte(`"\\/bfnrt`, b) >= 0 || c.fail("is not an escape")
}

func (c *scanner) number() bool {
	if c.peek() == '-' {
		c.i++
	}
	if c.peek() == '0' {
		c.i++
	} else if !c.digits() {
		return c.fail("is not a value")
	}
	if c.peek() == '.' {
		c.i++
		if !c.digits() {
			return c.fail("is not a digit")
		}
	}
	if b := c.peek(); b == 'e' || b == 'E' {
		c.i++
		if b := c.peek(); b == '+' || b == '-' {
			c.i++
		}
		if !c.digits() {
			return c.fail("is not a digit")
		}
	}
	return true
}

func (c *scanner) digits() bool {
	begin := c.i
	for digit(c.peek()) {
		c.i++
	}
	return c.i > begin
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// space returns the place of the first byte from i on that is not white space.
func space(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// special returns the place of the first byte from i on that is a quotation mark, a backslash or a control character. It looks at
// eight bytes at a time: in a module, a jump costs more than all that is between two.
func special(s string, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		b := s[i : i+8]
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, slash := x^ones*'"', x^ones*'\\'
		// A byte of these is 0 if it is one of the two, and the subtraction borrows. Only the lowest bit that is set is sure to be right.
		if found := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*' ')&^x) & tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= ' ' {
		i++
	}
	return i
}

// unescape returns the text of a string that was scanned, with its escapes replaced.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s)) // an escape is never shorter than what it stands for
	for i := 0; ; {
		from := i
		i = special(s, i)
		b.WriteString(s[from:i])
		if i == len(s) {
			return b.String()
		}
		c := s[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, size := char(s[i-2:])
			b.WriteRune(r)
			i += size - 2
			continue
		}
		b.WriteByte(c)
	}
}

// char returns the character for which the escape \uXXXX at the beginning of s stands, or two of them, and their length.
func char(s string) (rune, int) {
	r := unit(s)
	if utf16.IsSurrogate(r) {
		if both := utf16.DecodeRune(r, unit(s[6:])); both != utf8.RuneError {
			return both, 12
		}
		return utf8.RuneError, 6
	}
	return r, 6
}

// unit returns the code unit of the escape \uXXXX with which s begins, or -1.
func unit(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	r := rune(0)
	for i := range 4 {
		r = r<<4 | rune(hex(s[2+i]))
	}
	return r
}

// hex returns the value of a hexadecimal digit, or -1.
func hex(b byte) int {
	switch {
	case digit(b):
		return int(b - '0')
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	}
	return -1
}
