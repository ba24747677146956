package wasmhost

import (
	"encoding/binary"
	"fmt"
)

// maxTable bounds a table's elements. wazero allocates a table at once and outside of the memory limit, and has no limit
// of its own below 2^27 elements, which is a gigabyte.
const maxTable = 1 << 16

// boundTables rewrites the body of a table section, which is a count, and for each table a type, flags, a minimum and, if
// flag 1 says so, a maximum: every table gets a maximum that table.grow cannot pass either. A declared maximum is lowered
// to maxTable; a table that begins larger is refused.
func boundTables(b []byte) ([]byte, error) {
	r := &reader{rest: b}
	count := r.uint()
	out := binary.AppendUvarint(nil, count)
	for range count {
		kind, flags, least := r.byte(), r.byte(), r.uint()
		most := uint64(maxTable)
		if flags == 1 {
			most = min(most, r.uint())
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
		out = binary.AppendUvarint(out, most)
	}
	if len(r.rest) > 0 {
		return nil, errMalformed
	}
	return out, nil
}
