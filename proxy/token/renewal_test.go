package token_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/token"
)

func TestCheckRenewal(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	expires := crmgate.Grant{AccessToken: crmgate.NewSecret("canary"), Issued: now, Expiry: now.Add(time.Hour)}
	forever := crmgate.Grant{AccessToken: crmgate.NewSecret("canary"), Issued: now}
	for _, c := range []struct {
		name, scopes, data string
		stored             crmgate.Grant
		want               string // empty for no warning
	}{
		{"a lifetime", "api", `{}`, expires, `scopes_asked=api scopes_granted="as asked" lifetime=1h0m0s`},
		{"no lifetime, and nothing asked", "api", `{}`, forever, ""},
		{"no lifetime", "openid%20offline_access", `{"scope":"openid"}`, forever, `scopes_asked=openid%20offline_access scopes_granted=openid lifetime=unknown`},
		{"Google's parameter", "a&access_type=OFFLINE", `{"scope":["a","b"]}`, forever, `scopes_granted="a b"`},
		{"Salesforce's scope", "api refresh_token", `{"scope":5}`, forever, `scopes_granted="as asked"`},
		{"no answer", "refresh_token", ``, forever, `scopes_granted="as asked"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			w := newWorld(t, "", func(e *token.Config) { e.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			client := w.client()
			client.Scopes = c.scopes
			w.engine.CheckRenewal(t.Context(), client, token.Tokens{Data: json.RawMessage(c.data)}, c.stored)
			if said := log.String(); (said == "") != (c.want == "") || !strings.Contains(said, c.want) || strings.Contains(said, "canary") {
				t.Errorf("got %q, want %q", said, c.want)
			}
		})
	}
}

// TestCheckRenewalOfAConnectorThatRefreshes: such a connector may need no refresh token, so there is no warning.
func TestCheckRenewalOfAConnectorThatRefreshes(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := newWorld(t, "", func(e *token.Config) { e.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
		return connector.RefreshAnswer{}, nil
	}
	now := w.clock.Now()
	w.engine.CheckRenewal(t.Context(), w.client(), token.Tokens{}, crmgate.Grant{Issued: now, Expiry: now.Add(time.Hour)})
	if log.Len() != 0 {
		t.Error(log.String())
	}
}
