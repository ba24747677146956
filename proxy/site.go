package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// site is what all pages share: templates, addresses, cookies and the pages for errors.
type site struct {
	pages   *web.Pages
	cookies cookies
	origin  string // of the public URL
	path    string // of the public URL, empty if it has none
	logger  *slog.Logger
}

func newSite(public *url.URL, logger *slog.Logger) (*site, error) {
	pages, err := web.New(public.EscapedPath())
	return &site{pages, cookies{public.Scheme == "https"}, public.Scheme + "://" + public.Host, public.EscapedPath(), logger}, err
}

func (s *site) connectPath(p crmgate.Platform) string { return s.path + "/connect/" + string(p) }

// adminPath is the address of an admin page. at is empty for the overview, or starts with a slash.
func (s *site) adminPath(at string) string { return s.path + "/admin" + strings.TrimSuffix(at, "/") }

// render renders a page.
func render(status int, write func(io.Writer) error) (page, error) {
	var b strings.Builder
	err := write(&b)
	return page{html: b.String(), status: status}, err
}

// renderForm renders a page with a form.
func renderForm(status int, write func(io.Writer) error) (any, error) {
	p, err := render(status, write)
	p.referrer = "same-origin" // with no-referrer, browsers send the form with Origin: null
	return p, err
}

// onPage runs a handler whose errors are shown on a page.
func (s *site) onPage(run handler) handler {
	return func(ctx context.Context, r *request) (any, error) {
		reply, err := run(ctx, r)
		if err == nil {
			return reply, nil
		}
		return s.failure(ctx, r, err, ending{})
	}
}

// correctable tells what a form says about an error that the person can correct, and logs the error. ok is false for nil and
// for other errors.
func (s *site) correctable(ctx context.Context, err error) (t told, ok bool) {
	t = tell(err)
	if t.sentence == "" || errors.As(err, new(errUnread)) {
		return t, false
	}
	s.logger.InfoContext(ctx, "refused", "status", t.status, "err", err)
	if says := t.crmSays(); says != "" {
		t.sentence += " " + says
	}
	return t, true
}

// crmSays is what a page quotes of the CRM's own words; empty if the sentence already has them. It shows control characters as
// escapes.
func (t told) crmSays() string {
	const longest = 300
	said := t.said
	if len(said) > longest {
		said = said[:longest] + "…"
	}
	said = strings.ToValidUTF8(said, "\uFFFD")
	if said == "" || strings.Contains(t.sentence, said) {
		return ""
	}
	return "The CRM says: " + strconv.Quote(said)
}

// ending is where a result page leads to.
type ending struct {
	platform crmgate.Platform // to try again; empty for no link
	waited   bool             // a client polls for the sign-in, and must start again itself
	landed   bool             // the page's address has an authorization code in it
	reload   string           // the address that shows a success again; empty for none
	admin    bool             // the sign-in began on an admin page
	final    bool             // the person cannot change it by trying again
}

// failure is the page for an error. It shows the sentence of the error table, or one that suits a page better.
func (s *site) failure(ctx context.Context, r *request, err error, e ending) (any, error) {
	if errors.As(err, new(errUnread)) {
		return nil, err // answered by refuse, which closes the connection
	}
	t := tell(err)
	if t.sentence == "" {
		t.status, t.sentence = 500, "Something went wrong on this server. If you ask for help, name the request "+r.id+"."
		s.logger.ErrorContext(ctx, "internal error", "err", err)
	} else {
		s.logger.InfoContext(ctx, "refused", "status", t.status, "err", err)
	}
	e.final = authflow.Failure(err).Rejection != ""
	return s.result(e, failureResult(err, t, e), t.status)
}

// failureResult says on a page what went wrong.
func failureResult(err error, t told, e ending) web.Result {
	res := web.Result{Tone: "bad", Heading: "This did not work", Sentences: []string{t.sentence}}
	switch {
	case e.admin && e.final: // the person is the administrator
		res.Heading = "The CRM rejects the application"
		res.Sentences = []string{"Check the client ID and the client secret. The CRM answered: " + authflow.Failure(err).Rejection}
	case errors.Is(err, crmgate.ErrNoApp):
		res.Tone, res.Heading = "calm", "Not set up yet"
	case e.admin && t.status == 404:
		res.Heading = "There is nothing here"
	case t.status == 404:
		res.Heading = "There is nothing to connect here"
	case errors.Is(err, crmgate.ErrDenied):
		res.Tone, res.Heading = "calm", "Not connected"
		res.Sentences = []string{"Access was not granted."}
	case errors.Is(err, crmgate.ErrExpired):
		res.Tone, res.Heading = "calm", "This took too long"
	case errors.Is(err, crmgate.ErrOtherBrowser):
		res.Heading = "This sign-in cannot be completed here"
		if e.landed { // the sentence of the JSON routes names a header
			res.Sentences = []string{"This sign-in was already used or replaced, or it was started in another browser. Start again."}
		}
	case errors.Is(err, crmgate.ErrConflict):
		res.Tone, res.Heading = "calm", "This sign-in has ended"
	}
	if says := t.crmSays(); says != "" {
		res.Sentences = append(res.Sentences, says)
	}
	return res
}

// result is the page that says how something ended, and how to continue.
func (s *site) result(e ending, res web.Result, status int) (any, error) {
	switch {
	case e.admin:
		res.Retry, res.RetryLabel = s.adminPath("/"+string(e.platform)), "Back to your organisation's page"
		if status == 404 {
			res.Retry = s.adminPath("")
		}
	case e.final:
	case e.waited && res.Tone != "good" && status != 404:
		res.Sentences = append(res.Sentences, "Close this window and connect again in the app.")
	case e.platform != "" && res.Tone != "good" && status != 404:
		res.Retry, res.RetryLabel = s.connectPath(e.platform), "Try again"
	}
	if e.landed && e.platform != "" {
		res.Clean = s.connectPath(e.platform)
		if e.admin {
			res.Clean = res.Retry
		}
		if res.Tone == "good" && e.reload != "" {
			res.Clean = e.reload
		}
	}
	return render(status, func(w io.Writer) error { return s.pages.Result(w, res) })
}

// going is the page that leads to the CRM. It leaves the login secret in the browser.
//
// The page continues by a Refresh header. A redirect would be subject to form-action of the page with the form, and the
// hosts that the CRM redirects to are not known.
//
// entered is the application that this request has entered; nil for none. If it is untested, the page says so and waits for the
// admin to continue.
func (s *site) going(r *request, crm string, c authflow.Composed, entered *org.Entered) (any, error) {
	v := web.Going{CRM: crm, URL: c.AuthURL}
	if entered != nil && entered.Untested {
		v.Warning = crm + " did not show whether the client ID and the client secret are right. Sign in there to find out."
	}
	p, err := render(200, func(w io.Writer) error { return s.pages.Going(w, v) })
	if err != nil {
		return nil, err
	}
	s.cookies.set(r, loginCookie, c.LoginSecret, c.Life)
	if v.Warning == "" {
		r.fc.Response.Header.Set("Refresh", "0; url="+c.AuthURL) // Compose has percent-encoded what a URL cannot contain
	}
	return p, nil
}
