package wasmhost

import (
	"encoding/binary"
	"path/filepath"
	"slices"
	"strings"
)

// languageOf returns what a module's section "producers" says about its language, such as "Go go1.26.1", or about the tool that made it
// ("clang 19.1.7"). It is "unknown" without such a section. Nothing is decided by it: an author can write anything there.
func languageOf(file string, module []byte) string {
	switch {
	case isTyped(file):
		return "TypeScript"
	case isScript(file):
		return "JavaScript"
	case filepath.Ext(file) == dataExt:
		return "data"
	}
	r := sectionReader{module}
	if _, ok := r.take(8); !ok {
		return "unknown"
	}
	for len(r.rest) > 0 {
		id, _ := r.take(1)
		body, ok := r.sized()
		if !ok {
			break
		}
		if s := (sectionReader{body}); id[0] == 0 {
			if name, ok := s.sized(); ok && string(name) == "producers" {
				return s.producer()
			}
		}
	}
	return "unknown"
}

// producer reads the section "producers" of the tool conventions of WebAssembly.
func (r *sectionReader) producer() string {
	said := map[string]string{}
	for range r.count() {
		field, ok := r.sized()
		if !ok {
			break
		}
		for range r.count() {
			name, ok := r.sized()
			version, _ := r.sized()
			if !ok {
				break
			}
			if _, known := said[string(field)]; !known {
				said[string(field)] = strings.TrimSpace(plain(name) + " " + plain(version))
			}
		}
	}
	for _, field := range []string{"language", "processed-by"} {
		if s := said[field]; s != "" {
			return s
		}
	}
	return "unknown"
}

// plain returns a text with printable ASCII only, at most 40 bytes of it.
func plain(b []byte) string {
	b = slices.DeleteFunc(slices.Clone(b[:min(len(b), 40)]), func(c byte) bool { return c < ' ' || c > '~' })
	return string(b)
}

// sectionReader reads a module, which may be anything.
type sectionReader struct{ rest []byte }

func (r *sectionReader) take(n uint64) ([]byte, bool) {
	if n > uint64(len(r.rest)) {
		r.rest = nil
		return nil, false
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b, true
}

// count reads a number of items. It is at most the number of bytes that are left, each item has at least one.
func (r *sectionReader) count() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest = nil
		return 0
	}
	r.rest = r.rest[size:]
	return min(n, uint64(len(r.rest)))
}

// sized reads bytes after their number.
func (r *sectionReader) sized() ([]byte, bool) {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest = nil
		return nil, false
	}
	r.rest = r.rest[size:]
	return r.take(n)
}
