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

// Answer is a parsed token response.
type Answer struct {
	Access, Refresh string
	Code, Text      string
	Expiry          time.Time
	Data            string
}

// Parse parses a token response.
func Parse(body []byte, m manifest.TokenRules, now time.Time) (Answer, error) {
	a, err := parse(body, m, now)
	data, _ := json.Marshal(a.data)
	return Answer{a.access, a.refresh, a.refused.code, a.refused.description, a.expiry, string(data)}, err
}

// Preview is the preview of an answer for the log.
func Preview(body []byte, sent ...crmgate.Secret) string { return preview(sent, body) }

// RetryAfter is how long an answer asks to wait.
func RetryAfter(value string, now time.Time) time.Duration {
	return retryAfter(http.Header{"Retry-After": {value}}, now)
}

// Masked is a CRM's text for a client.
func Masked(text string, sent ...crmgate.Secret) string { return masked(sent, text) }

// SetPoint has f called at every point at which a test may end the process.
func (e *Engine) SetPoint(f func(string)) { e.at = f }

// Issuer is the client that issued a person's grant.
func (e *Engine) Issuer(ctx context.Context, conn connector.Connector, key crmgate.UserKey) (Client, error) {
	p, err := e.DB.Person(ctx, key)
	if err != nil {
		return Client{}, err
	}
	return e.issuingClient(ctx, conn, p)
}

// Verdict is a row of the table of words.
type Verdict struct {
	Word, Text  string
	Kind        error
	Refresh     bool
	CRM, Source string
}

// Verdicts are the rows of the table of words.
func Verdicts() []Verdict {
	var all []Verdict
	for _, v := range verdicts {
		all = append(all, Verdict{v.word, v.text, v.kind, v.refresh, v.crm, v.source})
	}
	return all
}
