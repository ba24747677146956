package connectortest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/crmgate/crmgate/manifest"
)

// fault is one thing that is wrong with a manifest.
type fault struct{ what, advice string }

// schema is the schema of manifests, as a document (for its descriptions) and compiled. Compiling takes longer than checking.
type schema struct {
	doc      any
	compiled *jsonschema.Schema
}

var manifestSchema = sync.OnceValues(func() (schema, error) {
	const name = "manifest.schema.json"
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(manifest.Schema))
	if err != nil {
		return schema{}, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		return schema{}, err
	}
	compiled, err := c.Compile(name)
	return schema{doc, compiled}, err
})

// schemaFaults returns all places where a manifest does not fit the schema. file is the file name for the messages.
func schemaFaults(file string, b []byte) ([]fault, error) {
	schema, err := manifestSchema()
	if err != nil {
		return nil, err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(bytes.TrimPrefix(b, []byte("\uFEFF"))))
	if err != nil {
		return nil, nil // manifest.Parse says where the syntax is wrong
	}
	var wrong *jsonschema.ValidationError
	if err := schema.compiled.Validate(v); !errors.As(err, &wrong) {
		return nil, err
	}
	r := faultReader{file: file, schema: schema.doc, document: v, seen: map[string]bool{}}
	r.read(wrong)
	return r.faults, nil
}

// misspelt returns the members of a manifest that are not described, and are named almost like a described one that is missing.
// Manifests may have members of their own, so these are doubts and not faults.
func misspelt(file string, b []byte) ([]fault, error) {
	schema, err := manifestSchema()
	if err != nil {
		return nil, err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(bytes.TrimPrefix(b, []byte("\uFEFF"))))
	if err != nil {
		return nil, nil // manifest.Parse says where the syntax is wrong
	}
	r := faultReader{file: file, schema: schema.doc, document: v, seen: map[string]bool{}}
	r.compareNames(schema.doc, v, nil)
	return r.faults, nil
}

// compareNames looks for misspelt members in a value that a schema describes.
func (r *faultReader) compareNames(schema, v any, at []string) {
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		s, _ = lookup(r.schema, schemaPath(ref)).(map[string]any)
	}
	if list, ok := v.([]any); ok {
		for i, item := range list {
			r.compareNames(s["items"], item, append(slices.Clone(at), strconv.Itoa(i)))
		}
		return
	}
	m, _ := v.(map[string]any)
	props, _ := s["properties"].(map[string]any)
	for _, name := range sortedKeys(m) {
		described, ok := props[name]
		if !ok {
			described = s["additionalProperties"]
			for _, p := range sortedKeys(props) {
				if _, present := m[p]; !present && len(p) >= 6 && similar(p, name) { // short names resemble each other by chance
					r.add(append(slices.Clone(at), name), "unknown member", "did you mean "+p+"?")
				}
			}
		}
		r.compareNames(described, m[name], append(slices.Clone(at), name))
	}
}

// faultReader turns the validator's tree of errors into sentences, one for each place.
type faultReader struct {
	file             string
	schema, document any
	seen             map[string]bool
	faults           []fault
}

func (r *faultReader) read(e *jsonschema.ValidationError) {
	// The inner errors of alternatives are hard to understand. The schema's description of the place is better.
	if _, ok := e.ErrorKind.(*kind.AnyOf); ok || len(e.Causes) == 0 {
		r.describe(e)
		return
	}
	if _, ok := e.ErrorKind.(*kind.PropertyNames); ok {
		r.describe(e)
		return
	}
	for _, cause := range e.Causes {
		r.read(cause)
	}
}

func (r *faultReader) describe(e *jsonschema.ValidationError) {
	at := e.InstanceLocation
	described := r.description(e.SchemaURL)
	got := ", got " + format(lookup(r.document, at))
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, m := range k.Missing {
			r.add(append(slices.Clone(at), m), fmt.Sprintf("it is missing in %s", pathText(at)), r.member(e.SchemaURL, m))
		}
	case *kind.AdditionalProperties:
		for _, m := range k.Properties {
			r.add(append(slices.Clone(at), m), "unknown member", r.suggestion(e.SchemaURL, m))
		}
	case *kind.FalseSchema: // of unevaluatedProperties
		parent := strings.TrimSuffix(e.SchemaURL, "/unevaluatedProperties")
		if r.members(parent)[at[len(at)-1]] == nil { // else it is a known member with a fault, which is reported
			r.add(at, "unknown member", r.suggestion(parent, at[len(at)-1]))
		}
	case *kind.PropertyNames:
		for _, at := range r.named(e.SchemaURL, len(at), k.Property) {
			what := "this name is not allowed here"
			if len(at) == 1 {
				what = "invalid name of a platform"
			}
			r.add(append(at, k.Property), what, r.description(e.SchemaURL))
		}
	case *kind.Type:
		r.add(at, "expected "+typeNames(k.Want)+got, described)
	case *kind.Enum:
		var want []string
		for _, w := range k.Want {
			if w != nil {
				want = append(want, fmt.Sprintf("%q", w))
			}
		}
		r.add(at, "expected one of "+strings.Join(want, ", ")+got, described)
	case *kind.Pattern, *kind.AnyOf:
		r.add(at, "wrong format"+got, described)
	default:
		r.add(at, "unexpected value"+got, described)
	}
}

// named returns the paths of the objects with the member called name to which the rule for names at a schema URL applies.
//
// The validator's own path of such an object is a slice that it overwrites later: only its length is right. So this looks for
// objects at that depth, under the member that the URL names.
func (r *faultReader) named(url string, depth int, name string) [][]string {
	path := schemaPath(url) // …/properties/headers/propertyNames
	if len(path) < 2 {
		return nil
	}
	return objectsAt(r.document, depth, path[len(path)-2], name)
}

// objectsAt returns the paths of the objects at a depth under a member called last, which have a member called name.
func objectsAt(v any, depth int, last, name string) [][]string {
	var all [][]string
	m, _ := v.(map[string]any)
	for _, step := range sortedKeys(m) {
		if depth > 1 {
			for _, rest := range objectsAt(m[step], depth-1, last, name) {
				all = append(all, append([]string{step}, rest...))
			}
			continue
		}
		in, _ := m[step].(map[string]any)
		if _, ok := in[name]; ok && step == last {
			all = append(all, []string{step})
		}
	}
	return all
}

func (r *faultReader) add(at []string, what, advice string) {
	where := pathText(at)
	if r.seen[where] {
		return // another rule has reported this place
	}
	r.seen[where] = true
	r.faults = append(r.faults, fault{r.file + ": " + where + ": " + what, advice})
}

// pathText formats a path as the server's own errors do.
func pathText(at []string) string {
	if len(at) == 0 {
		return "the document"
	}
	var b strings.Builder
	for _, name := range at {
		if name != "" && strings.Trim(name, "0123456789") == "" {
			b.WriteString("[" + name + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(name)
	}
	return b.String()
}

func typeNames(types []string) string {
	words := map[string]string{"string": "a string", "object": "an object", "array": "a list", "boolean": "true or false", "integer": "a whole number", "number": "a number"}
	var names []string
	for _, t := range types {
		if w := words[t]; w != "" {
			names = append(names, w)
		}
	}
	return strings.Join(names, " or ")
}

func format(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("%.80q", v)
	}
	return fmt.Sprint(v)
}

// lookup follows a path of members and indices.
func lookup(v any, path []string) any {
	for _, name := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i < 0 || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

// schemaPath is the path within the schema that a schema URL points to.
func schemaPath(url string) []string {
	_, pointer, _ := strings.Cut(url, "#/")
	if pointer == "" {
		return nil
	}
	parts := strings.Split(pointer, "/")
	for i, p := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~", "%7B", "{", "%7D", "}").Replace(p)
	}
	return parts
}

// description returns the description of the schema that a URL points to, or of the nearest enclosing schema.
func (r *faultReader) description(url string) string {
	for path := schemaPath(url); ; path = path[:len(path)-1] {
		if m, ok := lookup(r.schema, path).(map[string]any); ok {
			if s, ok := m["description"].(string); ok {
				return s
			}
		}
		if len(path) == 0 {
			return ""
		}
	}
}

// member returns the description of a member of the schema that a URL points to: that of the definition around it, because the conditions
// in a definition do not repeat descriptions.
func (r *faultReader) member(url, name string) string {
	path := schemaPath(url)
	around := lookup(r.schema, path[:min(len(path), 2)]) // $defs and a name
	if s := r.findMember(around, name, false); s != "" {
		return s
	}
	if s := r.findMember(around, name, true); s != "" {
		return s
	}
	return r.description(url)
}

// findMember looks for a member's description in a schema, and with refs also in the definitions to which its members refer.
func (r *faultReader) findMember(v any, name string, refs bool) string {
	m, ok := v.(map[string]any)
	if !ok {
		return ""
	}
	props, _ := m["properties"].(map[string]any)
	p, _ := props[name].(map[string]any)
	if ref, ok := p["$ref"].(string); ok && refs {
		p, _ = lookup(r.schema, schemaPath(ref)).(map[string]any)
	}
	if s, ok := p["description"].(string); ok {
		return s
	}
	for _, k := range sortedKeys(m) {
		if s := r.findMember(m[k], name, refs); s != "" {
			return s
		}
	}
	return ""
}

// members returns the members that the schema that a URL points to describes, with those that it refers to.
func (r *faultReader) members(url string) map[string]any {
	path := schemaPath(url)
	m, _ := lookup(r.schema, path).(map[string]any)
	props := map[string]any{}
	own, _ := m["properties"].(map[string]any)
	maps.Copy(props, own)
	all, _ := m["allOf"].([]any)
	for _, part := range all {
		part, _ := part.(map[string]any)
		ref, _ := part["$ref"].(string)
		shared, _ := lookup(r.schema, schemaPath(ref)).(map[string]any)
		members, _ := shared["properties"].(map[string]any)
		maps.Copy(props, members)
	}
	return props
}

// suggestion returns the member that was probably meant, or all members.
func (r *faultReader) suggestion(url, name string) string {
	props := r.members(url)
	for _, p := range sortedKeys(props) {
		if similar(p, name) {
			return fmt.Sprintf("did you mean %s?", p)
		}
	}
	return "expected one of " + strings.Join(sortedKeys(props), ", ")
}

// similar reports whether two names differ only in case, or by one or two letters.
func similar(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1) // edit distance, a row at a time
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)] <= 2 && len(b) > 2
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// parserFault returns the error of the server's parser as a fault.
func parserFault(err error) fault {
	var wrong *manifest.Error
	switch {
	case errors.As(err, &wrong) && wrong.Want == "JSON":
		return fault{err.Error(), "fix the JSON at that place"}
	case errors.As(err, &wrong):
		return fault{err.Error(), "manifest/manifest.schema.json describes every member"}
	}
	return fault{what: err.Error()}
}
