package egress

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/crmgate/crmgate"
)

// redirected returns the request that follows a redirect. It returns nil if resp is not a redirect of a GET or HEAD.
func redirected(req *http.Request, resp *http.Response) (*http.Request, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead || resp.Header.Get("Location") == "" {
		return nil, nil
	}
	to, err := req.URL.Parse(resp.Header.Get("Location"))
	if err != nil {
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: "redirect to a malformed URL"}
	}
	if req.URL.Scheme == "https" && to.Scheme != "https" {
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: "redirect from https to another scheme"}
	}
	next := req.Clone(req.Context())
	next.URL, next.Host = to, ""
	next.Header.Del("Referer")
	if !sameHost(to, req.URL) {
		for _, h := range []string{"Authorization", "Cookie", "Proxy-Authorization", "Www-Authenticate"} {
			next.Header.Del(h)
		}
		for h := range next.Header { // CRMs also take credentials in headers of their own, such as X-Api-Key
			if strings.HasPrefix(h, "X-") || strings.Contains(strings.ToLower(h), "token") || strings.Contains(strings.ToLower(h), "key") {
				next.Header.Del(h)
			}
		}
	}
	return next, nil
}

func sameHost(a, b *url.URL) bool { return strings.EqualFold(a.Host, b.Host) }
