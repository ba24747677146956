package meter

import "unicode/utf8"

// reader reads a module's bytes from at to end, which are offsets in the file. After the first error, every read returns zero
// and err stays set.
type reader struct {
	file []byte
	at   int
	end  int
	err  error
}

// fail records the first error and skips to the end, which stops loops over the remaining bytes.
func (r *reader) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err = errorAt(at, format, args...)
	}
	r.at = r.end
}

func (r *reader) more() bool { return r.at < r.end }

func (r *reader) byte() byte {
	if r.at >= r.end {
		r.fail(r.at, "unexpected end of the section or function")
		return 0
	}
	r.at++
	return r.file[r.at-1]
}

// take returns the next n bytes, a slice of the file.
func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(r.end-r.at) {
		r.fail(r.at, "the length %d exceeds the %d bytes that are left", n, r.end-r.at)
		return nil
	}
	b := r.file[r.at : r.at+int(n) : r.at+int(n)]
	r.at += int(n)
	return b
}

// sub returns a reader of the next n bytes.
func (r *reader) sub(n uint32) *reader {
	p := &reader{file: r.file, at: r.at, end: r.at, err: r.err}
	if r.take(n); r.err == nil {
		p.end = r.at
	}
	p.err = r.err
	return p
}

// uint reads an unsigned 32-bit number. Linkers pad numbers to five bytes, which the specification allows.
func (r *reader) uint() uint32 {
	var v uint32
	start := r.at
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		if shift == 28 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail(start, "a number has more than 32 bits")
	return 0
}

// int reads a signed number of 32, 33 or 64 bits.
func (r *reader) int(bits int) int64 {
	var v int64
	start := r.at
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		v |= int64(c&0x7f) << shift
		if left := bits - shift; left <= 7 {
			// The last byte ends the number, and its unused bits must repeat the sign.
			if sign := int8(c<<1) >> 1 >> (left - 1); c >= 0x80 || sign != 0 && sign != -1 {
				break
			}
		}
		if c < 0x80 {
			if shift += 7; shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
	r.fail(start, "a number has more than %d bits", bits)
	return 0
}

// vector reads the length of a vector, at most limit, and calls item for each of its items.
func (r *reader) vector(limit int, what string, item func()) {
	start := r.at
	n := r.uint()
	if int64(n) > int64(limit) {
		r.fail(start, "%d %s: expected at most %d", n, what, limit)
	}
	for i := uint32(0); i < n && r.err == nil; i++ {
		item()
	}
}

func (r *reader) name() string {
	start := r.at
	b := r.take(r.uint())
	switch {
	case len(b) > maxName:
		r.fail(start, "a name has %d bytes: expected at most %d", len(b), maxName)
		return ""
	case !utf8.Valid(b):
		r.fail(start, "a name is not UTF-8")
		return ""
	}
	return string(b)
}

// blockType reads the type of a block. emptyBlock and value types (minus 0x80) are negative and have one byte. A type index is
// not negative.
func (r *reader) blockType() int64 {
	at := r.at
	t := r.int(33)
	if t < 0 && r.at-at != 1 {
		r.fail(at, "a block has a type of %d bytes: expected one byte, or the index of a type", r.at-at)
	}
	return t
}

func le32(b []byte) uint64 {
	if len(b) < 4 {
		return 0
	}
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24
}
