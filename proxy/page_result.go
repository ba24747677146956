package proxy

import (
	"context"
	"errors"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/web"
)

// page is a reply for a person.
type page struct {
	html   string
	status int
	// referrer is the Referrer-Policy, no-referrer if empty.
	referrer string
}

// onPage runs a handler whose errors a person reads.
func (s *Server) onPage(run func(context.Context, *request) (any, error)) func(context.Context, *request) (any, error) {
	return func(ctx context.Context, r *request) (any, error) {
		reply, err := run(ctx, r)
		if err == nil {
			return reply, nil
		}
		return s.failure(ctx, r, err, ending{})
	}
}

// ending is where a page that ends something leads to.
type ending struct {
	platform crmgate.Platform // to try again; empty if that is not for the page to say
	waited   bool             // a client waits, who begins anew
	landed   bool             // the CRM has sent the browser here, by an address that has a code in it
	admin    bool             // an organisation's admin began it, on their page
}

// failure is the page for an error. What it says of one is what clients are told as well.
func (s *Server) failure(ctx context.Context, r *request, err error, e ending) (any, error) {
	if errors.As(err, new(errUnread)) {
		return nil, err // for the front, which ends the connection
	}
	t := tell(err)
	if t.sentence == "" {
		t.status, t.sentence = 500, "Something went wrong on this server. If you ask for help, please name the request "+r.id+"."
		s.Logger.ErrorContext(ctx, "internal error", "err", err)
	} else {
		s.Logger.InfoContext(ctx, "refused", "status", t.status, "err", err)
	}
	res := web.Result{Tone: "bad", Heading: "This did not work", Sentences: []string{t.sentence}}
	switch {
	case errors.Is(err, crmgate.ErrNoApp):
		res.Tone, res.Heading = "calm", "Not set up yet"
	case e.admin && t.status == 404:
		res.Heading = "There is nothing here"
	case t.status == 404:
		res.Heading = "There is nothing to connect here"
	case errors.Is(err, crmgate.ErrDenied):
		res.Tone, res.Heading = "calm", "Not connected"
		res.Sentences = []string{"You, or the CRM for you, did not allow access. Nothing was stored."}
	case errors.Is(err, crmgate.ErrExpired):
		res.Tone, res.Heading = "calm", "This took too long"
	case errors.Is(err, crmgate.ErrOtherBrowser):
		res.Heading = "This is not your sign-in"
		if e.landed { // the sentence for clients speaks of a header
			res.Sentences = []string{"It was not started in this browser, or the browser keeps no cookies."}
		}
	case errors.Is(err, crmgate.ErrConflict):
		res.Tone, res.Heading = "calm", "This sign-in is over"
	}
	return s.ended(e, res, t.status)
}

// ended is a page that says how something ended, and how to go on.
func (s *Server) ended(e ending, res web.Result, status int) (any, error) {
	switch {
	case e.admin:
		res.Retry, res.RetryLabel = s.adminPath("/"+string(e.platform)), "Back to your organisation's page"
		if status == 404 {
			res.Retry = s.adminPath("")
		}
	case e.waited && res.Tone != "good" && status != 404:
		res.Sentences = append(res.Sentences, "Please close this window and connect again in the application.")
	case e.platform != "" && res.Tone != "good" && status != 404:
		res.Retry, res.RetryLabel = s.connectPath(e.platform), "Try again"
	}
	if e.landed && e.platform != "" {
		res.Clean = s.connectPath(e.platform)
		if e.admin {
			res.Clean = res.Retry
		}
	}
	var b strings.Builder
	err := s.pages.Result(&b, res)
	return page{html: b.String(), status: status}, err
}

func (s *Server) connectPath(p crmgate.Platform) string { return s.path + "/connect/" + string(p) }
