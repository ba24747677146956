package token

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
)

func success(status int) bool { return status >= 200 && status <= 299 }

// Overloaded reports whether a status says that the CRM cannot answer now: 408, 425 (RFC 8470), 429 or 5xx.
func Overloaded(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests || status >= 500
}

// Trouble reports whether an error says that the CRM is in trouble, and how long it asks to be left alone. A CRM that refuses
// a grant or an application is well.
func Trouble(err error) (failed bool, after time.Duration) {
	var te *Error
	var ce *crmgate.ConnectorError
	switch {
	case errors.Is(err, crmgate.ErrUserDead), errors.Is(err, crmgate.ErrAppDead), errors.As(err, &te) && te.Unread != "", errors.Is(err, limit.ErrBusy): // a busy server did not ask the CRM
		return false, 0
	case errors.As(err, &ce): // the connector refreshes by itself, and reports the CRM's status; 0 if there was no answer
		return ce.Status == 0 || Overloaded(ce.Status), 0
	case te != nil:
		return te.Status == 0 || Overloaded(te.Status) || te.RetryAfter > 0, te.RetryAfter
	}
	return false, 0
}

// retryAfter reads Retry-After in both of its forms (RFC 9110, 10.2.3), and takes an hour at most.
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

// unknownRefusal is a connector's error for a refusal of the CRM with a word that is not known.
type unknownRefusal struct {
	error
	word string
}

func (u *unknownRefusal) Unwrap() error { return u.error }

// unknownWord returns the CRM's word for a refusal if no verdict on it is known; empty for other errors.
func unknownWord(err error) string {
	var te *Error
	var u *unknownRefusal
	switch {
	case errors.As(err, &u):
		return u.word
	case errors.As(err, &te):
		return te.unknown
	}
	return ""
}

// outcome names how a request ended, for metrics.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, crmgate.ErrUserDead):
		return "user-dead"
	case errors.Is(err, crmgate.ErrAppDead):
		return "app-dead"
	case errors.Is(err, crmgate.ErrTransient):
		return "transient"
	}
	return "error"
}

// CodeRefused reports whether the endpoint accepted the client and refused the authorization code.
func (e *Error) CodeRefused() bool { return isCodeWord(e.Code) }

// AppRefused reports whether the endpoint refused the application in an answer to an exchange: its id, its secret, how it
// authenticates, or its redirect URI. A 401 is about the client unless it has another code of the standard (RFC 6749, 5.2).
func (e *Error) AppRefused() bool {
	standard := e.Code != "" && StandardText(e.Code, "") != clip(e.Code)
	return errors.Is(e.Kind, crmgate.ErrAppDead) || e.Status == 401 && !standard && !e.CodeRefused()
}

// Settled reports whether an exchange has decided about the authorization code, so that it cannot be used again: the CRM refused
// it or the application, or accepted it in an answer without a token that could be read. A CRM in trouble decides nothing.
func (e *Error) Settled() bool {
	switch {
	case e.Status == 0:
		return false
	case Overloaded(e.Status):
		return e.Status >= 500 && e.CodeRefused()
	}
	said := e.Code != "" && e.unknown == ""
	return !said || !errors.Is(e.Kind, crmgate.ErrTransient)
}

// lockedOut are parts of what CRMs say when they limit or lock out a client.
var lockedOut = []string{"locked", "lockout", "too many", "rate limit", "rate_limit", "suspended"}

// saysLocked reports whether a CRM's words say that it limits or locks out the client.
func saysLocked(texts ...string) bool {
	said := strings.ToLower(strings.Join(texts, "\n"))
	return slices.ContainsFunc(lockedOut, func(part string) bool { return strings.Contains(said, part) })
}

// ClientRefused reports whether an error of Try or Exchange is about the client: its id, its secret, or how it authenticates.
func ClientRefused(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == 401 || e.Status == 403 || errors.Is(e.Kind, crmgate.ErrAppDead) && !strings.EqualFold(e.Code, mismatch))
}
