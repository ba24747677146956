package e2e_test

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
)

var redtailPlatform = counterpart{
	name: "redtail",
	settings: map[string]string{
		"REDTAIL_API_KEY": "redtail-operator-key", "REDTAIL_API_SERVER": "https://smf.crm3.redtailtechnology.com/api/public/v1",
	},
	crm:  redtail,
	form: `{"platform":"redtail","apiKey":"apiKey","hostname":"crm.redtailtechnology.com","additionalInfo":{"username":"ada","password":"lovelace-1843"}}`,
	me:   "/api/public/v1/authentication",
	id:   "ada-redtail", host: "crm.redtailtechnology.com",
	info: `{"userResponse":{"database_id":99999,"user_id":41974},"username":"ada"}`,
	says: "Connected to Redtail.", farewell: "Logged out of Redtail",
	secrets: []string{"lovelace-1843", "redtail-operator-key", "B7B4BCDD-67C8-449C"},
}

// redtail imitates Redtail as documented on https://help.redtailtechnology.com/hc/en-us/articles/203964430: /authentication takes
// a user name and a password, and everything else the user key, in a scheme of its own.
func redtail(*grants) http.Handler {
	const key = "B7B4BCDD-67C8-449C-B1D4-C1AAFE49703D"
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("redtail-operator-key:ada:lovelace-1843"))
	userKey := "Userkeyauth " + base64.StdEncoding.EncodeToString([]byte("redtail-operator-key:"+key))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		credential := r.Header.Get("Authorization")
		switch path := r.Method + " " + r.Host + r.URL.Path; {
		case path == "GET smf.crm3.redtailtechnology.com/api/public/v1/authentication" && credential == basic:
			saysJSON(w, 200, map[string]any{"authenticated_user": map[string]any{"user_id": 41974, "database_id": 99999, "user_key": key}})
		case path == "GET smf.crm3.redtailtechnology.com/api/public/v1/lists/categories" && credential == userKey:
			saysJSON(w, 200, map[string]any{"categories": []any{map[string]any{"id": 2, "name": "General Information", "deleted": false}}})
		case r.Host == "smf.crm3.redtailtechnology.com":
			saysJSON(w, 401, map[string]any{"error": "Unauthorized"})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

// TestRedtailPage: the page asks for the user name and the password, and masks the password. There is no API key to enter.
func TestRedtailPage(t *testing.T) {
	t.Parallel()
	p := redtailPlatform
	s := newStandIn(t, redtail(nil))
	g := newGate(t, s.reached, func(o *edgetest.Options) {
		edgetest.Ship(t, o.Connectors, "redtail")
		maps.Copy(o.Settings, p.settings)
	})
	v := g.visitor()
	v.get("/connect/redtail").wantPage(t, 200, "Connect Redtail", `name="fields[username]"`, `<input type="password"`, "The password is used once and not stored.")
	v.send("/connect/redtail", url.Values{"fields[username]": {"ada"}, "fields[password]": {"wrong"}}).
		wantPage(t, 400, "Connect Redtail", "Redtail did not accept the user name and password. Check them and try again.")
	v.send("/connect/redtail", url.Values{"fields[username]": {"ada"}, "fields[password]": {"lovelace-1843"}}).wantPage(t, 200, "You are connected")
	g.only(p.name, p.id)
}
