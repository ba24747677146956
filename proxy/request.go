package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
)

// request is what a handler gets. The strings that its methods return are copies, since fasthttp reuses its buffers.
type request struct {
	fc    *fasthttp.RequestCtx
	id    string
	last  string        // the path's last segment, if it is a parameter
	query fasthttp.Args // of the request target as it was sent
	sent  []byte        // the query as it was sent; fasthttp's buffer
	large *limit.Shares // large bodies in memory
	end   func()        // gives the place of a large body back; nil without one
	trace crmgate.Trace
	// client is the client's address; zero if it is not known, and on quick routes.
	client netip.Addr
}

func (r *request) header(name string) string { return string(r.fc.Request.Header.Peek(name)) }

// joined returns a query parameter, or nil. Different values are joined by commas, as JavaScript turns a list into a string:
// the result is not a valid token or state.
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

// list returns all values of a query parameter, joined by commas. ok is false if there are none.
func (r *request) list(name string) (joined string, ok bool) {
	values := r.query.PeekMulti(name)
	return string(bytes.Join(values, []byte(","))), len(values) > 0
}

// param returns a query parameter, "" if it is missing. It refuses two different values, because another program could
// read the second one, and text that is not UTF-8.
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
		return "", crmgate.Refuse("The parameter %s is not UTF-8 text.", name)
	}
	return string(values[0]), nil
}

// urlParam returns a query parameter whose value is a URL with a query of its own. Clients that do not encode the URL leave
// the percent signs in it as they are, so it must not be decoded a second time: "%2B" would become a space. Its parameters
// after the first one are parameters of the request then.
func (r *request) urlParam(name string) (string, error) {
	decoded, err := r.param(name)
	if err != nil {
		return "", err
	}
	for pair := range bytes.SplitSeq(r.sent, []byte("&")) {
		if key, value, _ := bytes.Cut(pair, []byte("=")); string(key) == name && bytes.Contains(value, []byte("://")) {
			return string(value), nil
		}
	}
	return decoded, nil
}

// values returns all query parameters.
func (r *request) values() url.Values {
	v := url.Values{}
	for name, value := range r.query.All() {
		v.Add(string(name), string(value))
	}
	return v
}

// others returns the query parameters without some, each with its first value.
func (r *request) others(without ...string) map[string]string {
	all := map[string]string{}
	for name, value := range r.query.All() {
		if _, twice := all[string(name)]; !twice && utf8.Valid(name) && utf8.Valid(value) && !slices.Contains(without, string(name)) {
			all[string(name)] = string(value)
		}
	}
	return all
}

// params reads several query parameters.
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

// rcToken reads a RingCentral token from the header, else the body, else the query, and removes a leading "Bearer ".
func (r *request) rcToken(body crmgate.Text) (crmgate.Secret, error) {
	t := r.header("X-RC-Access-Token")
	if t == "" {
		t = string(body)
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

// errBody is the error of a body that is compressed or of an unsupported type.
type errBody struct{}

func (errBody) Error() string { return "unsupported media type" }

// errUnread is the error of a request that could not be read to its end.
type errUnread struct{ error }

// read reads the body. It allocates memory for the bytes that come, not for the announced length. A large body holds a place
// until the request ends: a client could fill the memory with bodies that it sends slowly.
func (r *request) read() ([]byte, error) {
	stream := r.fc.RequestBodyStream()
	if stream == nil {
		return r.fc.PostBody(), nil // no body
	}
	if n := r.fc.Request.Header.ContentLength(); (n > smallBody || n < 0) && r.large != nil {
		place, ok := r.large.TryAcquire(limit.Claim{Client: limit.Client{Source: r.trace.Source}})
		if !ok {
			return nil, errTooManyRequests
		}
		r.end = place.Release
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

// body reads a JSON or form body into a struct, whose texts are of type crmgate.Text, texts or textList. JSON must be an object, or an array, which sets nothing. A form may have
// nested members, as in additionalInfo[region]=eu. Without a body, body sets nothing.
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

// maxForm is the longest form that form returns: a header has to have room for it.
const maxForm = 8 << 10

// form returns the body of a form as it was sent, in its order. It is also a valid query.
func (r *request) form() (string, error) {
	kind, _, _ := strings.Cut(string(r.fc.Request.Header.ContentType()), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") || r.header("Content-Encoding") != "" {
		return "", errBody{}
	}
	b, err := r.read()
	if err != nil {
		return "", err
	}
	if len(b) > maxForm || bytes.ContainsFunc(b, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"#<>\^{|}`, c) }) {
		return "", crmgate.Refuse("The form is too long or malformed.")
	}
	return string(b), nil
}

// texts are texts by name. textList is a list of texts.
type (
	texts    map[string]string
	textList []string
)

// UnmarshalJSON reads an object.
func (t *texts) UnmarshalJSON(b []byte) error {
	var all map[string]crmgate.Text
	err := json.Unmarshal(b, &all)
	*t = texts{}
	for name, v := range all {
		(*t)[name] = string(v)
	}
	return err
}

// UnmarshalJSON reads a list.
func (t *textList) UnmarshalJSON(b []byte) error {
	var all []crmgate.Text
	err := json.Unmarshal(b, &all)
	*t = nil
	for _, v := range all {
		*t = append(*t, string(v))
	}
	return err
}

// bodyAndToken reads the body into a struct, and the RingCentral token. token is the struct's member for the token.
func (r *request) bodyAndToken(into any, token *crmgate.Text) (crmgate.Secret, error) {
	if err := r.body(into); err != nil {
		return crmgate.Secret{}, err
	}
	return r.rcToken(*token)
}

// badJSON says what is wrong with a body. It does not quote the body, which may contain a credential.
func badJSON(err error) error {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) && t.Field != "" {
		return &crmgate.Refusal{Message: "The body's " + t.Field + " is of the wrong type."}
	}
	return &crmgate.Refusal{Message: "The body is not a JSON object."}
}

// maxFormFields is the largest number of fields in a form. Forms of manifests have fewer than ten.
const maxFormFields = 1000

// formToJSON turns a form into the equivalent JSON object.
func formToJSON(b []byte) ([]byte, error) {
	var args fasthttp.Args
	args.ParseBytes(b)
	if args.Len() > maxFormFields {
		return nil, crmgate.Refuse("The form has more than %d fields.", maxFormFields)
	}
	all := map[string]any{}
	for k, v := range args.All() {
		if !utf8.Valid(k) || !utf8.Valid(v) {
			return nil, crmgate.Refuse("The form is not UTF-8 text.")
		}
		name, member, nested := strings.Cut(strings.TrimSuffix(string(k), "]"), "[")
		if strings.ContainsAny(member, "[]") {
			return nil, crmgate.Refuse("The form's fields are nested more than one level deep.")
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
