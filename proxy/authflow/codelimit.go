package authflow

import (
	"errors"
	"math"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
)

// A callback with a plain state needs nothing from this server, so anyone can send callbacks with made-up codes. Each costs the
// CRM a token request with the application's credentials, and a CRM may lock out an application that guesses. The limit is
// refusedCodes at once, and one more in every refusedEvery. Callbacks with a bound state do not count: this server began them,
// and each state is good for one.
const (
	refusedCodes = 60
	refusedEvery = time.Second
	maxLimited   = 4096 // applications that are remembered
)

// codeLimit limits the codes of plain callbacks that CRMs refuse, for each application. Safe for concurrent use.
type codeLimit struct {
	now func() time.Time

	mu   sync.Mutex
	left map[limited]*allowance // guarded by mu
}

// limited names an application.
type limited struct {
	crmgate.Platform
	crmgate.ApplicationKey
}

// allowance is how many more codes may be refused.
type allowance struct {
	codes float64
	at    time.Time // when codes was right
	spent bool      // it was used up, and has not recovered since
}

func newCodeLimit(now func() time.Time) *codeLimit {
	return &codeLimit{now: now, left: map[limited]*allowance{}}
}

// admit admits a token request, and its caller must call done with the result. If the allowance is used up, it returns an error
// that says when to try again; first says that it is the first one since the allowance recovered.
func (l *codeLimit) admit(c token.Client) (done func(error), first bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.allowance(limited{c.Platform, c.App})
	if a.codes < 1 {
		first = !a.spent
		a.spent = true
		wait := time.Duration(math.Ceil(1-a.codes)) * refusedEvery
		return nil, first, &token.Error{
			Kind: crmgate.ErrTransient, RetryAfter: wait,
			Message: "Too many sign-ins with invalid codes. Please try again in a minute.",
		}
	}
	a.codes--
	return func(err error) {
		if !refusedCode(err) {
			l.mu.Lock()
			defer l.mu.Unlock()
			a.codes = min(a.codes+1, refusedCodes)
		}
	}, false, nil
}

// allowance returns an application's allowance as it is now.
func (l *codeLimit) allowance(app limited) *allowance {
	now := l.now()
	a := l.left[app]
	if a == nil {
		if len(l.left) >= maxLimited {
			clear(l.left)
		}
		a = &allowance{codes: refusedCodes, at: now}
		l.left[app] = a
	}
	if passed := now.Sub(a.at); passed > 0 { // the clock may jump back
		a.codes = min(a.codes+float64(passed)/float64(refusedEvery), refusedCodes)
	}
	a.at = now
	if a.codes >= refusedCodes/2 {
		a.spent = false
	}
	return a
}

// refusedCode reports whether a CRM refused a code, or the client that presented it.
func refusedCode(err error) bool {
	var te *token.Error
	return errors.As(err, &te) && te.Status >= 400 && te.Status < 500
}
