package token

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
)

// preview is the beginning of an answer that is no token, fit for a log: whatever could be a token is masked.
func (c *call) preview(body []byte) string { return strconv.Quote(preview(c.secrets, body)) }

// masked is a CRM's text without what was sent to it.
func (c *call) masked(text string) string { return masked(c.secrets, text) }

func masked(secrets []crmgate.Secret, text string) string {
	// The longest first: of one that begins with another, the rest would be left.
	longest := func(a, b crmgate.Secret) int { return len(b.Reveal()) - len(a.Reveal()) }
	for _, s := range slices.SortedFunc(slices.Values(secrets), longest) {
		if len(s.Reveal()) >= 4 { // shorter ones are no secrets, and are in every text
			text = strings.ReplaceAll(text, s.Reveal(), "[…]")
		}
	}
	return text
}

// preview masks, in this order: the secrets known; the values of members whose names speak of secrets, however short;
// what is as long as tokens are; and the end, where a token may have been cut to look short.
func preview(secrets []crmgate.Secret, body []byte) string {
	const longest = 200
	cut := len(body) > 4*longest
	if cut {
		body = body[:4*longest]
	}
	s := masked(secrets, strings.ToValidUTF8(string(body), "\uFFFD"))
	if cut {
		s = regexp.MustCompile(`[^\s"'<>{}&,]*$`).ReplaceAllString(s, "")
	}
	s = regexp.MustCompile(`(?i)((?:token|secret|code|password|key)["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'&,}<]+)`).ReplaceAllString(s, "$1[…]")
	s = regexp.MustCompile(`[A-Za-z0-9_\-.~+/%!|$]{12,}`).ReplaceAllStringFunc(s, func(run string) string {
		if len(run) < 24 && strings.Trim(run, "abcdefghijklmnopqrstuvwxyz_") == "" {
			return run // a name: error_description
		}
		return "[…]"
	})
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "")
	}
	return s
}
