package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
)

// read journals an answer, and then reads it. Nothing is parsed before it is on the disk: a CRM that has rotated the
// refresh token has done so whether we understand its answer or not.
func (c *call) read(ctx context.Context, resp *http.Response, body []byte) error {
	now := c.engine.Now()
	c.entry.At, c.entry.Status, c.entry.Skew = now, resp.StatusCode, skew(resp.Header, now)
	c.entry.Body = crmgate.NewSecret(string(body))
	keep := c.engine.DB != nil // a probe has no store, and is granted nothing
	if keep && resp.StatusCode >= 200 && resp.StatusCode < 300 && len(bytes.TrimSpace(body)) > 0 {
		c.entry.ID = c.engine.journal(ctx, c.entry)
	}
	var parse error
	c.answer, parse = readAnswer(c.entry, c.client.manifest)
	err := c.judge(resp, body, parse)
	switch {
	case err == nil || c.entry.ID == "":
	case c.answer.errCode != "" || !mayHoldTokens(body):
		c.engine.drop(ctx, c.entry)
	default:
		var te *Error
		if errors.As(err, &te) {
			te.Unread = c.entry.ID
			te.Err = fmt.Errorf("%w; it is kept as journal entry %s: mend the manifest of %s (crmgate.token) and replay it", te.Err, c.entry.ID, c.client.Platform)
		}
	}
	return err
}

// journal keeps an answer, and returns its ID; "" if that failed. The request's context may be at its end, and the answer is
// here all the same.
func (e *Engine) journal(ctx context.Context, entry storage.JournalEntry) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	id, err := e.DB.PutEntry(ctx, entry)
	if err != nil { // what the answer holds can still be stored, at once
		e.Logger.ErrorContext(ctx, "a token answer could not be journaled", "platform", entry.User.Platform, "err", err)
	}
	e.reach("journaled")
	return id
}

// readAnswer reads a journaled answer as the manifest says, at the time that it came by the CRM's own clock. It is a token
// or an error: with a status of success a token counts, with another the error. Of an answer that was cut, only a JSON
// document is known to be whole.
func readAnswer(e storage.JournalEntry, m *manifest.Manifest) (answer, error) {
	quirks := m.Token
	switch {
	case e.Own:
		quirks = manifest.TokenRules{Lifetime: m.Refresh.Lifetime}
	case !e.From.IsZero():
		quirks = m.Refresh
	}
	body := []byte(e.Body.Reveal())
	if e.Cut && !bytes.HasPrefix(trimmed(body), []byte("{")) {
		return answer{}, errors.New("an answer that was cut")
	}
	a, err := normalise(body, quirks, e.At.Add(e.Skew))
	switch success := e.Status >= 200 && e.Status < 300; {
	case a.access == "" || a.errCode == "":
	case success:
		a.errCode, a.errText = "", ""
	default:
		a = answer{errCode: a.errCode, errText: a.errText}
	}
	if !a.expiry.IsZero() {
		a.expiry = a.expiry.Add(-e.Skew)
	}
	return a, err
}

// tokens is what an answer granted. entry is where it is journaled.
func (a answer) tokens(entry storage.JournalEntry) (Tokens, error) {
	t := Tokens{Access: crmgate.NewSecret(a.access), Refresh: crmgate.NewSecret(a.refresh), Issued: entry.At, Expiry: a.expiry, Journal: entry}
	var err error
	t.Data, err = json.Marshal(a.data)
	if entry.Own {
		t.info = changeIn(t.Data)
	}
	return t, err
}

// mayHoldTokens reports whether an answer that could not be read may have granted something: whether it names a token, or has
// a word in it that is as long as tokens are, and is no page. In a JSON document words that are ids, addresses or several
// are none.
func mayHoldTokens(body []byte) bool {
	body = trimmed(body)
	if len(body) == 0 || body[0] == '<' {
		return false
	}
	if namesToken.Match(body) {
		return true
	}
	top, err := document(body)
	if err != nil || body[0] != '{' {
		return longWord(body)
	}
	return holdsToken("", top)
}

// namesToken finds a member or a parameter that is called a token, and is something.
var namesToken = regexp.MustCompile(`(?i)token"\s*:\s*"[^"]|token=[^&\s]`)

// holdsToken reports whether there is a text in a document that may be a token.
func holdsToken(name string, v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if holdsToken(name, member) {
				return true
			}
		}
	case []any:
		for _, element := range v {
			if holdsToken(name, element) {
				return true
			}
		}
	case string:
		return !strings.HasSuffix(strings.ToLower(name), "id") && !strings.ContainsAny(v, " \t\n") && !strings.Contains(v, "://") && longWord([]byte(v))
	}
	return false
}

// longWord reports whether there is a run of letters of tokens that is long enough to be one.
func longWord(body []byte) bool {
	const shortest = 16
	run := 0
	for _, b := range body {
		if b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || bytes.IndexByte([]byte("-._~+/="), b) >= 0 {
			if run++; run >= shortest {
				return true
			}
			continue
		}
		run = 0
	}
	return false
}

func trimmed(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\uFEFF")))
}

// drop forgets a journal entry in which there is nothing to keep. One that stays is gone after a week.
func (e *Engine) drop(ctx context.Context, entry storage.JournalEntry) {
	if entry.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := e.DB.DropEntry(ctx, entry); err != nil {
		e.Logger.WarnContext(ctx, "a journal entry could not be dropped", "err", err)
	}
}

// Discard forgets what an exchange granted: the person was turned away.
func (e *Engine) Discard(ctx context.Context, t Tokens) { e.drop(ctx, t.Journal) }

// skew is how far a CRM's clock is ahead of ours, by its Date (RFC 9110, 6.6.1), which has whole seconds. A clock that is
// a day off is not believed.
func skew(h http.Header, now time.Time) time.Duration {
	const least, most = 2 * time.Second, 24 * time.Hour
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	d := t.Sub(now)
	if d.Abs() < least || d.Abs() > most {
		return 0
	}
	return d.Truncate(time.Second)
}

// journaled looks for an answer to this very refresh token that somebody got and could not store: a process that ended
// between the two, or a manifest that was wrong. To ask the CRM with that token again could end the grant. Who has signed
// in since has a newer access token, but the CRM may have given them no refresh token: then the answer's counts, and
// whichever clock is right, one that has rotated the token does. The error is an *Error with Unread if there is an answer
// that cannot be read still.
func (e *Engine) journaled(ctx context.Context, conn connector.Connector, p crmgate.Person) (t Tokens, found bool, err error) {
	if p.Grant.RefreshToken.IsZero() {
		return t, false, nil
	}
	entries, err := e.DB.JournalOf(ctx, p.User.Key)
	if err != nil {
		return t, false, err
	}
	for _, entry := range entries {
		if !entry.From.Equal(p.Grant.RefreshToken) {
			continue
		}
		a, parse := readAnswer(entry, conn.Manifest().ForHost(p.User.Hostname))
		older := !entry.At.After(p.Grant.Issued)
		switch {
		case parse == nil && a.errCode == "":
			if t, err = a.tokens(entry); err != nil {
				return t, false, err
			}
			if older && !t.rotated() { // where tokens are not rotated, what is stored came from the same one, and is newer
				continue
			}
			return t.over(p.Grant, older), true, nil
		case !older && mayHoldTokens([]byte(entry.Body.Reveal())) && a.errCode == "":
			return t, false, &Error{
				Kind: crmgate.ErrTransient, Status: entry.Status, Unread: entry.ID, Err: parse,
				Message: fmt.Sprintf("The CRM answered the token request with status %d and no token.", entry.Status),
			}
		}
	}
	return t, false, nil
}
