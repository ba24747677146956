package wasmhost

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxTable bounds a table's elements. wazero allocates a table at once and outside of the memory limit, and has no limit
// of its own below 2^27 elements, which is a gigabyte.
const maxTable = 1 << 16

const tableSection = 4

var errMalformed = errors.New("it is malformed: a section ends too early")

// boundTables returns the module with a maximum on every table that declares none, so that table.grow cannot pass it
// either. A declared maximum is lowered to maxTable; a table that begins larger is refused.
func boundTables(b []byte) ([]byte, error) {
	if err := checkBinary(b); err != nil {
		return nil, err
	}
	for at := 8; at < len(b); {
		size, n := binary.Uvarint(b[at+1:])
		body := at + 1 + n
		if n <= 0 || size > uint64(len(b)-body) {
			return nil, errMalformed
		}
		end := body + int(size)
		if b[at] != tableSection {
			at = end
			continue
		}
		tables, err := bounded(b[body:end])
		if err != nil {
			return nil, err
		}
		out := append(make([]byte, 0, len(b)+64), b[:at+1]...)
		out = binary.AppendUvarint(out, uint64(len(tables)))
		return append(append(out, tables...), b[end:]...), nil
	}
	return b, nil
}

// bounded rewrites the body of a table section: a count, and for each table a type, flags, a minimum and, if flag 1 says
// so, a maximum.
func bounded(b []byte) ([]byte, error) {
	r := &leb{rest: b}
	count := r.next()
	out := binary.AppendUvarint(nil, count)
	for range min(count, uint64(len(b))) {
		kind, flags, least := r.byte(), r.byte(), r.next()
		most := uint64(maxTable)
		if flags == 1 {
			most = r.next()
		}
		switch {
		case r.failed:
			return nil, errMalformed
		case flags > 1:
			return nil, fmt.Errorf("it has a table with the flags %#x, which are not known", flags)
		case least > maxTable:
			return nil, fmt.Errorf("it has a table of %d elements: expected at most %d", least, maxTable)
		}
		out = append(out, kind, 1)
		out = binary.AppendUvarint(out, least)
		out = binary.AppendUvarint(out, min(most, maxTable))
	}
	if r.failed || len(r.rest) > 0 {
		return nil, errMalformed
	}
	return out, nil
}

// leb reads the integers of the binary format. failed stays set after the first thing that is not there.
type leb struct {
	rest   []byte
	failed bool
}

func (r *leb) byte() byte {
	if len(r.rest) == 0 {
		r.failed = true
		return 0
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	return c
}

func (r *leb) next() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}
