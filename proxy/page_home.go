package proxy

import (
	"bytes"
	"context"
	"io"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/web"
)

// homePage is the page at /, for a person who opens the server's address.
type homePage struct {
	site  *site
	flows *authflow.Flows
	bare  bool // without the CRMs
}

// nothingHere is the sentence for an address without a route.
const nothingHere = "There is nothing at this address."

func (p homePage) show(ctx context.Context, r *request) (any, error) {
	if !byBrowser(r.fc) {
		return nil, &crmgate.Refusal{Kind: crmgate.Missing, Message: nothingHere}
	}
	var connect []web.Link
	if !p.bare {
		for _, m := range p.flows.ConnectPages(ctx) {
			connect = append(connect, web.Link{Title: m.Title, Href: p.site.connectPath(m.Platform)})
		}
	}
	return render(200, func(w io.Writer) error { return p.site.pages.Home(w, connect) })
}

// byBrowser reports whether a person opened the address in a browser. App Connect's clients accept JSON, or anything.
func byBrowser(fc *fasthttp.RequestCtx) bool {
	return (fc.IsGet() || fc.IsHead()) && bytes.Contains(bytes.ToLower(fc.Request.Header.Peek("Accept")), []byte("text/html"))
}

// writeAstray answers a request to an address without a route of its method: a page for a browser, else an error.
func (s *Server) writeAstray(fc *fasthttp.RequestCtx, status int, sentence string) {
	writeError(fc, status, sentence)
	if !byBrowser(fc) {
		return
	}
	p, err := render(status, func(w io.Writer) error {
		return s.site.pages.Result(w, web.Result{Tone: "calm", Heading: "There is nothing here", Sentences: []string{nothingHere},
			Retry: s.site.path + "/", RetryLabel: "Go to the start page"})
	})
	if err == nil {
		writePage(fc, p)
	}
}
