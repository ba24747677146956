package wasmhost

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Sections of a module, as far as they are rewritten.
const (
	importSection = 2
	tableSection  = 4
	memorySection = 5
	globalSection = 6
	exportSection = 7
	startSection  = 8
	codeSection   = 10
)

// order is where sections stand; the data count, 12, came late.
var order = [...]byte{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9, 12: 10, 10: 11, 11: 12}

var errMalformed = errors.New("it is malformed: something ends too early")

// section is a part of a module.
type section struct {
	id   byte
	body []byte
}

// sections are a module without its custom sections: names and debug information are of no use here.
type sections []section

// prepare makes of a module what is compiled: with bounded tables, and metered.
func prepare(b []byte) ([]byte, error) {
	m, err := parseModule(b)
	if err != nil {
		return nil, err
	}
	if t := m.find(tableSection); t != nil {
		if t, err = boundTables(t); err != nil {
			return nil, err
		}
		m = m.with(tableSection, t)
	}
	if m, err = meter(m); err != nil {
		return nil, err
	}
	return m.bytes(), nil
}

func parseModule(b []byte) (sections, error) {
	if err := checkBinary(b); err != nil {
		return nil, err
	}
	var m sections
	for r := (&reader{rest: b[8:]}); len(r.rest) > 0; {
		id := r.byte()
		body := r.take(r.uint())
		switch {
		case r.failed:
			return nil, errMalformed
		case id == 0:
			continue
		case int(id) >= len(order):
			return nil, fmt.Errorf("it has a section, %d, that is not known", id)
		case len(m) > 0 && order[id] <= order[m[len(m)-1].id]:
			return nil, errors.New("it is malformed: its sections are out of order")
		}
		m = append(m, section{id, body})
	}
	return m, m.functionsOnly()
}

// functionsOnly refuses imports that are no functions: there are none to be had, and metering counts on it.
func (m sections) functionsOnly() error {
	r := &reader{rest: m.find(importSection)}
	if len(r.rest) == 0 {
		return nil
	}
	for range r.uint() {
		from, name := r.take(r.uint()), r.take(r.uint())
		if kind := r.byte(); kind != 0 && !r.failed {
			return fmt.Errorf("it imports %s.%s, which is no function: expected imports of functions only", from, name)
		}
		if r.skip(); r.failed {
			return errMalformed
		}
	}
	return nil
}

// find returns the body of a section; nil if there is none.
func (m sections) find(id byte) []byte {
	for _, s := range m {
		if s.id == id {
			return s.body
		}
	}
	return nil
}

// with returns the module with a section replaced, or put in where it belongs.
func (m sections) with(id byte, body []byte) sections {
	m = m.without(id)
	at := 0
	for at < len(m) && order[m[at].id] < order[id] {
		at++
	}
	return slices.Insert(m, at, section{id, body})
}

func (m sections) without(id byte) sections {
	return slices.DeleteFunc(slices.Clone(m), func(s section) bool { return s.id == id })
}

func (m sections) bytes() []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range m {
		b = append(binary.AppendUvarint(append(b, s.id), uint64(len(s.body))), s.body...)
	}
	return b
}

// reader reads the binary format. failed stays set after the first thing that is not there.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) err() error {
	if r.failed {
		return errMalformed
	}
	return nil
}

// take returns the next n bytes.
func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// uint reads an unsigned number of 32 bits, however long it is written.
func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > 1<<32-1 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// skip passes over a number, signed or not.
func (r *reader) skip() {
	for r.byte() >= 0x80 {
	}
}

// appendSigned writes a signed number.
func appendSigned(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
