package token

import (
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// verdict is the meaning of a word in an answer of a token endpoint.
type verdict struct {
	word string // compared without regard to case
	text string // what the description must contain, without regard to case; empty for any description
	kind error  // crmgate.ErrUserDead, crmgate.ErrAppDead or crmgate.ErrTransient
	// refresh limits the verdict to answers to refreshes: a CRM that refuses an authorization code has ended no grant.
	refresh bool
	crm     string // the CRMs that say so; empty if a standard does
	source  string // the address of the documentation, or of a bug report that quotes the answer
}

const (
	docGitHub     = "https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors"
	docMicrosoft  = "https://learn.microsoft.com/en-us/javascript/api/@azure/msal-node/interactionrequiredautherrorcodes"
	docRFC        = "https://www.rfc-editor.org/rfc/rfc6749#section-5.2"
	docRFCState   = "https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1"
	docSalesforce = "https://help.salesforce.com/s/articleView?id=release-notes.rn_security_refresh_token_error.htm&release=252&type=5"
	docSlack      = "https://docs.slack.dev/reference/methods/oauth.v2.access"
)

// verdicts are the words that the server knows on every platform. A test compares docs/connectors.md with them.
var verdicts = []verdict{
	{word: "invalid_grant", kind: crmgate.ErrUserDead, source: docRFC},
	{word: "bad_refresh_token", kind: crmgate.ErrUserDead, refresh: true, crm: "HubSpot", source: "https://integrate.hubspot.com/t/what-to-do-when-you-suddenly-get-bad-refresh-token-when-trying-to-refresh-an-access-token/5490"},
	{word: "bad_refresh_token", kind: crmgate.ErrUserDead, refresh: true, crm: "GitHub", source: "https://github.com/interlink-hq/interLink/pull/262"},
	{word: "invalid_code", kind: crmgate.ErrUserDead, refresh: true, crm: "Zoho", source: "https://github.com/Weble/ZohoBooksApi/issues/84"},
	{word: "invalid_refresh_token", kind: crmgate.ErrUserDead, refresh: true, crm: "Slack", source: "https://github.com/slackapi/python-slack-sdk/issues/1242"},
	{word: "interaction_required", kind: crmgate.ErrUserDead, refresh: true, crm: "Microsoft", source: docMicrosoft},
	{word: "consent_required", kind: crmgate.ErrUserDead, refresh: true, crm: "Microsoft", source: docMicrosoft},
	{word: "login_required", kind: crmgate.ErrUserDead, refresh: true, crm: "Microsoft", source: docMicrosoft},

	{word: "invalid_client", kind: crmgate.ErrAppDead, source: docRFC},
	{word: "unauthorized_client", kind: crmgate.ErrAppDead, source: docRFC},
	{word: mismatch, kind: crmgate.ErrAppDead, crm: "GitHub", source: docGitHub},
	{word: "incorrect_client_credentials", kind: crmgate.ErrAppDead, crm: "GitHub", source: docGitHub},
	{word: "invalid_client_id", kind: crmgate.ErrAppDead, crm: "Slack", source: docSlack},
	{word: "bad_client_secret", kind: crmgate.ErrAppDead, crm: "Slack", source: docSlack},
	{word: "invalid_client_secret", kind: crmgate.ErrAppDead, crm: "Zoho", source: "https://github.com/schmorrison/Zoho/pull/34"},
	{word: "deleted_client", kind: crmgate.ErrAppDead, crm: "Google", source: "https://github.com/prasmussen/gdrive/issues/646"},

	{word: "temporarily_unavailable", kind: crmgate.ErrTransient, source: docRFCState},
	{word: "server_error", kind: crmgate.ErrTransient, source: docRFCState},
	{word: "slow_down", kind: crmgate.ErrTransient, source: "https://www.rfc-editor.org/rfc/rfc8628#section-3.5"},
	{word: "too_many_requests", kind: crmgate.ErrTransient, crm: "Square", source: "https://developer.squareup.com/forums/t/category-v1-error-code-too-many-requests-detail-this-request-was-rate-limited-please-retry-later/3338"},
	{word: "rate_limited", kind: crmgate.ErrTransient, crm: "WordPress", source: "https://github.com/Automattic/wordpress-activitypub/pull/3236"},
	{word: "invalid_grant", text: "token request is already being processed", kind: crmgate.ErrTransient, refresh: true, crm: "Salesforce", source: docSalesforce},
	{word: "invalid_grant", text: "expired authorization code", kind: crmgate.ErrTransient, refresh: true, crm: "Salesforce", source: docSalesforce},
	{word: "invalid_grant", text: "login rate exceeded", kind: crmgate.ErrTransient, refresh: true, crm: "Salesforce", source: "https://github.com/restforce/restforce/issues/412"},
	{word: "invalid_grant", text: "ip restricted", kind: crmgate.ErrTransient, refresh: true, crm: "Salesforce", source: "https://github.com/sfdx-actions/setup-sfdx/issues/17"},
	{word: "access_denied", text: "rate limit exceeded", kind: crmgate.ErrTransient, crm: "Exact Online", source: "https://github.com/websmurf/laravel-exact-online/issues/31"},
	{word: "access denied", text: "too many requests", kind: crmgate.ErrTransient, crm: "Zoho", source: "https://zoho.com/accounts/protocol/oauth/token-limits.html"}, // with status 400
}

// mismatch is the word for a redirect URI that the application has not registered.
const mismatch = "redirect_uri_mismatch"

// codeWords are the words for an invalid authorization code in answers to exchanges.
var codeWords = []string{
	"invalid_grant",
	"bad_verification_code", // GitHub: docGitHub
	"invalid_code",          // Zoho, and Slack: docSlack
}

func isCodeWord(word string) bool {
	for _, w := range codeWords {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// declared are the verdicts of a manifest (crmgate.token.errors).
func declared(e manifest.TokenErrors) []verdict {
	var all []verdict
	for _, w := range e.UserDead {
		all = append(all, verdict{word: w.Code, text: w.Text, kind: crmgate.ErrUserDead, refresh: true})
	}
	for _, w := range e.AppDead {
		all = append(all, verdict{word: w.Code, text: w.Text, kind: crmgate.ErrAppDead})
	}
	for _, w := range e.Transient {
		all = append(all, verdict{word: w.Code, text: w.Text, kind: crmgate.ErrTransient})
	}
	return all
}

// judge returns the verdict on an answer with these words and this description, and the word as the CRM wrote it. ok is false
// if no word is known. The manifest is asked before the table, and verdicts with a text before those without. Then a word
// that means "not now" decides, because a live grant is worth more than a request saved, and otherwise the first word.
func judge(refresh bool, errors manifest.TokenErrors, words []string, description string) (v verdict, word string, ok bool) {
	for _, known := range [][]verdict{declared(errors), verdicts} {
		for _, withText := range []bool{true, false} {
			for _, w := range words {
				for _, k := range known {
					applies := (k.text != "") == withText && (refresh || !k.refresh)
					if applies && k.matches(w, description) && (!ok || k.kind == crmgate.ErrTransient) {
						v, word, ok = k, w, true
					}
				}
			}
			if ok {
				return v, word, true
			}
		}
	}
	return verdict{}, "", false
}

func (v verdict) matches(word, description string) bool {
	return strings.EqualFold(v.word, word) && strings.Contains(strings.ToLower(description), strings.ToLower(v.text))
}

// known reports whether a word is one of an error, in an answer to an exchange or to a refresh.
func known(errors manifest.TokenErrors, word string) bool {
	_, _, ok := judge(true, errors, []string{word}, "")
	return ok || isCodeWord(word)
}
