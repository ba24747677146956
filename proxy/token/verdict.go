package token

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
)

// noAnswer is the error of a request that brought no whole answer.
func (c *call) noAnswer(err error, status int) error {
	var fe *crmgate.FetchError
	if errors.As(err, &fe) && fe.Kind == crmgate.FetchRefused {
		return &crmgate.Refusal{Message: "The token endpoint may not be reached: " + fe.Message, Err: err}
	}
	if fe != nil && fe.Kind == crmgate.FetchSize {
		return &Error{Kind: crmgate.ErrTransient, Status: status, Message: "The CRM's answer to the token request is too large.", Err: err}
	}
	where := c.client.TokenURL
	where, _, _ = strings.Cut(where, "?")
	return &Error{Kind: crmgate.ErrTransient, Status: status, Message: fmt.Sprintf("Unable to connect to %q", where), Err: err}
}

// cutShort is the error of an answer of which only the beginning came, and that has no token in it to be read.
func (c *call) cutShort(cut, unread error, status int, body []byte) error {
	err := c.noAnswer(fmt.Errorf("%w; it began with %s", cut, c.preview(body)), status)
	var te, was *Error
	if errors.As(err, &te) && errors.As(unread, &was) && was.Unread != "" {
		te.Unread = was.Unread
		te.Err = fmt.Errorf("%w; it is kept as journal entry %s", te.Err, te.Unread)
	}
	return err
}

// judge says what is wrong with an answer; nil if it is a token.
func (c *call) judge(resp *http.Response, body []byte, parse error) error {
	e := &Error{Kind: crmgate.ErrTransient, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, c.engine.Now())}
	switch {
	case c.answer.errCode != "":
		description := c.masked(c.answer.errText) // some CRMs repeat in it what they were sent
		e.Code = clip(c.masked(c.answer.errCode))
		if e.Kind = kindOf(e.Code); e.Status == 429 || e.Status >= 500 {
			e.Kind = crmgate.ErrTransient // what a CRM says when it is not well is not its last word
		}
		e.Message = StandardText(e.Code, description)
		e.Err = fmt.Errorf("status %d, code %q: %q", e.Status, e.Code, clip(description))
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		e.Message = "HTTP status " + strconv.Itoa(resp.StatusCode)
		e.Err = errors.New(c.preview(body))
	case parse != nil:
		e.Message = fmt.Sprintf("The CRM answered the token request with status %d and no token.", resp.StatusCode)
		e.Err = fmt.Errorf("%w: %s", parse, c.preview(body))
	default:
		return nil
	}
	return e
}

// retryAfter reads Retry-After in both of its forms (RFC 9110, 10.2.3); at most an hour is believed.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, time.Hour)
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, min(t.Sub(now), time.Hour))
	}
	return 0
}
