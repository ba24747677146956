package meter

import (
	"fmt"
	"strings"
)

// Names has the names of a module's functions. It does not change after ReadNames.
type Names struct {
	// Section says that the module has a name section. A module without one was stripped.
	Section bool

	imports, functions int
	names              map[uint32]string
}

// ReadNames reads the names of a module's functions from its name section, and of those without a name there from its exports. Instrument
// drops the section: a stack has indexes, which Of turns into names. The error is that of Decode. A name section that is malformed gives
// the names up to its fault.
func ReadNames(b []byte) (*Names, error) {
	m, err := Decode(b)
	if err != nil {
		return nil, err
	}
	n := &Names{imports: len(m.imports), functions: m.functionCount(), names: map[uint32]string{}}
	for _, e := range m.exports {
		if e.kind == kindFunction {
			n.names[e.index] = e.name
		}
	}
	r := &reader{file: b, at: len(magic) + len(version), end: len(b)}
	for r.more() {
		id, size := r.byte(), r.uint()
		s := r.sub(size)
		if id == customSection && s.name() == "name" {
			n.read(s)
		}
	}
	return n, nil
}

// functionNames is the subsection of the name section with the names of functions.
const functionNames = 1

func (n *Names) read(s *reader) {
	for s.err == nil && s.more() {
		id, size := s.byte(), s.uint()
		part := s.sub(size)
		if id != functionNames {
			continue
		}
		for range part.uint() {
			index, name := part.uint(), part.take(part.uint())
			if part.err != nil {
				return
			}
			n.names[index] = strings.ToValidUTF8(string(name), "\uFFFD")
			n.Section = true
		}
	}
}

// Of returns the name of a function of the instrumented module, which has an import more, and functions behind those of the module.
func (n *Names) Of(index uint32) string {
	switch {
	case int(index) == n.imports, int(index) > n.functions:
		return "(a check of crmgate)"
	case int(index) > n.imports:
		index--
	}
	if name := n.names[index]; name != "" {
		return name
	}
	return fmt.Sprintf("function %d", index)
}
