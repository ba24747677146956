package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
)

// maxRevokeAnswer bounds an answer, which holds at most an error.
const maxRevokeAnswer = 64 << 10

// Revoke revokes a grant's tokens at the CRM (RFC 7009), as the client that issued the grant. The refresh token goes first: it
// lives longer, and most CRMs end the access token with it (2.1).
//
// The endpoint is the one that the connector names (revocationUri), else the manifest's. Without one, the error matches
// errors.ErrUnsupported. Other errors are those of Exchange. Revoke may then be called again: revoking a token twice does no harm.
//
// If the CRM rejects the application, its revocations are paused, and one an hour tries it. The error is then an *Error with a
// Code that matches crmgate.ErrAppDead. Its RetryAfter says when the next attempt may be made.
func (e *Engine) Revoke(ctx context.Context, conn connector.Connector, p crmgate.Person) error {
	g := p.Grant
	unsupported := fmt.Errorf("revoke: %w", errors.ErrUnsupported)
	if g.AccessToken.IsZero() && g.RefreshToken.IsZero() {
		return unsupported
	}
	c, err := e.issuingClient(ctx, conn, p)
	where := cmp.Or(c.Info.RevocationURI, conn.Manifest().ForHost(p.User.Key.Hostname).RevokeURL)
	if where == "" && (err == nil || settled(err)) {
		return unsupported
	}
	if err == nil {
		if err := e.pauses.check(ctx, c.revokes(where), true); err != nil {
			return err
		}
		err = e.revokeGrant(ctx, c, where, g)
	}
	e.Observe("revoke", p.User.Key.Platform, outcome(err))
	return err
}

// settled reports whether the application of a grant is not to be had, and will not be later. Then nothing says that the CRM
// has a revocation endpoint, and trying again for a week would not help.
func settled(err error) bool {
	return errors.Is(err, crmgate.ErrAppDead) || errors.As(err, new(*crmgate.Refusal))
}

// revokeGrant revokes the tokens of a grant. It ends the pause of the client's revocations, or starts it.
func (e *Engine) revokeGrant(ctx context.Context, c Client, where string, g crmgate.Grant) (err error) {
	if !g.RefreshToken.IsZero() {
		err = e.revoke(ctx, c, where, g.RefreshToken, "refresh_token")
	}
	if err == nil && !g.AccessToken.IsZero() {
		err = e.revoke(ctx, c, where, g.AccessToken, "access_token")
	}
	var te *Error
	switch {
	case err == nil:
		e.pauses.end(ctx, c.revokes(where))
	case errors.As(err, &te) && errors.Is(te.Kind, crmgate.ErrAppDead):
		te.RetryAfter = max(te.RetryAfter, probeInterval)
		err = errors.Join(err, e.pauses.start(ctx, c.revokes(where), te))
	}
	return err
}

// revoke revokes one token.
func (e *Engine) revoke(ctx context.Context, c Client, where string, token crmgate.Secret, hint string) error {
	err := e.revocationRequest(ctx, c, where, token, hint)
	if strings.EqualFold(codeOf(err), "unsupported_token_type") {
		err = e.revocationRequest(ctx, c, where, token, "") // the server may not know the hint
	}
	switch strings.ToLower(codeOf(err)) {
	case "unsupported_token_type", // the server ends such tokens with others, or lets them expire: a repetition would not help
		"invalid_token", "invalid_grant": // not in RFC 7009; some servers say it of a token that is dead already
		return nil
	}
	return err
}

func codeOf(err error) string {
	var te *Error
	if errors.As(err, &te) {
		return te.Code
	}
	return ""
}

// revocationRequest makes one revocation request.
func (e *Engine) revocationRequest(ctx context.Context, c Client, where string, token crmgate.Secret, hint string) error {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	form := url.Values{"token": {token.Reveal()}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	req, err := c.authenticated(ctx, where, form)
	if err != nil {
		return crmgate.Refuse("The revocation endpoint is not a valid URL for this person.") // without the cause, which quotes the URL
	}
	if err := c.checkSecret(req.URL, ""); err != nil {
		return err
	}
	resp, err := e.Fetch(req, crmgate.Egress{
		Name: string(c.Platform), Hosts: c.manifest.Hosts, Hostname: c.Hostname, UserAgent: c.manifest.UserAgent, MaxBody: maxRevokeAnswer,
	})
	if err != nil {
		var fe *crmgate.FetchError
		if errors.As(err, &fe) && fe.Kind == crmgate.FetchRefused {
			return &crmgate.Refusal{Message: "The revocation endpoint may not be reached: " + fe.Message, Err: err}
		}
		return &Error{Kind: crmgate.ErrTransient, Message: "The CRM's revocation endpoint could not be reached.", Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil { // an intermediary that cut the answer may also have made up the status, and a repetition does no harm
		return &Error{Kind: crmgate.ErrTransient, Message: "The CRM's answer to the revocation request was cut off.", Err: err}
	}
	if success(resp.StatusCode) {
		return nil // also for an unknown token (RFC 7009, 2.2)
	}
	secrets := []crmgate.Secret{c.Secret, token}
	te := &Error{
		Kind: crmgate.ErrTransient, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, e.Now()),
		Message: "HTTP status " + strconv.Itoa(resp.StatusCode), Err: errors.New(strconv.Quote(preview(secrets, body))),
	}
	answer, _ := parse(body, c.manifest.Token, e.Now()) // what cannot be parsed refuses nothing
	if r := answer.refused; r.code != "" {
		v, word, ok := judge(false, c.manifest.Token.Errors, r.words, r.description)
		te.Code = clip(masked(secrets, cmp.Or(word, r.code)))
		te.Message = StandardText(te.Code, "")
		if ok && !Overloaded(te.Status) { // what a CRM in trouble says about the application does not count
			te.Kind = v.kind
		}
	}
	return te
}

// authenticated is a request with the form, authenticated as at the token endpoint (RFC 7009, 2.1).
func (c Client) authenticated(ctx context.Context, where string, form url.Values) (*http.Request, error) {
	switch c.Auth {
	case crmgate.TokenAuthBody:
		form.Set("client_secret", c.Secret.Reveal())
		form.Set("client_id", c.ID)
	case crmgate.TokenAuthNone:
		form.Set("client_id", c.ID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	switch c.Auth {
	case crmgate.TokenAuthBasic:
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret.Reveal()))
	case crmgate.TokenAuthBasicRaw:
		req.SetBasicAuth(c.ID, c.Secret.Reveal())
	}
	return req, nil
}
