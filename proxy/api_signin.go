package proxy

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
)

// signInAPI has the routes with which clients sign people in.
type signInAPI struct {
	flows   *authflow.Flows
	cookies cookies
	polling context.Context // ends all waiting polls
}

func (a signInAPI) authURL(ctx context.Context, r *request) (any, error) {
	var platform string
	var q authflow.ComposeRequest
	err := r.params(map[string]*string{"platform": &platform, "hostname": &q.Hostname, "mode": &q.Mode, "origin": &q.Origin})
	if err != nil {
		return nil, err
	}
	if platform == "" {
		return nil, crmgate.Refuse("Please provide platform.")
	}
	if q.Origin == "" {
		q.Origin = r.header("Origin")
	}
	q.Platform = crmgate.Platform(platform)
	if q.RCToken, err = r.rcToken(""); err != nil {
		return nil, err
	}
	c, err := a.flows.Compose(ctx, q)
	return struct {
		AuthURL     string `json:"authUrl"`
		LoginSecret string `json:"loginSecret,omitempty"`
	}{c.AuthURL, c.LoginSecret.Reveal()}, err
}

// signedIn is the answer to a sign-in.
type signedIn struct {
	Token   string                 `json:"jwtToken,omitempty"`
	Name    string                 `json:"name,omitempty"`
	Message *crmgate.ReturnMessage `json:"returnMessage,omitempty"`
}

func (a signInAPI) oauthCallback(ctx context.Context, r *request) (any, error) {
	var q authflow.CallbackRequest
	var account string
	err := r.params(map[string]*string{
		"code": &q.Code, "error": &q.Error, "error_description": &q.ErrorDescription, "iss": &q.Issuer,
		"hostname": &q.Hostname, "tokenUrl": &q.TokenURL, "apiUrl": &q.APIURL,
		"username": &q.Username, "userEmail": &q.UserEmail, "rcAccountId": &account,
	})
	if err != nil {
		return nil, err
	}
	if q.CallbackURI, err = r.urlParam("callbackUri"); err != nil {
		return nil, err
	}
	q.Others = r.others("callbackUri", "code", "state", "error", "iss", "hostname", "tokenUrl", "apiUrl", "username", "rcAccountId", "rcAccessToken", "jwtToken")
	if s := r.joined("state"); s != nil { // some clients append a state of their own to the CRM's
		q.State = *s
	}
	q.Account = crmgate.AccountID(account)
	q.HashedExtension = clean(r.header("rc-extension-id"))
	q.LoginSecret = crmgate.NewSecret(r.header("X-Crmgate-Login"))
	if q.RCToken, err = r.rcToken(""); err != nil {
		return nil, err
	}
	q.Query, q.Address = string(r.sent), r.client
	in, err := a.flows.Callback(ctx, q)
	if err != nil {
		return nil, errCallback{err}
	}
	if in.Agent && !in.Token.IsZero() {
		return text("Authentication successful. Please go back to AI Agent and confirm it."), nil
	}
	return calledBack{signedIn{in.Token.Reveal(), in.Name, in.Message}, !in.Token.IsZero()}, nil
}

// calledBack is the answer to a callback.
type calledBack struct {
	signedIn
	Successful bool `json:"successful"`
}

// errCallback is an error of a callback. Clients show a message only with status 200: what the person can act on is answered so.
type errCallback struct{ error }

func (e errCallback) Unwrap() error { return e.error }

func (a signInAPI) apiKeyLogin(ctx context.Context, r *request) (any, error) {
	var b struct {
		Platform       crmgate.Text    `json:"platform"`
		APIKey         crmgate.Text    `json:"apiKey"`
		Hostname       crmgate.Text    `json:"hostname"`
		AdditionalInfo json.RawMessage `json:"additionalInfo"`
		RCToken        crmgate.Text    `json:"rcAccessToken"`
	}
	rc, err := r.bodyAndToken(&b, &b.RCToken)
	if err != nil {
		return nil, err
	}
	in, err := a.flows.APIKey(ctx, authflow.APIKeyRequest{
		Platform: crmgate.Platform(b.Platform), APIKey: crmgate.NewSecret(string(b.APIKey)), Hostname: string(b.Hostname),
		AdditionalInfo: crmgate.NewSecret(string(b.AdditionalInfo)), RCToken: rc, HashedExtension: clean(r.header("rc-extension-id")),
	})
	if err != nil {
		return nil, err
	}
	out := signedIn{in.Token.Reveal(), in.Name, in.Message}
	if in.Token.IsZero() {
		return failed{out}, nil // the OAuth callback answers 200
	}
	return out, nil
}

// clean cuts a header to what may be stored. Clients send a hash in it.
func clean(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 128)], "")
}
