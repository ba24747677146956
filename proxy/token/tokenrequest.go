package token

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
)

// maxAnswer bounds a token answer; real ones have a few kilobytes.
const maxAnswer = 256 << 10

// tokenRequest is the RoundTripper under x/oauth2 for one request to a token endpoint, and what it read.
type tokenRequest struct {
	engine *Engine
	client Client
	rules  manifest.TokenRules
	option connector.OAuthOption
	// secrets are masked in every message and log line, where the CRM's answer may repeat them.
	secrets  []crmgate.Secret
	sent     bool
	response tokenResponse
	// entry is the answer's journal entry. Its ID is set once it is stored.
	entry storage.JournalEntry
}

// do runs request, which makes x/oauth2 ask for a token, over this transport.
func (tr *tokenRequest) do(ctx context.Context, request func(context.Context, *oauth2.Config) error) (Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, tr.engine.Timeout)
	defer cancel()
	conf := &oauth2.Config{
		ClientID: tr.client.ID, ClientSecret: tr.client.Secret.Reveal(),
		Endpoint: oauth2.Endpoint{TokenURL: tr.client.TokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
	if tr.client.Auth == crmgate.TokenAuthBasic || tr.client.Auth == crmgate.TokenAuthBasicRaw {
		conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader // encodes id and secret first (RFC 6749, 2.3.1)
	}
	if tr.client.Auth == crmgate.TokenAuthNone {
		conf.ClientSecret = ""
	}
	err := request(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: tr}), conf)
	if err != nil {
		return Tokens{}, unwrapped(err)
	}
	return tr.response.tokens(tr.entry)
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
	return &Error{Kind: crmgate.ErrTransient, Message: "The token request could not be sent to the CRM.", Err: err}
}

// RoundTrip sends the request and returns the answer in the one form that x/oauth2 accepts, or an *Error.
func (tr *tokenRequest) RoundTrip(req *http.Request) (*http.Response, error) {
	if tr.sent {
		return nil, errors.New("x/oauth2 tried to send a second token request")
	}
	tr.sent = true
	req, err := tr.rewritten(req)
	if err != nil {
		return nil, err
	}
	if err := tr.client.checkSecret(req.URL, string(tr.rules.Body)); err != nil {
		return nil, err
	}
	resp, err := tr.engine.Fetch(req, crmgate.Egress{
		Name: string(tr.client.Platform), Hosts: tr.client.manifest.Hosts, Hostname: tr.client.Hostname,
		UserAgent: tr.client.manifest.UserAgent, MaxBody: maxAnswer,
	})
	if err != nil {
		return nil, tr.incomplete(err, 0)
	}
	defer resp.Body.Close()
	body, cut := io.ReadAll(resp.Body)
	var fe *crmgate.FetchError
	if errors.As(cut, &fe) && fe.Kind == crmgate.FetchSize {
		return nil, tr.incomplete(fmt.Errorf("%w; it began with %s", cut, tr.preview(body)), resp.StatusCode)
	}
	tr.engine.reach("answered")
	tr.entry.Cut = cut != nil
	if err := tr.read(req.Context(), resp, body); err != nil {
		if cut != nil {
			err = tr.truncated(cut, err, resp.StatusCode, body)
		}
		return nil, err
	}
	plain, err := json.Marshal(map[string]string{"access_token": tr.response.access, "refresh_token": tr.response.refresh, "token_type": "Bearer"})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(plain)), Request: req,
	}, nil
}

// rewritten returns the request as the manifest and the connector want it, with a client-authentication style that x/oauth2
// may not have.
func (tr *tokenRequest) rewritten(req *http.Request) (*http.Request, error) {
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
	if err := tr.setParameters(out, tr.parameters(form)); err != nil {
		return nil, err
	}
	if tr.client.Auth == crmgate.TokenAuthBasicRaw {
		out.SetBasicAuth(tr.client.ID, tr.client.Secret.Reveal())
	}
	setHeaders(out.Header, tr.rules.Headers)
	if err := tr.setSecretHeaders(out); err != nil {
		return nil, err
	}
	setHeaders(out.Header, tr.option.Headers)
	tr.addSecretsOf(out)
	return out, nil
}

// setSecretHeaders sets the headers whose values the operator configures. A value that the connector has only a handle of must be
// allowed at the endpoint, which the connector chooses.
func (tr *tokenRequest) setSecretHeaders(req *http.Request) error {
	m := tr.client.manifest
	for header, name := range tr.rules.SecretHeaders {
		value, ok := tr.engine.Setting(name)
		send, secret := m.Sends[name]
		var wrong error
		switch {
		case !ok || value.IsZero():
			wrong = fmt.Errorf("%s is not set: the manifest of %s sends it as the header %s of token requests", name, m.Platform, header)
		case secret && !send.Allows(manifest.InHeader, req.URL, tr.client.Hostname):
			wrong = fmt.Errorf("%s may not be sent in the header to %s: declare both in crmgate.sends of the manifest of %s", name, crmgate.Clip(req.URL.Host), m.Platform)
		}
		if wrong != nil {
			return m.Unavailable(wrong)
		}
		tr.secrets = append(tr.secrets, value)
		req.Header.Set(header, value.Reveal())
	}
	return nil
}

// setHeaders sets headers. An empty value removes the header: ServiceNow, for one, refuses an empty Authorization.
func setHeaders(h http.Header, values map[string]string) {
	for name, v := range values {
		if h.Set(name, v); v == "" && http.CanonicalHeaderKey(name) != "User-Agent" { // net/http sends its own if it has no value
			h.Del(name)
		}
	}
}

// read journals an answer and then parses it. It is stored first, because a CRM that has rotated the refresh token has done
// so whether or not we understand its answer.
func (tr *tokenRequest) read(ctx context.Context, resp *http.Response, body []byte) error {
	e, now := tr.engine, tr.engine.Now()
	tr.entry.At, tr.entry.Status, tr.entry.Skew = now, resp.StatusCode, skew(resp.Header, now)
	tr.entry.Body = crmgate.NewSecret(string(body))
	probe := e.DB == nil // it has no store, and its made-up code is granted nothing
	if !probe && success(resp.StatusCode) && len(bytes.TrimSpace(body)) > 0 {
		tr.entry.ID = e.journal.put(ctx, tr.entry)
		e.reach("journaled")
	}
	var parseErr error
	tr.response, parseErr = parseEntry(tr.entry, tr.client.manifest)
	err := tr.failure(resp, body, parseErr)
	switch {
	case err == nil:
		return nil
	case tr.entry.ID == "":
	case tr.response.refused.code != "" || !mayHoldTokens(body):
		e.journal.drop(ctx, tr.entry)
	default:
		keptAs(err, tr.entry, fmt.Sprintf(": correct crmgate.token in the manifest of %s and replay it", tr.client.Platform))
	}
	return err
}

// failure is the error of an answer; nil if it holds tokens.
func (tr *tokenRequest) failure(resp *http.Response, body []byte, parseErr error) *Error {
	e := &Error{Kind: crmgate.ErrTransient, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, tr.engine.Now())}
	e.Locked = e.Status == http.StatusTooManyRequests || e.RetryAfter > 0
	switch {
	case tr.response.refused.code != "":
		tr.refused(e)
		e.Locked = e.Locked || saysLocked(append(tr.response.refused.words, tr.response.refused.code, tr.response.refused.description)...)
	case !success(resp.StatusCode):
		e.Message = "HTTP status " + strconv.Itoa(resp.StatusCode)
		shown := tr.preview(body)
		e.Err = errors.New(shown)
		e.Locked = e.Locked || saysLocked(shown)
	case parseErr != nil:
		e.Message = noTokenText(resp.StatusCode)
		e.Err = fmt.Errorf("%w: %s", parseErr, tr.preview(body))
	default:
		return nil
	}
	return e
}

// refused fills in an error from what the answer says about it.
func (tr *tokenRequest) refused(e *Error) {
	r := tr.response.refused
	description := tr.masked(r.description) // some CRMs repeat what they were sent
	v, word, ok := judge(!tr.entry.From.IsZero(), tr.rules.Errors, r.words, description)
	e.Code = clip(tr.masked(cmp.Or(word, r.code)))
	e.Message = StandardText(e.Code, description)
	e.Said = strings.ToValidUTF8(description[:min(len(description), maxSaid)], "")
	e.Err = fmt.Errorf("status %d, code %q: %q", e.Status, e.Code, e.Said)
	switch {
	case Overloaded(e.Status): // what a CRM in trouble says about a grant or an application does not count
	case !ok:
		e.unknown = e.Code
	case v.text != "": // the description says what the code does not
		e.Kind, e.Message = v.kind, clip(description)
	default:
		e.Kind = v.kind
	}
}

func noTokenText(status int) string {
	return fmt.Sprintf("The CRM answered the token request with status %d and no token.", status)
}

// incomplete is the error of a request that got no complete answer.
func (tr *tokenRequest) incomplete(err error, status int) error {
	var fe *crmgate.FetchError
	if errors.As(err, &fe) && fe.Kind == crmgate.FetchRefused {
		return &crmgate.Refusal{Kind: crmgate.Declined, Message: fmt.Sprintf(unreachable, tr.client.manifest.Title), Err: err}
	}
	if fe != nil && fe.Kind == crmgate.FetchSize {
		return &Error{Kind: crmgate.ErrTransient, Status: status, Message: "The CRM's answer to the token request is too large.", Err: err}
	}
	endpoint, _, _ := strings.Cut(tr.client.TokenURL, "?")
	return &Error{Kind: crmgate.ErrTransient, Status: status, notSent: errors.Is(err, limit.ErrBusy), Message: fmt.Sprintf("Unable to connect to %q", endpoint), Err: err}
}

// unreachable is the text for a person if this server may not send requests to the token endpoint. The log has the address.
const unreachable = "This server is not allowed to connect to %s. Please tell your administrator."

// truncated is the error of an answer that was cut off and in which no token could be read.
func (tr *tokenRequest) truncated(cut, readErr error, status int, body []byte) error {
	err := tr.incomplete(fmt.Errorf("%w; it began with %s", cut, tr.preview(body)), status)
	var te, was *Error
	if errors.As(err, &te) && errors.As(readErr, &was) && was.Unread != "" {
		keptAs(te, tr.entry, "")
	}
	return err
}
