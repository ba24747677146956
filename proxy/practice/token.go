package practice

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

func (c *CRM) token(w http.ResponseWriter, r *http.Request) {
	mood := c.count(&c.counts.Token)
	if mood.Latency > 0 {
		t := time.NewTimer(mood.Latency)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case mood.Hang:
		<-r.Context().Done()
		return
	case mood.CutBefore:
		cut(w)
	case mood.Status != 0:
		if mood.RetryAfter != 0 {
			w.Header().Set("Retry-After", strconv.Itoa(mood.RetryAfter))
		}
		w.WriteHeader(mood.Status)
		return
	case mood.Error != "":
		writeJSON(w, 400, map[string]string{"error": mood.Error})
		return
	}
	g, failure := c.grant(r)
	if failure != "" {
		status := 400
		if failure == "invalid_client" {
			status = 401
		}
		writeJSON(w, status, map[string]string{"error": failure})
		return
	}
	if mood.CutAfter {
		cut(w)
	}
	answerNamed(mood.Token).write(w, g)
}

// granted is a token answer before it is written.
type granted struct {
	access, refresh, previous string // previous is the refresh token that was used
	life                      time.Duration
	now                       time.Time
}

// grant serves a token request; failure is an error code of RFC 6749, 5.2.
func (c *CRM) grant(r *http.Request) (g granted, failure string) {
	if r.ParseForm() != nil {
		return g, "invalid_request"
	}
	if !authenticated(r) {
		return g, "invalid_client"
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		c.count(&c.counts.Exchanges)
		return c.exchange(r)
	case "refresh_token":
		c.count(&c.counts.Refreshes)
		return c.rotate(r.PostForm.Get("refresh_token"))
	}
	return g, "unsupported_grant_type"
}

// authenticated takes Basic, encoded as RFC 6749 demands or raw, or the body.
func authenticated(r *http.Request) bool {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if i, err := url.QueryUnescape(id); ok && err == nil {
		id = i
	}
	if s, err := url.QueryUnescape(secret); ok && err == nil {
		secret = s
	}
	return id == ClientID && secret == ClientSecret
}

func (c *CRM) exchange(r *http.Request) (granted, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := r.PostForm.Get("code")
	k, ok := c.codes[s]
	delete(c.codes, s) // single use, whatever comes of it
	switch {
	case !ok || !c.Now().Before(k.expires) || r.PostForm.Get("redirect_uri") != k.redirectURI:
		return granted{}, "invalid_grant"
	case k.challenge != "" && k.challenge != challengeOf(r.PostForm.Get("code_verifier")):
		return granted{}, "invalid_grant"
	}
	return c.issue(&family{person: k.person}, ""), ""
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// rotate exchanges a refresh token for another. One that comes twice ends the family (RFC 9700, 4.14), save within its grace.
func (c *CRM) rotate(old string) (granted, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.refresh[old]
	if !ok || r.ended {
		return granted{}, "invalid_grant"
	}
	if !r.used.IsZero() && c.Now().Sub(r.used) >= c.Grace {
		r.ended = true
		return granted{}, "invalid_grant"
	}
	r.used = c.Now()
	c.refresh[old] = r
	return c.issue(r.family, old), ""
}

// issue makes tokens. c.mu is held.
func (c *CRM) issue(f *family, previous string) granted {
	if len(c.access) >= most {
		clear(c.access)
	}
	if len(c.refresh) >= most {
		clear(c.refresh)
	}
	g := granted{access: random(), refresh: random(), previous: previous, life: c.AccessLife, now: c.Now()}
	c.access[g.access] = access{f, g.now.Add(g.life)}
	c.refresh[g.refresh] = refresh{family: f}
	if previous != "" && (answerNamed(c.mood.Token).same || answerNamed(c.mood.Token).noRefresh) {
		c.refresh[previous] = refresh{family: f} // it goes on being good
	}
	return g
}

// revoke ends a family by either of its tokens. A token that is not known is revoked already (RFC 7009, 2.2).
func (c *CRM) revoke(w http.ResponseWriter, r *http.Request) {
	mood := c.count(&c.counts.Revoke)
	if misbehave(w, r, mood.Revoke) {
		return
	}
	if r.ParseForm() != nil || r.PostForm.Get("token") == "" {
		writeJSON(w, 400, map[string]string{"error": "invalid_request"})
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := r.PostForm.Get("token")
	if a, ok := c.access[t]; ok {
		a.ended = true
	}
	if f, ok := c.refresh[t]; ok {
		f.ended = true
	}
}
