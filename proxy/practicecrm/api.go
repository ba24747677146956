package practicecrm

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal server error", 500)
		return
	}
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// me returns the person with the access token or API key.
func (c *CRM) me(w http.ResponseWriter, r *http.Request) {
	mood, changed := c.count(&c.counts.Me)
	if misbehave(w, r, mood.Me, changed) {
		return
	}
	p, ok := c.caller(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="practice", error="invalid_token"`)
		writeJSON(w, 401, map[string]string{"error": "invalid_token"})
		return
	}
	writeJSON(w, 200, p)
}

// caller returns the person who sent a request.
func (c *CRM) caller(r *http.Request) (Person, bool) {
	if token, ok := bearerOf(r); ok {
		return c.holder(token)
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	pair, err := base64.StdEncoding.DecodeString(value)
	// The colon may be missing: some connectors send the key alone, and CRMs accept it.
	key, _, _ := strings.Cut(string(pair), ":")
	if err != nil || !strings.EqualFold(scheme, "Basic") || key != APIKey {
		return Person{}, false
	}
	return c.person("grace")
}

type extensionJSON struct {
	ID      int `json:"id"`
	Account struct {
		ID string `json:"id"`
	} `json:"account"`
	Permissions struct {
		Admin struct {
			Enabled bool `json:"enabled"`
		} `json:"admin"`
	} `json:"permissions"`
}

// ringCentral returns the extension to which a RingCentral token belongs.
func (c *CRM) ringCentral(w http.ResponseWriter, r *http.Request) {
	mood, changed := c.count(&c.counts.RingCentral)
	if misbehave(w, r, mood.RingCentral, changed) {
		return
	}
	var e extensionJSON
	e.Account.ID = "1"
	switch token, _ := bearerOf(r); token {
	case RCAdminToken:
		e.ID, e.Permissions.Admin.Enabled = 101, true
	case RCSecondToken:
		e.ID, e.Permissions.Admin.Enabled = 103, true
	case RCUserToken:
		e.ID = 102
	case RCOtherToken:
		e.ID, e.Account.ID = 201, "2"
	case RCOtherAdminToken:
		e.ID, e.Account.ID, e.Permissions.Admin.Enabled = 202, "2", true
	default:
		writeJSON(w, 401, map[string]string{"errorCode": "TokenInvalid", "message": "Token not found"})
		return
	}
	writeJSON(w, 200, e)
}
