package proxytest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/crmgate/crmgate"
)

// InProcess is an http.RoundTripper that passes requests to a handler, without a network. A deadline of a request passes in
// the virtual time of testing/synctest.
type InProcess struct{ Handler http.Handler }

// RoundTrip calls the handler. A panic of the handler is a broken connection.
func (p InProcess) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			resp, err = nil, &crmgate.FetchError{Kind: crmgate.FetchConnect, Message: "the connection broke"}
			if errors.Is(r.Context().Err(), context.DeadlineExceeded) {
				err = &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: "no response in time", Err: r.Context().Err()}
			}
		}
	}()
	in := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.RequestURI(), r.Body)
	in.Header, in.Host, in.ContentLength = r.Header.Clone(), r.URL.Host, r.ContentLength
	rw := httptest.NewRecorder()
	p.Handler.ServeHTTP(rw, in)
	resp = rw.Result()
	if n, err := strconv.Atoi(resp.Header.Get("Content-Length")); err == nil && n > rw.Body.Len() {
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(rw.Body.Bytes()), broken{}))
	}
	return resp, nil
}

// Fetch is a crmgate.Fetch.
func (p InProcess) Fetch(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
	return p.RoundTrip(r)
}

// broken is the end of a body that is shorter than announced.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
