package token

import (
	"encoding/json"
	"iter"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
)

// preview is the beginning of an answer that is no token, fit for a log: whatever could be a token is masked.
func (c *call) preview(body []byte) string {
	var names []string // that tokens have here
	for _, path := range []string{c.quirks.Paths.AccessToken, c.quirks.Paths.RefreshToken} {
		if path != "" {
			names = append(names, path[strings.LastIndexByte(path, '.')+1:])
		}
	}
	return strconv.Quote(preview(c.secrets, body, names...))
}

// masked is a CRM's text without what was sent to it.
func (c *call) masked(text string) string { return masked(c.secrets, text) }

func masked(secrets []crmgate.Secret, text string) string {
	// The longest first: of one that begins with another, the rest would be left.
	longest := func(a, b string) int { return len(b) - len(a) }
	for _, s := range slices.SortedFunc(spellings(secrets), longest) {
		text = strings.ReplaceAll(text, s, "[…]")
	}
	return text
}

// spellings iterates over secrets as they are, and as URLs, forms and JSON write them. Those of less than four bytes are
// no secrets, and are in every text.
func spellings(secrets []crmgate.Secret) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, secret := range secrets {
			s := secret.Reveal()
			if len(s) < 4 {
				continue
			}
			quoted, _ := json.Marshal(s) // a string always encodes
			for _, t := range []string{s, url.QueryEscape(s), url.PathEscape(s), string(quoted[1 : len(quoted)-1])} {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// preview masks, in this order: the secrets known; the values of members whose names speak of secrets or are given,
// however short;
// what is as long as tokens are; and the end, where a token may have been cut to look short.
func preview(secrets []crmgate.Secret, body []byte, names ...string) string {
	const longest = 200
	words := []string{"token", "secret", "code", "password", "key"}
	for _, name := range names {
		words = append(words, regexp.QuoteMeta(name))
	}
	cut := len(body) > 4*longest
	if cut {
		body = body[:4*longest]
	}
	s := masked(secrets, strings.ToValidUTF8(string(body), "\uFFFD"))
	if cut {
		s = regexp.MustCompile(`[^\s"'<>{}&,]*$`).ReplaceAllString(s, "")
	}
	s = regexp.MustCompile(`(?i)((?:`+strings.Join(words, "|")+`)["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'&,}<]+)`).ReplaceAllString(s, "$1[…]")
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
