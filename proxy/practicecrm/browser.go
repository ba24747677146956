package practicecrm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Browse plays a person in a browser. It opens a consent page and presses the button of person, a login name such as "ada";
// "deny" and "nobody" press Deny. It returns the address of the redirect, with a code or error and the state, without
// following it. It ignores the client's redirect policy. An error says what the CRM showed instead; it quotes no address,
// since that may contain a state.
func Browse(ctx context.Context, client *http.Client, authURL, person string) (landed string, err error) {
	still := *client
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	landed, err = visit(ctx, &still, http.MethodGet, authURL, "")
	if err != nil {
		return "", fmt.Errorf("open the consent page: %w", err)
	}
	if landed != "" {
		return landed, nil // the request was refused with a redirect
	}
	landed, err = visit(ctx, &still, http.MethodPost, authURL, url.Values{"person": {person}}.Encode())
	if err != nil {
		return "", fmt.Errorf("press the button of %s: %w", person, err)
	}
	if landed == "" {
		return "", errors.New("no redirect after the consent")
	}
	return landed, nil
}

// Code calls Browse and returns the authorization code. A redirect without a code is an error.
func Code(ctx context.Context, client *http.Client, authURL, person string) (string, error) {
	landed, err := Browse(ctx, client, authURL, person)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(landed)
	if err != nil || u.Query().Get("code") == "" {
		return "", errors.New("no code in the redirect after the consent")
	}
	return u.Query().Get("code"), nil
}

// visit requests a page and returns where it redirects to; empty if the page itself is shown.
func visit(ctx context.Context, client *http.Client, method, address, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return "", errors.New("the address is not a URL")
	}
	if body != "" {
		req.Header.Set("Content-Type", typeForm)
	}
	resp, err := client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, maxRequest)) // read to the end, so the connection can be reused
	if err != nil {
		return "", err
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return "", nil
	case resp.StatusCode == http.StatusFound && resp.Header.Get("Location") != "":
		return resp.Header.Get("Location"), nil
	}
	return "", fmt.Errorf("status %d: %s", resp.StatusCode, page)
}
