package authflow

import (
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
)

// TokenFailure says what to tell a client of an error that a token endpoint is behind: a sentence, whether the same
// request may succeed later without the CRM having said no, and after how long. ok is false for every other error.
func TokenFailure(err error) (sentence string, busy bool, after time.Duration, ok bool) {
	var te *token.Error
	if !errors.As(err, &te) {
		return "", false, 0, false
	}
	// Only who waited in vain for another request's refresh is told to wait: upstream's clients know 400 for the rest.
	return te.Message, te.RetryAfter > 0 && te.Status == 0 && errors.Is(te.Kind, crmgate.ErrTransient), te.RetryAfter, true
}

// authorizationError is what a client is told of an error parameter in a callback.
func authorizationError(code, description string) error {
	r := crmgate.Refuse("%s", token.StandardText(code, description))
	if code == "access_denied" {
		r.Err = crmgate.ErrDenied
	}
	return r
}
