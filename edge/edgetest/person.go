package edgetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// Person signs in to crmgate with the practice CRM, like the extension. Its methods return errors, since a test may kill the
// server at any moment. Safe for concurrent use.
type Person struct {
	URL    string // of crmgate
	Client *http.Client
}

// Composed is the answer of /authUrl.
type Composed struct {
	AuthURL     string `json:"authUrl"`
	LoginSecret string `json:"loginSecret"`
}

// OAuth signs a person of the practice CRM in, and returns the session token.
func (p *Person) OAuth(ctx context.Context, name string) (token string, err error) {
	var c Composed
	if err := p.Ask(ctx, "GET", "/authUrl?platform=practice&mode=bound", "", &c); err != nil {
		return "", err
	}
	landed, err := practicecrm.Browse(ctx, p.Client, c.AuthURL, name)
	if err != nil {
		return "", err
	}
	return p.signIn(ctx, "GET", "/oauth-callback?callbackUri="+url.QueryEscape(landed), "", "X-Crmgate-Login", c.LoginSecret)
}

// APIKey signs a person in with the practice CRM's API key, and returns the session token.
func (p *Person) APIKey(ctx context.Context) (token string, err error) {
	return p.signIn(ctx, "POST", "/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`)
}

func (p *Person) signIn(ctx context.Context, method, path, body string, header ...string) (token string, err error) {
	var in struct {
		Token string `json:"jwtToken"`
	}
	if err := p.Ask(ctx, method, path, body, &in, header...); err != nil {
		return "", err
	}
	if in.Token == "" {
		return "", fmt.Errorf("%s %s: no session token", method, path)
	}
	return in.Token, nil
}

// Lives reports whether a session token is accepted.
func (p *Person) Lives(ctx context.Context, token string) (bool, error) {
	status, _, err := p.send(ctx, "GET", "/hostname", "", "Authorization", "Bearer "+token)
	return status == http.StatusOK, err
}

// Ask sends a request and decodes the answer; a status other than 200 is an error. header is names and values in turn.
func (p *Person) Ask(ctx context.Context, method, path, body string, into any, header ...string) error {
	status, answer, err := p.send(ctx, method, path, body, header...)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s %s: %d %s", method, path, status, answer)
	}
	return json.Unmarshal(answer, into)
}

func (p *Person) send(ctx context.Context, method, path, body string, header ...string) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, p.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
