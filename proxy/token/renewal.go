package token

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/crmgate/crmgate"
)

// CheckRenewal warns, once for each platform, of a grant that a sign-in has stored and that cannot be renewed: it has no refresh
// token, although the sign-in asked for one or the access token expires. People are then signed out after each lifetime.
func (e *Engine) CheckRenewal(ctx context.Context, c Client, t Tokens, stored crmgate.Grant) {
	asked := asksForRefreshToken(c.Scopes)
	if !stored.RefreshToken.IsZero() || stored.Expiry.IsZero() && !asked || e.ownRefresh(ctx, c.Platform) {
		return
	}
	if _, warned := e.unrenewable.LoadOrStore(c.Platform, true); warned {
		return
	}
	lifetime := "unknown"
	if !stored.Expiry.IsZero() {
		lifetime = stored.Expiry.Sub(stored.Issued).String()
	}
	e.Logger.WarnContext(ctx, "the CRM gave no refresh token: people must sign in again when their access token expires; check the scopes, and what the CRM allows the application",
		"platform", c.Platform, "client_id", c.ID, "refresh_token_asked", asked, "scopes_asked", c.Scopes, "scopes_granted", grantedScopes(t.Data), "lifetime", lifetime)
}

// asksForRefreshToken reports whether scopes, or parameters that stand beside them, are known to ask for a refresh token:
// offline_access (OpenID Connect), access_type=offline (Google), refresh_token (Salesforce).
func asksForRefreshToken(scopes string) bool {
	s := strings.ToLower(scopes)
	return strings.Contains(s, "offline") || strings.Contains(s, "refresh_token")
}

// grantedScopes returns the scopes of a token answer. An answer without any grants those that were asked for (RFC 6749, 5.1).
func grantedScopes(data json.RawMessage) string {
	var d struct {
		Scope json.RawMessage `json:"scope"`
	}
	_ = json.Unmarshal(data, &d) // an answer that is not an object names no scopes
	var one string
	var several []string
	switch {
	case json.Unmarshal(d.Scope, &one) == nil && one != "":
		return clip(one)
	case json.Unmarshal(d.Scope, &several) == nil && len(several) > 0:
		return clip(strings.Join(several, " "))
	}
	return "as asked"
}
