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

// preview is the beginning of an answer for the log, with everything masked that could be a token.
func (tr *tokenRequest) preview(body []byte) string {
	var names []string // of the tokens, by the manifest
	for _, path := range []string{tr.rules.Paths.AccessToken, tr.rules.Paths.RefreshToken} {
		if path != "" {
			names = append(names, path[strings.LastIndexByte(path, '.')+1:])
		}
	}
	return strconv.Quote(preview(tr.secrets, body, names...))
}

// masked is a CRM's text without the secrets that were sent to it.
func (tr *tokenRequest) masked(text string) string { return masked(tr.secrets, text) }

func masked(secrets []crmgate.Secret, text string) string {
	// The longest first: if one secret begins with another, masking the shorter would leave the rest.
	longest := func(a, b string) int { return len(b) - len(a) }
	for _, s := range slices.SortedFunc(spellings(secrets), longest) {
		text = strings.ReplaceAll(text, s, "[…]")
	}
	return text
}

// spellings iterates over the secrets as they are, and as URLs, forms and JSON encode them. Those of less than four bytes are
// left out: they occur in every text.
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

// preview returns at most 200 bytes of an answer. It masks the known secrets, the values of members that are named like
// secrets or by names, and all words as long as a token. It removes the last word if the answer is cut there.
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
