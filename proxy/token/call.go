package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
)

// maxAnswer bounds a token answer; real ones have a few kilobytes.
const maxAnswer = 256 << 10

// call is one token request: the RoundTripper under x/oauth2, and where what it read is kept. It makes one request and no second.
type call struct {
	engine *Engine
	client Client
	quirks manifest.TokenRules
	option connector.OAuthOption
	// secrets are what is sent; no message or log line repeats them, even if the CRM's answer does.
	secrets []crmgate.Secret
	sent    bool
	answer  answer
	// entry is what is journaled of the answer, with who asked already in it; its ID is set once it is.
	entry storage.JournalEntry
}

// do runs request, which asks x/oauth2 for a token, over this transport.
func (c *call) do(ctx context.Context, request func(context.Context, *oauth2.Config) error) (Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, c.engine.Timeout)
	defer cancel()
	conf := &oauth2.Config{
		ClientID: c.client.ID, ClientSecret: c.client.Secret.Reveal(),
		Endpoint: oauth2.Endpoint{TokenURL: c.client.TokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
	if c.client.Auth == crmgate.TokenAuthBasic || c.client.Auth == crmgate.TokenAuthBasicRaw {
		conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader // encodes id and secret first, as RFC 6749 section 2.3.1 demands
	}
	if c.client.Auth == crmgate.TokenAuthNone {
		conf.ClientSecret = ""
	}
	err := request(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: c}), conf)
	if err != nil {
		return Tokens{}, unwrapped(err)
	}
	return c.answer.tokens(c.entry)
}

// unwrapped takes our own error out of the layers that net/http and x/oauth2 put around it, which quote the URL.
func unwrapped(err error) error {
	var te *Error
	var refusal *crmgate.Refusal
	switch {
	case errors.As(err, &te):
		return te
	case errors.As(err, &refusal):
		return refusal
	}
	return &Error{Kind: crmgate.ErrTransient, Message: "The CRM's token endpoint could not be asked.", Err: err}
}

// RoundTrip sends the request and answers in the one form that x/oauth2 takes, or with an *Error.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.sent {
		return nil, errors.New("a second token request for one intention")
	}
	c.sent = true
	req, err := c.shaped(req)
	if err != nil {
		return nil, err
	}
	resp, err := c.engine.Fetch(req, crmgate.Egress{
		Name: string(c.client.Platform), Hosts: c.client.manifest.Hosts, Hostname: c.client.Hostname, MaxBody: maxAnswer,
	})
	if err != nil {
		return nil, c.noAnswer(err, 0)
	}
	defer resp.Body.Close()
	body, cut := io.ReadAll(resp.Body)
	var fe *crmgate.FetchError
	if errors.As(cut, &fe) && fe.Kind == crmgate.FetchSize {
		return nil, c.noAnswer(fmt.Errorf("%w; it began with %s", cut, c.preview(body)), resp.StatusCode)
	}
	c.engine.reach("answered")
	c.entry.Cut = cut != nil
	if err := c.read(req.Context(), resp, body); err != nil {
		if cut != nil {
			err = c.cutShort(cut, err, resp.StatusCode, body)
		}
		return nil, err
	}
	plain, err := json.Marshal(map[string]string{"access_token": c.answer.access, "refresh_token": c.answer.refresh, "token_type": "Bearer"})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(plain)), Request: req,
	}, nil
}

// shaped returns the request as the manifest and the connector want it, with the client-authentication style that
// x/oauth2 does not have.
func (c *call) shaped(req *http.Request) (*http.Request, error) {
	defer req.Body.Close()
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.Header.Set("Accept", "application/json, application/x-www-form-urlencoded")
	if err := c.place(out, c.parameters(form)); err != nil {
		return nil, err
	}
	if c.client.Auth == crmgate.TokenAuthBasicRaw {
		out.SetBasicAuth(c.client.ID, c.client.Secret.Reveal())
	}
	for k, v := range c.quirks.Headers {
		out.Header.Set(k, v)
	}
	for k, v := range c.option.Headers {
		out.Header.Set(k, v)
	}
	c.conceal(out)
	return out, nil
}
