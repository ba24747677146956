package crmgate

import (
	"errors"
	"fmt"
	"strings"
)

// Conditions that callers act on. Test with errors.Is. An operation that a connector does not implement is errors.ErrUnsupported.
var (
	// ErrNotFound means that no record, connector or route has that name.
	ErrNotFound = errors.New("not found")
	// ErrSealed means that a stored or sealed value does not open: it was changed or moved, or the key is not the one that sealed it.
	ErrSealed = errors.New("sealed value does not open")
	// ErrConflict means that a record changed under the caller and the write was not made.
	ErrConflict = errors.New("changed by somebody else")

	// ErrUserDead means that the CRM has ended the person's grant: they must sign in again.
	ErrUserDead = errors.New("the CRM no longer honours this sign-in")
	// ErrAppDead means that the CRM rejects the application (client id, secret, redirect URI), whoever the person is.
	ErrAppDead = errors.New("the CRM rejects the application")
	// ErrNoApp means that nobody has named an application: neither the manifest, nor the connector, nor an admin.
	ErrNoApp = errors.New("no application is set up")
	// ErrTransient means that nothing is known to be wrong: the same request may succeed later.
	ErrTransient = errors.New("the CRM cannot be used at the moment")

	// ErrDenied means that the person, or the CRM for them, said no to a sign-in.
	ErrDenied = errors.New("the sign-in was denied")
	// ErrExpired means that a sign-in took longer than it may.
	ErrExpired = errors.New("the sign-in took too long")
	// ErrOtherBrowser means that a sign-in was begun by another browser than the one that goes on with it.
	ErrOtherBrowser = errors.New("the sign-in was begun elsewhere")
)

// Kind says what sort of refusal a Refusal is; the front turns it into a status.
type Kind int

const (
	Invalid     Kind = iota // the request is wrong
	Forbidden               // the request is understood and not allowed
	Missing                 // what it names does not exist
	Unavailable             // the same request may succeed later
)

// Refusal is an error whose Message is meant for the person or the client. Other errors are shown as "internal error".
type Refusal struct {
	Kind    Kind
	Message string
	// Plain says that clients expect the bare Message as the body, as upstream App Connect sends some of its refusals; the status is Kind's.
	Plain bool
	// Err is the cause, for the log only; may be nil.
	Err error
}

// Refuse returns a Refusal of kind Invalid.
func Refuse(format string, args ...any) *Refusal {
	return &Refusal{Message: fmt.Sprintf(format, args...)}
}

// RefusePlain returns a Refusal of kind Invalid whose body is the bare text.
func RefusePlain(text string) *Refusal { return &Refusal{Message: text, Plain: true} }

func (r *Refusal) Error() string {
	if r.Err != nil {
		return r.Message + ": " + r.Err.Error()
	}
	return r.Message
}

func (r *Refusal) Unwrap() error { return r.Err }

// ConnectorError is the failure of one call into a connector: it answered with an error of its own, broke the ABI, trapped, or was stopped at a limit.
type ConnectorError struct {
	Platform  Platform
	Operation string // as the ABI names it: getUserInfo
	// Message is what to tell the person: the connector's own words, or ours about what it did wrong.
	Message string
	// Status is the CRM's HTTP status behind the failure, if the connector named one; else 0.
	Status int
	// Code is the CRM's OAuth error code behind the failure, if the connector named one.
	Code string
	// Err is the cause (a trap, context.DeadlineExceeded, …); nil if the connector answered in order.
	Err error
}

func (e *ConnectorError) Error() string {
	s := fmt.Sprintf("connector %s: %s: %s", e.Platform, e.Operation, e.Message)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *ConnectorError) Unwrap() error { return e.Err }

// Clip shortens foreign text for a message.
func Clip(s string) string {
	const longest = 100
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD") // it may have been cut within a character
}
