package practice

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Browse plays a person's browser: it opens an authorization URL of the practice CRM, presses a person's button (or
// "deny"), and returns the URL that the CRM sends the browser back to, which it does not open.
func Browse(ctx context.Context, client *http.Client, authURL, person string) (landed string, err error) {
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		body := ""
		if method == http.MethodPost {
			body = url.Values{"person": {person}}.Encode()
		}
		req, err := http.NewRequestWithContext(ctx, method, authURL, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := once.Do(req)
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		if err != nil {
			return "", err
		}
		if resp.StatusCode >= 400 {
			return "", fmt.Errorf("the practice CRM says %d: %s", resp.StatusCode, b)
		}
		landed = resp.Header.Get("Location")
	}
	if landed == "" {
		return "", fmt.Errorf("the practice CRM sent the browser nowhere")
	}
	return landed, nil
}
