package token

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
)

// Answer is what was read.
type Answer struct {
	Access, Refresh string
	Code, Text      string
	Expiry          time.Time
	Data            string
}

// Normalise shows what is read out of an answer.
func Normalise(body []byte, m manifest.TokenRules, now time.Time) (Answer, error) {
	a, err := normalise(body, m, now)
	data, _ := json.Marshal(a.data)
	return Answer{a.access, a.refresh, a.errCode, a.errText, a.expiry, string(data)}, err
}

// Preview shows what a log shows of an answer.
func Preview(body []byte, sent ...crmgate.Secret) string { return preview(sent, body) }

// RetryAfter is how long an answer asks to wait.
func RetryAfter(value string, now time.Time) time.Duration {
	return retryAfter(http.Header{"Retry-After": {value}}, now)
}

// Masked is a text as a client may see it.
func Masked(text string, sent ...crmgate.Secret) string { return masked(sent, text) }

// SetPoint has f called at every point at which a test may end the process.
func (e *Engine) SetPoint(f func(string)) { e.at = f }

// Issuer is the client that issued a person's grant.
func (e *Engine) Issuer(ctx context.Context, conn connector.Connector, key crmgate.UserKey) (Client, error) {
	p, err := e.DB.Person(ctx, key)
	if err != nil {
		return Client{}, err
	}
	return e.issuer(ctx, conn, p)
}
