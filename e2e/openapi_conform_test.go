package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/authflow"
)

// openAPI is the document in a strict form: an object has only the members in its schema.
var openAPI = sync.OnceValues(func() (*openapi3.T, error) {
	for _, text := range []string{"text/html", "text/css", "text/javascript", "image/svg+xml"} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.PlainBodyDecoder)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "proxy", "openapi.yaml"))
	if err != nil {
		return nil, err
	}
	closed := false
	return doc, doc.WalkSchemas(func(_ string, s *openapi3.SchemaRef) error {
		if more := s.Value.AdditionalProperties; len(s.Value.Properties) > 0 && more.Has == nil && more.Schema == nil {
			s.Value.UnevaluatedProperties = openapi3.BoolSchema{Has: &closed}
		}
		return nil
	})
})

// anyTime are the statuses of the document's response Front. Any operation may return them.
var anyTime = []int{408, 413, 429, 431, 500, 503}

// conforms checks an answer against the OpenAPI document.
func (g *gate) conforms(req *http.Request, a answer) {
	g.t.Helper()
	if req.Method == "HEAD" || req.Method == "OPTIONS" {
		return
	}
	doc, err := openAPI()
	edgetest.Must(g.t, err)
	route, values := routeOf(doc, req)
	if route == nil {
		if a.status != 404 && a.status != 405 && a.status != 413 {
			g.t.Errorf("%s %s answers %d: the operation is not in the OpenAPI document", req.Method, req.URL, a.status)
		}
		return
	}
	name := fmt.Sprintf("%s %s %d", route.Method, route.Path, a.status)
	g.seen.Store(name, true)
	if route.Operation.Responses.Status(a.status) == nil && !slices.Contains(anyTime, a.status) {
		g.t.Errorf("%s is not in the OpenAPI document: %s", name, a.body)
		return
	}
	empty := route.Path == "/hostname" && a.body == "" && a.header.Get("Content-Type") == ""
	err = openapi3filter.ValidateResponse(g.t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: values, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(strings.NewReader(a.body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: empty},
	})
	if err != nil {
		g.t.Errorf("%s: %v\n%s", name, err, a.body)
	}
}

// permitted returns an error unless the OpenAPI document allows a request.
func permitted(ctx context.Context, req *http.Request) error {
	doc, err := openAPI()
	if err != nil {
		return err
	}
	route, values := routeOf(doc, req)
	if route == nil {
		return errors.New("there is no such operation")
	}
	if req.Body, err = req.GetBody(); err != nil {
		return err
	}
	for name := range req.URL.Query() {
		if route.Path == authflow.LandingPage { // a CRM may add any parameter
			break
		}
		if route.Operation.Parameters.GetByInAndName("query", name) == nil && name != "jwtToken" && name != "rcAccessToken" {
			return fmt.Errorf("there is no parameter %s", name)
		}
	}
	return openapi3filter.ValidateRequest(ctx, &openapi3filter.RequestValidationInput{
		Request: req, PathParams: values, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: shows, RejectWhenRequestBodyNotSpecified: true},
	})
}

// shows returns an error unless a request has the credentials of a security scheme.
func shows(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	req := in.RequestValidationInput.Request
	s := in.SecurityScheme
	if s.Type == "http" && strings.HasPrefix(req.Header.Get("Authorization"), "Bearer ") ||
		s.In == "header" && req.Header.Get(s.Name) != "" || s.In == "query" && req.URL.Query().Get(s.Name) != "" {
		return nil
	}
	return fmt.Errorf("no %s", in.SecuritySchemeName)
}

// routeOf finds the operation of a request like the server. It ignores case and one trailing slash, and prefers a fixed path
// to one that ends in a parameter.
func routeOf(doc *openapi3.T, req *http.Request) (*routers.Route, map[string]string) {
	asked := req.URL.EscapedPath()
	if asked != "/" {
		asked = strings.TrimSuffix(asked, "/")
	}
	for path, item := range doc.Paths.Map() {
		if strings.EqualFold(path, asked) {
			return operationOf(doc, path, item, req.Method), nil
		}
	}
	folder, last := splitPath(asked)
	for path, item := range doc.Paths.Map() {
		if before, name := splitPath(path); strings.EqualFold(before, folder) && strings.HasPrefix(name, "{") && last != "" {
			value, _ := url.PathUnescape(last)
			return operationOf(doc, path, item, req.Method), map[string]string{strings.Trim(name, "{}"): value}
		}
	}
	return nil, nil
}

func splitPath(path string) (folder, last string) {
	at := strings.LastIndexByte(path, '/') + 1
	return path[:at], path[at:]
}

// operationOf returns nil if a path does not take a method.
func operationOf(doc *openapi3.T, path string, item *openapi3.PathItem, method string) *routers.Route {
	op := item.GetOperation(method)
	if op == nil {
		return nil
	}
	return &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op}
}

// documented returns all answers of the document except those that any operation may return.
func documented(doc *openapi3.T) (all []string) {
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				if _, err := strconv.Atoi(status); err == nil {
					all = append(all, method+" "+path+" "+status)
				}
			}
		}
	}
	slices.Sort(all)
	return all
}
