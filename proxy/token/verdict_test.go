package token_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
)

// refuse makes the world's CRM refuse every token request with a status and a body.
func (w *world) refuse(status int, body string) *endpoint {
	w.t.Helper()
	return w.endpoint(func(rw http.ResponseWriter, _ string, _ int) {
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	})
}

// exchangeAnyCode redeems a code at an endpoint that knows none.
func (w *world) exchangeAnyCode() error {
	w.t.Helper()
	_, err := w.engine.Exchange(w.t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("a-code"), RedirectURI: redirect})
	return err
}

// wantRefresh refreshes a due grant and checks the kind of failure, and that a dead grant costs no other request.
func (w *world) wantRefresh(e *endpoint, want error) {
	w.t.Helper()
	w.due()
	_, err := w.live()
	if !errors.Is(err, want) {
		w.t.Errorf("refresh: got %v, want %v", err, want)
	}
	dead := errors.Is(want, crmgate.ErrUserDead)
	if (w.stored().Dead != "") != dead {
		w.t.Errorf("the grant is marked %q", w.stored().Dead)
	}
	if dead {
		if _, err := w.live(); !errors.Is(err, crmgate.ErrUserDead) {
			w.t.Errorf("again: %v", err)
		}
		e.wantSent(refreshZero)
	}
}

// TestVerdicts refuses a refresh and an exchange with each word of the table.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	const dead, app, later = "dead", "app", "later"
	const unknown = "weather" // not in the table
	kinds := map[string]error{dead: crmgate.ErrUserDead, app: crmgate.ErrAppDead, later: crmgate.ErrTransient}
	rows := []struct{ word, text, refresh, exchange string }{
		{"invalid_grant", "", dead, dead},
		{"bad_refresh_token", "", dead, later},
		{"invalid_code", "", dead, later},
		{"invalid_refresh_token", "", dead, later},
		{"interaction_required", "", dead, later},
		{"consent_required", "", dead, later},
		{"login_required", "", dead, later},
		{"invalid_client", "", app, app},
		{"unauthorized_client", "", app, app},
		{"redirect_uri_mismatch", "", app, app},
		{"incorrect_client_credentials", "", app, app},
		{"invalid_client_id", "", app, app},
		{"bad_client_secret", "", app, app},
		{"invalid_client_secret", "", app, app},
		{"deleted_client", "", app, app},
		{"temporarily_unavailable", "", later, later},
		{"server_error", "", later, later},
		{"slow_down", "", later, later},
		{"too_many_requests", "", later, later},
		{"rate_limited", "", later, later},
		{"invalid_grant", "token request is already being processed", later, dead},
		{"invalid_grant", "expired authorization code", later, dead},
		{"invalid_grant", "login rate exceeded", later, dead},
		{"invalid_grant", "ip restricted", later, dead},
		{"access_denied", "rate limit exceeded", later, later},
		{"access denied", "too many requests", later, later},
		{unknown, "", later, later},
	}
	tested := map[string]bool{}
	for _, c := range rows {
		tested[c.word+" "+c.text] = true
		t.Run(c.word+" "+c.text, func(t *testing.T) {
			t.Parallel()
			for _, word := range []string{c.word, strings.ToUpper(c.word)} {
				w := newWorld(t, "")
				e := w.refuse(400, fmt.Sprintf(`{"error":%q,"error_description":%q}`, word, "It says: "+strings.ToUpper(c.text)+"."))
				w.wantRefresh(e, kinds[c.refresh])
				err := w.exchangeAnyCode()
				if !errors.Is(err, kinds[c.exchange]) {
					t.Errorf("exchange: got %v, want %v", err, kinds[c.exchange])
				}
				var te *token.Error
				if c.refresh == later && c.exchange == later && (!errors.As(err, &te) || te.Settled() != (c.word == unknown)) {
					t.Errorf("exchange: the code may be used again, unless the word is unknown: %v", err)
				}
			}
		})
	}
	for _, v := range token.Verdicts() {
		if !tested[v.Word+" "+v.Text] {
			t.Errorf("%s %q has no row in this test", v.Word, v.Text)
		}
	}
}

// TestVerdictPlaces puts a word wherever CRMs put it.
func TestVerdictPlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"error, with status 200":      {200, `{"error":"bad_refresh_token","error_description":"x"}`, crmgate.ErrUserDead},
		"error_code":                  {400, `{"error_code":"invalid_grant"}`, crmgate.ErrUserDead},
		"errorCode":                   {400, `{"errorCode":"INVALID_GRANT","message":"x"}`, crmgate.ErrUserDead},
		"code, with a useless error":  {400, `{"error":"Bad Request","code":"invalid_grant"}`, crmgate.ErrUserDead},
		"status":                      {400, `{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}`, crmgate.ErrUserDead},
		"reason":                      {400, `{"error":true,"reason":"invalid_grant"}`, crmgate.ErrUserDead},
		"errors":                      {400, `{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid"}],"success":false}`, crmgate.ErrUserDead},
		"errors, the application":     {401, `{"errors":[{"errorType":"invalid_client"}],"success":false}`, crmgate.ErrAppDead},
		"an object in error":          {400, `{"error":{"message":"x","status":"INVALID_GRANT"}}`, crmgate.ErrUserDead},
		"nested":                      {400, `{"data":{"errorCode":"invalid_grant"}}`, crmgate.ErrUserDead},
		"a form":                      {200, `error=bad_refresh_token&error_description=x`, crmgate.ErrUserDead},
		"a form with another name":    {400, `errorCode=invalid_grant`, crmgate.ErrUserDead},
		"a list of one":               {400, `[{"errorCode":"invalid_grant","message":"x"}]`, crmgate.ErrUserDead},
		"JSON in a string":            {200, `"{\"error\":\"invalid_grant\"}"`, crmgate.ErrUserDead},
		"JSON in the error":           {400, `{"error":"{\"error\":\"invalid_grant\"}"}`, crmgate.ErrUserDead},
		"the description in a list":   {400, `{"errors":[{"errorType":"invalid_grant","message":"ip restricted"}]}`, crmgate.ErrTransient},
		"the first word decides":      {400, `{"error":"invalid_client","code":"invalid_grant"}`, crmgate.ErrAppDead},
		"not now beside another word": {400, `{"error":"invalid_grant","code":"temporarily_unavailable"}`, crmgate.ErrTransient},
		"a list of two":               {400, `[{"error":"invalid_grant"},{"error":"invalid_grant"}]`, crmgate.ErrTransient},
		"a token in a list":           {200, `[{"access_token":"access-token-one","error":"invalid_grant"}]`, crmgate.ErrTransient},
		"in the description":          {400, `{"error":"x","error_description":"invalid_grant"}`, crmgate.ErrTransient},
		"a part of a word":            {400, `{"error":"not_invalid_grant"}`, crmgate.ErrTransient},
		"with status 408":             {408, `{"error":"invalid_grant"}`, crmgate.ErrTransient},
		"with status 425":             {425, `{"error":"invalid_grant"}`, crmgate.ErrTransient},
		"with status 429":             {429, `{"error":"invalid_client"}`, crmgate.ErrTransient},
		"with status 503":             {503, `{"status":"BAD_REFRESH_TOKEN"}`, crmgate.ErrTransient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.wantRefresh(w.refuse(c.status, c.body), c.want)
		})
	}
}

// TestKnownWordBesideToken: a word outside of "error" does not make an answer with a token an error.
func TestKnownWordBesideToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.endpoint(func(rw http.ResponseWriter, _ string, _ int) {
		_, _ = io.WriteString(rw, `{"status":"login_required",`+tokensOne[1:])
	})
	w.due()
	if p, err := w.live(); err != nil || p.Grant.RefreshToken.Reveal() != "refresh-token-one" {
		t.Errorf("got %v", err)
	}
}

// TestUnknownStatusIsKept: an answer whose tokens cannot be read is kept, although it has a "status" and a "code".
func TestUnknownStatusIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.refuse(200, `{"status":"success","code":"done","renewal":"a-token-under-another-name"}`)
	w.due()
	_, err := w.live()
	var te *token.Error
	if !errors.As(err, &te) || te.Unread == "" {
		t.Errorf("got %v", err)
	}
}

// TestVerdictsOfAManifest declares words in crmgate.token.errors.
func TestVerdictsOfAManifest(t *testing.T) {
	t.Parallel()
	const errs = `"errors":{"userDead":["session_over",{"code":"bad_request","text":"Was Revoked"}],"appDead":["app_gone","session_over_app"],"transient":["invalid_grant"]}`
	for name, c := range map[string]struct {
		token, refresh, body string
		want, exchange       error
	}{
		"the grant has ended":            {errs, "", `{"error":"SESSION_OVER"}`, crmgate.ErrUserDead, crmgate.ErrTransient},
		"at another place":               {errs, "", `{"result":1,"status":"session_over"}`, crmgate.ErrUserDead, crmgate.ErrTransient},
		"with a text":                    {errs, "", `{"error":"bad_request","error_description":"It was revoked."}`, crmgate.ErrUserDead, crmgate.ErrTransient},
		"with another text":              {errs, "", `{"error":"bad_request","error_description":"Malformed."}`, crmgate.ErrTransient, crmgate.ErrTransient},
		"the application is rejected":    {errs, "", `{"error":"app_gone"}`, crmgate.ErrAppDead, crmgate.ErrAppDead},
		"it wins over the table":         {errs, "", `{"error":"invalid_grant"}`, crmgate.ErrTransient, crmgate.ErrTransient},
		"the table still counts":         {errs, "", `{"error":"invalid_client"}`, crmgate.ErrAppDead, crmgate.ErrAppDead},
		"refresh replaces the member":    {errs, `"errors":{"userDead":["other"]}`, `{"error":"session_over"}`, crmgate.ErrTransient, crmgate.ErrTransient},
		"refresh has words of its own":   {errs, `"errors":{"userDead":["other"]}`, `{"error":"other"}`, crmgate.ErrUserDead, crmgate.ErrTransient},
		"without the member, as unknown": {"", "", `{"error":"session_over"}`, crmgate.ErrTransient, crmgate.ErrTransient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			e := w.refuse(400, c.body)
			w.declare(e.url, c.token, c.refresh)
			w.conn.info.AccessTokenURI = e.url + "/oauth/token"
			w.wantRefresh(e, c.want)
			if err := w.exchangeAnyCode(); !errors.Is(err, c.exchange) {
				t.Errorf("exchange: got %v, want %v", err, c.exchange)
			}
		})
	}
}

// TestDocumentedVerdicts compares the tables in docs/connectors.md with the words that the server knows.
func TestDocumentedVerdicts(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/connectors.md")
	must(t, err)
	_, section, _ := strings.Cut(string(page), "## How CRMs refuse token requests")
	section, _, _ = strings.Cut(section, "\n## ")
	meanings := map[error]string{crmgate.ErrUserDead: "the grant has ended", crmgate.ErrAppDead: "the application is rejected", crmgate.ErrTransient: "not now"}
	for _, v := range token.Verdicts() {
		word := "`" + v.Word + "`"
		if v.Text != "" {
			word += ", and the description contains `" + v.Text + "`"
		}
		answers := "all"
		if v.Refresh {
			answers = "refresh"
		}
		by := v.CRM
		if by == "" {
			by = "OAuth"
		}
		if strings.Contains(v.Source, "/issues/") || strings.Contains(v.Source, "/pull/") || strings.Contains(v.Source, "integrate.hubspot.com/t/") ||
			strings.Contains(v.Source, "/forums/t/") {
			by += ", from a bug report"
		}
		row := fmt.Sprintf("| %s | %s | %s | [%s](%s) |\n", word, meanings[v.Kind], answers, by, v.Source)
		if !strings.Contains(section, row) {
			t.Errorf("missing in docs/connectors.md:\n%s", row)
		}
	}
	if got, want := strings.Count(section, "](https://"), len(token.Verdicts()); got != want {
		t.Errorf("%d rows are documented, and %d are known", got, want)
	}
}
