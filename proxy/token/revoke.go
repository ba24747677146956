package token

import (
	"context"
	"encoding/json"
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

// maxRevokeAnswer bounds what is read of an answer, which has nothing but an error to say.
const maxRevokeAnswer = 64 << 10

// Revoke ends a grant's tokens at the CRM as RFC 7009 says, where the manifest names an endpoint for that; else the error
// matches errors.ErrUnsupported. The refresh token goes first: it is what lives long, and with it most CRMs end the rest
// (2.1). The client is the one that issued the grant. Other errors are those of Exchange, and then the same request may
// be made again: a token that is revoked twice is revoked.
func (e *Engine) Revoke(ctx context.Context, conn connector.Connector, p crmgate.Person) error {
	g := p.Grant
	where := conn.Manifest().ForHost(p.User.Hostname).RevokeURLFor(p.User.Hostname)
	if where == "" || g.AccessToken.IsZero() && g.RefreshToken.IsZero() {
		return fmt.Errorf("revoke: %w", errors.ErrUnsupported)
	}
	c, err := e.issuer(ctx, conn, p)
	if err == nil && !g.RefreshToken.IsZero() {
		err = e.revoke(ctx, c, where, g.RefreshToken, "refresh_token")
	}
	if err == nil && !g.AccessToken.IsZero() {
		err = e.revoke(ctx, c, where, g.AccessToken, "access_token")
	}
	e.Observe("revoke", p.User.Key.Platform, outcome(err))
	return err
}

// revoke ends one token.
func (e *Engine) revoke(ctx context.Context, c Client, where string, token crmgate.Secret, hint string) error {
	err := e.askToRevoke(ctx, c, where, token, hint)
	if codeOf(err) == "unsupported_token_type" {
		err = e.askToRevoke(ctx, c, where, token, "") // it may be the hint that is not known
	}
	switch codeOf(err) {
	case "unsupported_token_type", // this server ends such tokens with others, or by time: there is nothing to repeat
		"invalid_token", "invalid_grant": // not of RFC 7009, and said by some of a token that is dead already
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

// askToRevoke makes one revocation request.
func (e *Engine) askToRevoke(ctx context.Context, c Client, where string, token crmgate.Secret, hint string) error {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	form := url.Values{"token": {token.Reveal()}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	req, err := c.authenticated(ctx, where, form)
	if err != nil {
		return crmgate.Refuse("The revocation endpoint is no URL for this person.") // without the cause, which quotes it
	}
	resp, err := e.Fetch(req, crmgate.Egress{Name: string(c.Platform), Hosts: c.manifest.Hosts, Hostname: c.Hostname, MaxBody: maxRevokeAnswer})
	if err != nil {
		var fe *crmgate.FetchError
		if errors.As(err, &fe) && fe.Kind == crmgate.FetchRefused {
			return &crmgate.Refusal{Message: "The revocation endpoint may not be reached: " + fe.Message, Err: err}
		}
		return &Error{Kind: crmgate.ErrTransient, Message: "The CRM's revocation endpoint could not be reached.", Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil { // whoever cut it may have made up the status as well, and to ask again does no harm
		return &Error{Kind: crmgate.ErrTransient, Message: "The CRM's revocation endpoint gave no whole answer.", Err: err}
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil // also for a token that it does not know (RFC 7009, 2.2)
	}
	var answer struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // else there is no code
	secrets := []crmgate.Secret{c.Secret, token}
	te := &Error{
		Kind: kindOf(answer.Error), Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, e.Now()),
		Message: "HTTP status " + strconv.Itoa(resp.StatusCode), Err: errors.New(strconv.Quote(preview(secrets, body))),
	}
	if answer.Error != "" {
		te.Code = clip(masked(secrets, answer.Error))
		te.Message = StandardText(te.Code, "")
	}
	return te
}

// authenticated is a form to be sent as this client, which authenticates as it does at the token endpoint (RFC 7009, 2.1).
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

// revokeUnused queues tokens that a refresh brought and nobody will use, because the person has logged out or signed in
// again meanwhile. If neither is so, another refresh has won, and what it got is of the same family: to revoke these could
// end it.
func (e *Engine) revokeUnused(ctx context.Context, was crmgate.Person, fresh crmgate.Grant) {
	now, err := e.DB.Person(ctx, was.User.Key)
	if err == nil && !now.Grant.Empty() && now.User.SignedIn.Equal(was.User.SignedIn) {
		return
	}
	if err == nil || errors.Is(err, crmgate.ErrNotFound) {
		err = e.DB.QueueRevocation(ctx, crmgate.Person{User: was.User, Grant: fresh})
	}
	if err != nil {
		e.Logger.WarnContext(ctx, "tokens of a refresh that came too late are not revoked", "platform", was.User.Key.Platform, "err", err)
	}
}
