package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
)

// request is a request on its way through a handler. Strings that its methods return are copies.
type request struct {
	fc    *fasthttp.RequestCtx
	id    string
	last  string        // the last segment of the path, where a route has a name for it
	query fasthttp.Args // read from the request target as it was sent
	trace crmgate.Trace
}

func (r *request) header(name string) string { return string(r.fc.Request.Header.Peek(name)) }

// joined returns a query parameter, nil if it is not there. Different values are joined by commas, as JavaScript makes
// a text of a list: no token or state survives that.
func (r *request) joined(name string) *string {
	values := r.query.PeekMulti(name)
	if len(values) == 0 {
		return nil
	}
	v := string(values[0])
	for _, other := range values[1:] {
		if !bytes.Equal(other, values[0]) {
			v = string(bytes.Join(values, []byte(",")))
			break
		}
	}
	return &v
}

// list returns all values of a query parameter, equal ones too, joined by commas. ok is false if there are none.
func (r *request) list(name string) (joined string, ok bool) {
	values := r.query.PeekMulti(name)
	return string(bytes.Join(values, []byte(","))), len(values) > 0
}

// param returns a query parameter, "" if it is not there. One that comes twice with different values, or that is no
// UTF-8 text, is refused: whoever reads the other of two values than we do could be told something else.
func (r *request) param(name string) (string, error) {
	values := r.query.PeekMulti(name)
	if len(values) == 0 {
		return "", nil
	}
	for _, v := range values[1:] {
		if !bytes.Equal(v, values[0]) {
			return "", crmgate.Refuse("The parameter %s is given more than once.", name)
		}
	}
	if !utf8.Valid(values[0]) {
		return "", crmgate.Refuse("The parameter %s is no UTF-8 text.", name)
	}
	return string(values[0]), nil
}

// values returns all query parameters.
func (r *request) values() url.Values {
	v := url.Values{}
	for name, value := range r.query.All() {
		v.Add(string(name), string(value))
	}
	return v
}

// params reads several parameters at once, into where they belong.
func (r *request) params(into map[string]*string) error {
	for name, p := range into {
		v, err := r.param(name)
		if err != nil {
			return err
		}
		*p = v
	}
	return nil
}

// rcToken reads a RingCentral token from the header, the body or the query, whichever has it first; "Bearer " before it is removed.
func (r *request) rcToken(body string) (crmgate.Secret, error) {
	t := r.header("X-RC-Access-Token")
	if t == "" {
		t = body
	}
	if t == "" {
		var err error
		if t, err = r.param("rcAccessToken"); err != nil {
			return crmgate.Secret{}, err
		}
	}
	t = strings.TrimSpace(t)
	if len(t) >= 7 && strings.EqualFold(t[:7], "bearer ") {
		t = strings.TrimSpace(t[7:])
	}
	if len(t) > 8<<10 || strings.ContainsFunc(t, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return crmgate.Secret{}, crmgate.Refuse("The RingCentral access token is malformed.")
	}
	return crmgate.NewSecret(t), nil
}

// errBody is the refusal of a body that is not of a type that is read, or is compressed.
type errBody struct{}

func (errBody) Error() string { return "unsupported media type" }

// errUnread is a body that did not come as it should.
type errUnread struct{ error }

// read reads the body as it comes, so that memory is taken for what is there and not for what was announced.
func (r *request) read() ([]byte, error) {
	stream := r.fc.RequestBodyStream()
	if stream == nil {
		return r.fc.PostBody(), nil // none
	}
	b, err := io.ReadAll(io.LimitReader(stream, maxBody+1))
	if err == nil && len(b) > maxBody {
		err = fasthttp.ErrBodyTooLarge
	}
	if err != nil {
		return nil, errUnread{err}
	}
	return b, nil
}

// body reads the body into the members of into. JSON must be an object (or an array, which has no members); a form may
// have members of objects, as in additionalInfo[region]=eu. Without a body, nothing is set.
func (r *request) body(into any) error {
	b, err := r.read()
	if err != nil || len(b) == 0 {
		return err
	}
	if coding := r.header("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return errBody{}
	}
	kind, _, _ := strings.Cut(string(r.fc.Request.Header.ContentType()), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/json":
	case "application/x-www-form-urlencoded":
		if b, err = formToJSON(b); err != nil {
			return err
		}
	default:
		return errBody{}
	}
	b = bytes.TrimSpace(b)
	if len(b) > 0 && b[0] == '[' && json.Valid(b) {
		return nil
	}
	if len(b) == 0 || b[0] != '{' || !utf8.Valid(b) {
		return crmgate.Refuse("The body is not a JSON object.")
	}
	if err := json.Unmarshal(b, into); err != nil {
		return badJSON(err)
	}
	return nil
}

// badJSON says what is wrong with a body without quoting it: it may hold a credential.
func badJSON(err error) error {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) && t.Field != "" {
		return &crmgate.Refusal{Message: "The body's " + t.Field + " is of the wrong type."}
	}
	return &crmgate.Refusal{Message: "The body is not a JSON object."}
}

// maxFormFields bounds a form: no manifest's form has a hundredth of that.
const maxFormFields = 1000

// formToJSON turns a form into the JSON object that clients could have sent instead.
func formToJSON(b []byte) ([]byte, error) {
	var args fasthttp.Args
	args.ParseBytes(b)
	if args.Len() > maxFormFields {
		return nil, crmgate.Refuse("The form has more than %d fields.", maxFormFields)
	}
	all := map[string]any{}
	for k, v := range args.All() {
		if !utf8.Valid(k) || !utf8.Valid(v) {
			return nil, crmgate.Refuse("The form is no UTF-8 text.")
		}
		name, member, nested := strings.Cut(strings.TrimSuffix(string(k), "]"), "[")
		if strings.ContainsAny(member, "[]") {
			return nil, crmgate.Refuse("The form nests its fields more than one level deep.")
		}
		into := all
		if nested {
			m, _ := all[name].(map[string]any)
			if m == nil {
				m = map[string]any{}
				all[name] = m
			}
			into = m
		} else {
			member = string(k)
		}
		if old, ok := into[member]; ok && old != string(v) {
			return nil, crmgate.Refuse("The form's field %s is given more than once.", strings.ToValidUTF8(member[:min(len(member), 64)], "\uFFFD"))
		}
		into[member] = string(v)
	}
	return json.Marshal(all)
}
