package practicecrm

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// family is all tokens that come from one consent. CRM.mu guards it, and access and refresh.
type family struct {
	client string
	person Person
	ended  bool
}

type access struct {
	family  *family
	expires time.Time
}

type refresh struct {
	family  *family
	rotated time.Time // zero until it is rotated
}

// refusal is an OAuth error (RFC 6749, 5.2). The zero value means no error.
type refusal struct{ code, why string }

func (c *CRM) token(w http.ResponseWriter, r *http.Request) {
	mood, changed := c.count(&c.counts.Token)
	form, quirks, no := mood.read(r, c.clients)
	switch form.Get("grant_type") {
	case "authorization_code":
		c.count(&c.counts.Exchanges)
	case "refresh_token":
		c.count(&c.counts.Refreshes)
	}
	pause(r.Context(), mood.Latency)
	switch {
	case mood.Hang:
		hang(r.Context(), changed)
	case mood.CutBefore:
		cut()
	case mood.Status != 0:
		if mood.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(mood.RetryAfter/time.Second)))
		}
		http.Error(w, http.StatusText(mood.Status), mood.Status)
		return
	case mood.Error != "":
		refuse(w, refusal{mood.Error, "The CRM is in that mood."})
		return
	case mood.CodeFirst && form.Get("grant_type") == "authorization_code" && !c.knowsCode(form.Get("code")):
		refuse(w, refusal{"invalid_grant", "Unknown or expired code."})
		return
	case no.code != "":
		refuse(w, no)
		return
	}
	answer := c.answers["json"]
	if mood.Token != "" {
		answer = c.answers[mood.Token]
	}
	g, no := c.grant(form, quirks, answer)
	if no.code != "" {
		refuse(w, no)
		return
	}
	if mood.CutAfter {
		cut()
	}
	answer.write(w, g)
}

func (c *CRM) knowsCode(code string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.codes.entries[code] != nil
}

func (a TokenAnswer) write(w http.ResponseWriter, g granted) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h["Content-Type"] = nil // otherwise net/http guesses one
	if a.kind != "" {
		h.Set("Content-Type", a.kind)
	}
	status := a.status
	if status == 0 {
		status = 200
	}
	body := a.render(g)
	if a.short {
		writeShort(w, status, body)
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// writeShort sends less than its Content-Length, and cuts the connection.
func writeShort(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+100))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
	_ = http.NewResponseController(w).Flush() // cut drops what is still buffered
	cut()
}

func refuse(w http.ResponseWriter, no refusal) {
	status := 400
	switch no.code {
	case "invalid_client":
		status = 401
		w.Header().Set("WWW-Authenticate", `Basic realm="practice"`)
	case "server_error":
		status = 500
	case "temporarily_unavailable":
		status = 503
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, map[string]string{"error": no.code, "error_description": no.why})
}

// grant redeems a code or refresh token, in one step.
func (c *CRM) grant(form url.Values, q Quirks, answer TokenAnswer) (granted, refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch form.Get("grant_type") {
	case "authorization_code":
		if code := c.codes.entries[form.Get("code")]; code != nil && slices.Contains(q.Omit, "redirect_uri") {
			form.Set("redirect_uri", code.redirectURI)
		}
		return c.exchange(form, answer)
	case "refresh_token":
		return c.rotate(form, answer)
	case "":
		return granted{}, refusal{"invalid_request", "grant_type is missing."}
	}
	return granted{}, refusal{"unsupported_grant_type", "grant_type must be authorization_code or refresh_token."}
}

// exchange redeems a code. c.mu is held.
func (c *CRM) exchange(form url.Values, answer TokenAnswer) (granted, refusal) {
	code := c.codes.entries[form.Get("code")]
	switch {
	case code == nil || !c.config.Now().Before(code.expires):
		return granted{}, refusal{"invalid_grant", "Unknown or expired code."}
	case code.used:
		if code.family != nil {
			code.family.ended = true // RFC 6749, 4.1.2
		}
		return granted{}, refusal{"invalid_grant", "The code was already used."}
	case code.client != form.Get("client_id"):
		return granted{}, refusal{"invalid_grant", "The code was issued to another client."}
	case code.redirectURI != form.Get("redirect_uri"):
		return granted{}, refusal{"invalid_grant", "redirect_uri differs from the authorization request."}
	case !proves(form.Get("code_verifier"), code.challenge):
		return granted{}, refusal{"invalid_grant", "code_verifier does not match the challenge."}
	case !answer.Valid:
		return c.invented(), refusal{}
	}
	code.used = true
	code.family = &family{client: code.client, person: code.person}
	return c.issue(code.family, "", answer), refusal{}
}

// rotate redeems a refresh token. c.mu is held.
func (c *CRM) rotate(form url.Values, answer TokenAnswer) (granted, refusal) {
	name := form.Get("refresh_token")
	t := c.refresh.entries[name]
	now := c.config.Now()
	switch {
	case t == nil || t.family.ended:
		return granted{}, refusal{"invalid_grant", "Unknown or revoked refresh token."}
	case t.family.client != form.Get("client_id"):
		return granted{}, refusal{"invalid_grant", "The refresh token was issued to another client."}
	case !t.rotated.IsZero() && !now.Before(t.rotated.Add(c.config.Grace)):
		c.counts.Reuses++
		t.family.ended = true // RFC 9700, 4.14.2
		return granted{}, refusal{"invalid_grant", "The refresh token was already used. All tokens of this consent have ended."}
	case !answer.Valid:
		return c.invented(), refusal{}
	}
	if !answer.keep && t.rotated.IsZero() {
		t.rotated = now
	}
	return c.issue(t.family, name, answer), refusal{}
}

// issue creates tokens of a family; old is the redeemed refresh token, or empty. c.mu is held.
func (c *CRM) issue(f *family, old string, answer TokenAnswer) granted {
	g := granted{refresh: old, life: c.config.AccessLife, now: c.config.Now()}
	g.access = c.access.add("access-", access{family: f, expires: g.now.Add(g.life)})
	if answer.Refresh && (old == "" || !answer.keep) {
		g.refresh = c.refresh.add("refresh-", refresh{family: f})
	}
	return g
}

// invented returns tokens that do not work, for an answer without effect.
func (c *CRM) invented() granted {
	return granted{access: "access-" + rand.Text(), refresh: "refresh-" + rand.Text(), life: c.config.AccessLife, now: c.config.Now()}
}

// proves reports whether a PKCE verifier matches a challenge (RFC 7636, 4.6). A verifier without a challenge does not: an
// attacker may have removed the challenge (RFC 9700, 4.8.2).
func proves(verifier, challenge string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]) == challenge
}

// revoke ends the family of a token (RFC 7009). The caller authenticates as a client, or by a Bearer token of that family.
func (c *CRM) revoke(w http.ResponseWriter, r *http.Request) {
	parse := r.ParseForm()
	mood, changed := c.count(&c.counts.Revoke)
	if misbehave(w, r, mood.Revoke, changed) {
		return
	}
	name := r.PostForm.Get("token")
	if parse != nil || name == "" {
		refuse(w, refusal{"invalid_request", "token is missing."})
		return
	}
	bearer, byBearer := bearerOf(r)
	if !byBearer {
		if _, no := c.clients.authenticate(r, r.PostForm); no.code != "" {
			refuse(w, no)
			return
		}
	}
	if !c.endFamily(name, bearer, byBearer) {
		writeJSON(w, 401, map[string]string{"error": "invalid_token"})
		return
	}
	w.WriteHeader(200) // an unknown token counts as revoked (RFC 7009, 2.2)
}

// endFamily ends the family of a token. It reports false if the bearer token is unknown. An expired bearer token is accepted:
// it can only end its own family, and a late sign-out would otherwise leave a refresh token behind.
func (c *CRM) endFamily(name, bearer string, byBearer bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.familyOf(name)
	if byBearer {
		own := c.familyOf(bearer)
		if own == nil {
			return false
		}
		if own != f {
			return true // of another family: treated as unknown
		}
	}
	if f != nil {
		f.ended = true
	}
	return true
}

// familyOf returns the family of an access or refresh token, nil if there is no such token. c.mu is held.
func (c *CRM) familyOf(name string) *family {
	if t := c.access.entries[name]; t != nil {
		return t.family
	}
	if t := c.refresh.entries[name]; t != nil {
		return t.family
	}
	return nil
}

// bearerOf returns the Bearer token of a request. The scheme is case-insensitive (RFC 9110, 11.1).
func bearerOf(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, strings.EqualFold(scheme, "Bearer")
}
