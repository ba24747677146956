package token

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// journal keeps the answers of token endpoints until what they granted is stored.
type journal struct {
	db     *storage.DB // nil: nothing is kept
	logger *slog.Logger
}

// put stores an answer and returns its ID, or "" if that fails. It does so even if the request's context has ended, because
// the answer is here.
func (j journal) put(ctx context.Context, entry storage.JournalEntry) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	id, err := j.db.PutEntry(ctx, entry)
	if err != nil { // the refresh goes on: the grant itself may still be stored
		j.logger.ErrorContext(ctx, "could not journal a token answer", "platform", entry.User.Platform, "err", err)
	}
	return id
}

// drop deletes an entry that is not needed any more. If that fails, the entry expires after a week.
func (j journal) drop(ctx context.Context, entry storage.JournalEntry) {
	if entry.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := j.db.DropEntry(ctx, entry); err != nil {
		j.logger.WarnContext(ctx, "could not drop a journal entry", "err", err)
	}
}

// find looks for an answer to the person's refresh token that was never stored: the process ended first, or the manifest was
// wrong. Sending that token again could end the grant.
//
// A later sign-in brings a newer access token, but perhaps no refresh token. The answer's refresh token then counts if the CRM
// rotated it, whichever clock is right. An answer that still cannot be parsed is an *Error with Unread.
func (j journal) find(ctx context.Context, conn connector.Connector, p crmgate.Person) (t Tokens, found bool, err error) {
	if p.Grant.RefreshToken.IsZero() {
		return t, false, nil
	}
	entries, err := j.db.JournalOf(ctx, p.User.Key)
	if err != nil {
		return t, false, err
	}
	for _, entry := range entries {
		if !entry.From.Equal(p.Grant.RefreshToken) {
			continue
		}
		r, parseErr := parseEntry(entry, conn.Manifest().ForHost(p.User.Key.Hostname))
		older := !entry.At.After(p.Grant.Issued)
		switch {
		case parseErr == nil && r.refused.code == "":
			if t, err = r.tokens(entry); err != nil {
				return t, false, err
			}
			if older && !t.rotated() { // the stored grant came from the same refresh token, and is newer
				continue
			}
			return t.withNewerAccess(p.Grant, older), true, nil
		case !older && mayHoldTokens([]byte(entry.Body.Reveal())) && r.refused.code == "":
			return t, false, &Error{
				Kind: crmgate.ErrTransient, Status: entry.Status, Unread: entry.ID, Err: parseErr, Message: noTokenText(entry.Status),
			}
		}
	}
	return t, false, nil
}

// Discard drops the journaled answer of an exchange whose person was turned away.
func (e *Engine) Discard(ctx context.Context, t Tokens) { e.journal.drop(ctx, t.Journal) }

// keptAs adds to the error of an answer that could not be parsed where the answer is kept.
func keptAs(err *Error, entry storage.JournalEntry, advice string) {
	err.Unread = entry.ID
	err.Err = fmt.Errorf("%w; it is kept as journal entry %s%s", err.Err, entry.ID, advice)
}

// mayHoldTokens reports whether an answer that could not be parsed may hold tokens. It must then be kept. A page never does.
// Other answers do if they name a token or contain a word as long as a token. In a JSON object, a word that is an ID, a URL or
// several words does not count.
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

// namesToken matches a member or a parameter that has a name ending in token, and a value.
var namesToken = regexp.MustCompile(`(?i)token"\s*:\s*"[^"]|token=[^&\s]`)

// holdsToken reports whether a value of a document may be a token.
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

// longWord reports whether there is a run of token characters that is long enough to be a token.
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
