package sdk

import (
	"strconv"

	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
)

// Input is a document that an operation gets.
type Input[T any] interface {
	*T
	reader
}

// Output is a document that an operation answers with. Object is one with any members.
type Output interface {
	// write writes the members of the document.
	write(w *writer)
}

type reader interface {
	// read reads a member of the document, or ignores one that it does not know.
	read(name string, v json.Value)
}

// read reads the members of an object.
func read(v json.Value, into reader) {
	for name, member := range v.Members() {
		into.read(name, member)
	}
}

// texts returns an object of strings.
func texts(v json.Value) map[string]string {
	m := map[string]string{}
	for name, text := range v.Members() {
		m[name] = text.String()
	}
	return m
}

// encode returns the JSON of a document.
func encode(d Output) ([]byte, error) {
	w := writer{b: make([]byte, 0, 512)}
	w.open()
	d.write(&w)
	w.close()
	return w.b, w.err
}

// writer writes an object.
type writer struct {
	b   []byte
	err error // the first
}

func (w *writer) open()  { w.b = append(w.b, '{') }
func (w *writer) close() { w.b = append(w.b, '}') }

// name writes the name of a member.
func (w *writer) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(json.AppendString(w.b, name), ':')
}

func (w *writer) text(name, s string) {
	w.name(name)
	w.b = json.AppendString(w.b, s)
}

func (w *writer) bool(name string, v bool) {
	w.name(name)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *writer) object(name string, d Output) {
	w.name(name)
	w.open()
	d.write(w)
	w.close()
}

// any writes any value that package json can write.
func (w *writer) any(name string, v any) {
	w.name(name)
	b, err := json.Append(w.b, v)
	if err != nil && w.err == nil {
		w.err = Error{Message: "write " + name + ": " + err.Error()}
	}
	w.b = b
}

// optional writes a text that is not empty.
func (w *writer) optional(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

// optionalInt writes a number that is not 0.
func (w *writer) optionalInt(name string, n int64) {
	if n != 0 {
		w.any(name, n)
	}
}

// optionalTexts writes an object of strings that is not empty.
func (w *writer) optionalTexts(name string, m map[string]string) {
	if len(m) > 0 {
		w.any(name, m)
	}
}

// optionalObject writes an object that is not empty.
func (w *writer) optionalObject(name string, m map[string]any) {
	if len(m) > 0 {
		w.any(name, m)
	}
}

// list writes a list of documents.
func list[T Output](w *writer, name string, all []T) {
	w.name(name)
	w.b = append(w.b, '[')
	for i, d := range all {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.open()
		d.write(w)
		w.close()
	}
	w.b = append(w.b, ']')
}
