package practice

import (
	"net/http"
	"strings"
)

// me tells a person who they are.
func (c *CRM) me(w http.ResponseWriter, r *http.Request) {
	mood := c.count(&c.counts.Me)
	if misbehave(w, r, mood.Me) {
		return
	}
	p, ok := c.authorized(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, 401, map[string]string{"message": "who are you?"})
		return
	}
	writeJSON(w, 200, p)
}

func (c *CRM) authorized(r *http.Request) (Person, bool) {
	if key, _, ok := r.BasicAuth(); ok {
		return People()[1], key == APIKey
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return Person{}, false
	}
	return c.byAccess(token)
}

// ringCentral tells whose RingCentral token it is, as RingCentral's own endpoint does.
func (c *CRM) ringCentral(w http.ResponseWriter, r *http.Request) {
	mood := c.count(&c.counts.RingCentral)
	if misbehave(w, r, mood.RingCentral) {
		return
	}
	ids := map[string]int{"Bearer " + RCAdminToken: 101, "Bearer " + RCUserToken: 102}
	id, ok := ids[r.Header.Get("Authorization")]
	if !ok {
		writeJSON(w, 401, map[string]string{"errorCode": "TokenInvalid"})
		return
	}
	writeJSON(w, 200, map[string]any{
		"id": id, "account": map[string]any{"id": "62000001"},
		"permissions": map[string]any{"admin": map[string]any{"enabled": id == 101}},
	})
}
