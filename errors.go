package crmgate

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers act on. Test for them with errors.Is. An operation that a connector does not implement returns
// errors.ErrUnsupported.
var (
	// ErrNotFound means that there is no record, connector or route of that name.
	ErrNotFound = errors.New("not found")
	// ErrSealed means that a sealed value cannot be opened: it was changed or moved, or it was sealed with another key.
	ErrSealed = errors.New("the sealed value cannot be opened")
	// ErrConflict means that another request changed the record first, and nothing was written.
	ErrConflict = errors.New("another request changed it first")

	// ErrUserDead means that the CRM has ended the person's grant. The person must sign in again.
	ErrUserDead = errors.New("the CRM no longer accepts this sign-in")
	// ErrAppDead means that the CRM rejects the application (client id, secret, redirect URI), for every person.
	ErrAppDead = errors.New("the CRM rejects the application")
	// ErrNoApp means that there is no application: the manifest, the connector and the admin named none.
	ErrNoApp = errors.New("no application is set up")
	// ErrTransient means that the same request may succeed later.
	ErrTransient = errors.New("the CRM is unavailable at the moment")

	// ErrDenied means that the person, or the CRM, denied access.
	ErrDenied = errors.New("the sign-in was denied")
	// ErrExpired means that a sign-in took too long.
	ErrExpired = errors.New("the sign-in took too long")
	// ErrOtherBrowser means that a sign-in was started in another browser.
	ErrOtherBrowser = errors.New("the sign-in was started in another browser")
	// ErrInvalidToken means that a RingCentral token or an admin token is not valid.
	ErrInvalidToken = errors.New("the token is not valid")
	// ErrNotAdmin means that a token does not belong to an administrator.
	ErrNotAdmin = errors.New("the token does not belong to an administrator")
)

// Kind is the kind of a Refusal. Package proxy turns it into an HTTP status.
type Kind int

const (
	Invalid     Kind = iota // the request is invalid
	Forbidden               // the request is valid but not allowed
	Missing                 // the request names something that does not exist
	Unavailable             // the same request may succeed later
	Declined                // the request is valid, and the person can act: sign in again, or ask their administrator
)

// Refusal is an error with a message for the person or the client. Other errors are shown as "internal error".
type Refusal struct {
	Kind    Kind
	Message string
	// Plain sends the bare Message as the body, because App Connect's clients expect that. The status still depends on Kind.
	Plain bool
	// Said is what the CRM said about it, in its own words. Pages show it, cut and escaped. It may be empty.
	Said string
	// Err is the cause, for the log only. It may be nil.
	Err error
}

// Refuse returns a Refusal of kind Invalid.
func Refuse(format string, args ...any) *Refusal {
	return &Refusal{Message: fmt.Sprintf(format, args...)}
}

// Decline returns a Refusal of kind Declined.
func Decline(format string, args ...any) *Refusal {
	return &Refusal{Kind: Declined, Message: fmt.Sprintf(format, args...)}
}

// RefusePlain returns a Refusal of kind Invalid whose body is the bare text.
func RefusePlain(text string) *Refusal { return &Refusal{Message: text, Plain: true} }

func (r *Refusal) Error() string {
	if r.Err != nil {
		return strings.TrimSuffix(r.Message, ".") + ": " + r.Err.Error()
	}
	return r.Message
}

func (r *Refusal) Unwrap() error { return r.Err }

// ConnectorError is the failure of one call into a connector: the connector returned an error, broke the ABI, trapped, or
// was stopped at a limit.
type ConnectorError struct {
	Platform  Platform
	Operation string // as the ABI names it: getUserInfo
	// Message is for the person: the connector's own text, or ours about the connector's mistake.
	Message string
	// Detail is what the connector says of a mistake of its own, for the log; empty if it says that to the person.
	Detail string
	// Status is the CRM's HTTP status that caused the failure. If the connector named none, it is the status of the last answer
	// that it fetched, if that was a failure; otherwise 0.
	Status int
	// Code is the CRM's OAuth error code that caused the failure; empty if the connector named none.
	Code string
	// Err is the cause, such as a trap or context.DeadlineExceeded. It is nil if the connector itself returned the error.
	Err error
}

func (e *ConnectorError) Error() string {
	s := fmt.Sprintf("connector %s: %s: %s", e.Platform, e.Operation, e.Message)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *ConnectorError) Unwrap() error { return e.Err }

// Clip shortens text of unknown length for a message.
func Clip(s string) string {
	const longest = 100
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD") // the cut may be within a character
}
