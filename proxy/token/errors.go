package token

import (
	"cmp"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// Error is a token request that failed. errors.Is matches it with its Kind.
type Error struct {
	// Kind is crmgate.ErrUserDead, crmgate.ErrAppDead or crmgate.ErrTransient.
	Kind error
	// Code is the CRM's error code, such as invalid_grant; empty if it gave none.
	Code string
	// Status is the CRM's HTTP status; 0 if there was no answer.
	Status int
	// Message is the text for clients. It holds no secret.
	Message string
	// Said is what the CRM said, in its own words. It holds no secret. It may be empty.
	Said string
	// RetryAfter is how long to wait; 0 if that is not known.
	RetryAfter time.Duration
	// Locked says that the CRM limits or locks out the client. Further requests may make it worse.
	Locked bool
	// Unread is the journal entry of an answer that may hold tokens but could not be parsed; empty for other errors.
	Unread string
	// Err is the cause, for the log.
	Err error

	notSent  bool   // no request was sent to the CRM
	repeated bool   // an earlier failure, which was logged, is the cause
	unknown  string // the CRM's word for a refusal if no verdict on it is known
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the kind, and the cause if there is one.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Words are the CRM's own words, cut for a page; the text for clients if it said nothing.
func (e *Error) Words() string { return clip(cmp.Or(e.Said, e.Message)) }

// RefreshError is the error of a refresh that failed, for every caller that waited for it. The refresh has logged it once.
type RefreshError struct {
	// RetryAfter is how long to wait for the next attempt; 0 if another one would fail as well.
	RetryAfter time.Duration
	Err        error
}

func (e *RefreshError) Error() string { return "refresh: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *RefreshError) Unwrap() error { return e.Err }

// LogLevel is the level at which a caller of Live or CallLive logs an error. A refresh has warned of its own failure.
func LogLevel(err error) slog.Level {
	if errors.As(err, new(*RefreshError)) {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// StandardText is the text for clients of an error code: the wording of RFC 6749 for a code of that RFC, else the CRM's
// description, else the code.
func StandardText(code, description string) string {
	switch strings.ToLower(code) {
	case "invalid_request":
		return "The request is missing a required parameter, includes an invalid parameter value, includes a parameter more than once, or is otherwise malformed."
	case "invalid_client":
		return "Client authentication failed (e.g., unknown client, no client authentication included, or unsupported authentication method)."
	case "invalid_grant":
		return "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client."
	case "unauthorized_client":
		return "The client is not authorized to request an authorization code using this method."
	case "unsupported_grant_type":
		return "The authorization grant type is not supported by the authorization server."
	case "access_denied":
		return "The resource owner or authorization server denied the request."
	case "unsupported_response_type":
		return "The authorization server does not support obtaining an authorization code using this method."
	case "invalid_scope":
		return "The requested scope is invalid, unknown, or malformed."
	case "server_error":
		return "The authorization server encountered an unexpected condition that prevented it from fulfilling the request. (This error code is needed because a 500 Internal Server Error HTTP status code cannot be returned to the client via an HTTP redirect.)"
	case "temporarily_unavailable":
		return "The authorization server is currently unable to handle the request due to a temporary overloading or maintenance of the server."
	}
	if description != "" {
		return clip(description)
	}
	return clip(code)
}

// maxSaid is how much of a CRM's own words is kept, for the log.
const maxSaid = 4 << 10

// clip shortens a CRM's text for a client.
func clip(s string) string {
	const longest = 300
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
