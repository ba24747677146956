package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// dataPlatforms are connectors without code: one for each way in which such CRMs differ from RFC 6749 and from each other.
var dataPlatforms = []counterpart{
	{
		name: "capsule", settings: dataSettings("CAPSULE"), query: "&hostname=acme.capsulecrm.com", keeps: true,
		crm: plainCRM{
			authorize: "api.capsulecrm.com/oauth/authorise", token: "api.capsulecrm.com/oauth/token", me: "api.capsulecrm.com/api/v2/users/current",
			tokens: `{"scope":"read write","subdomain":"acme","expires_in":604799}`,
			person: `{"user":{"id":12345682,"locale":"en_GB","username":"ada","timezone":"Europe/London","name":"Ada Lovelace"}}`,
		}.new,
		me: "/api/v2/users/current", id: "12345682-capsule", host: "acme.capsulecrm.com", timezone: "Europe/London", info: `{"locale":"en_GB","username":"ada"}`,
		says: "Connected to Capsule.", farewell: "Logged out of Capsule", secrets: dataSecrets,
	},
	{ // the person's host is in the token answer, and a logout revokes the refresh token
		name: "salesforce", settings: dataSettings("SALESFORCE"), query: "&hostname=login.salesforce.com",
		crm: plainCRM{
			authorize: "login.salesforce.com/services/oauth2/authorize", token: ".salesforce.com/services/oauth2/token", me: "acme.my.salesforce.com/services/oauth2/userinfo",
			revoke: "POST acme.my.salesforce.com/services/oauth2/revoke",
			tokens: `{"instance_url":"https://acme.my.salesforce.com","id":"https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P"}`,
			person: `{"user_id":"005x00000012Q9P","organization_id":"00Dx0000000BV7z","name":"Ada Lovelace","email":"ada@example.com","zoneinfo":"America/Los_Angeles"}`,
		}.new,
		me: "/services/oauth2/userinfo", id: "005x00000012Q9P-salesforce", host: "acme.my.salesforce.com", timezone: "America/Los_Angeles",
		info: `{"email":"ada@example.com","organizationId":"00Dx0000000BV7z"}`, says: "Connected to Salesforce.", farewell: "Logged out of Salesforce", secrets: dataSecrets,
	},
	{ // token requests are JSON, and a logout is a DELETE
		name: "zendesk", settings: dataSettings("ZENDESK"), query: "&hostname=acme.zendesk.com",
		crm: plainCRM{
			authorize: "acme.zendesk.com/oauth/authorizations/new", token: "acme.zendesk.com/oauth/tokens", me: "acme.zendesk.com/api/v2/users/me.json",
			revoke: "DELETE acme.zendesk.com/api/v2/oauth/tokens/current.json",
			tokens: `{"token_type":"bearer","scope":"read write","expires_in":3600}`,
			person: `{"user":{"id":35436,"name":"Ada Lovelace","email":"ada@example.com","role":"agent","iana_time_zone":"Europe/London"}}`,
		}.new,
		me: "/api/v2/users/me.json", id: "35436-zendesk", host: "acme.zendesk.com", timezone: "Europe/London", info: `{"email":"ada@example.com","role":"agent"}`,
		says: "Connected to Zendesk.", farewell: "Logged out of Zendesk", secrets: dataSecrets,
	},
	{ // the data centre decides the endpoints, and the header has a scheme of its own
		name: "zoho", settings: dataSettings("ZOHO"), query: "&hostname=crm.zoho.eu", keeps: true,
		crm: plainCRM{
			authorize: "accounts.zoho.eu/oauth/v2/auth", token: "accounts.zoho.eu/oauth/v2/token", me: "www.zohoapis.eu/crm/v8/users", scheme: "Zoho-oauthtoken",
			tokens: `{"api_domain":"https://www.zohoapis.eu","token_type":"Bearer","expires_in":3600}`,
			person: `{"users":[{"id":"1386586000000078001","full_name":"Ada Lovelace","email":"ada@example.com","time_zone":"Europe/London"}]}`,
		}.new,
		me: "/crm/v8/users", id: "1386586000000078001-zoho", host: "crm.zoho.eu", timezone: "Europe/London",
		info: `{"apiDomain":"https://www.zohoapis.eu","email":"ada@example.com"}`, says: "Connected to Zoho CRM.", farewell: "Logged out of Zoho CRM", secrets: dataSecrets,
	},
}

var dataSecrets = []string{"the-secret-1843", "-of-the-crm"}

// dataSettings are the settings of an operator.
func dataSettings(prefix string) map[string]string {
	return map[string]string{prefix + "_CLIENT_ID": "the-client", prefix + "_CLIENT_SECRET": "the-secret-1843"}
}

// plainCRM imitates a CRM with the endpoints, and the parts of its answers, that its documentation names. Hosts may begin with a dot.
type plainCRM struct {
	authorize, token, me string
	revoke               string // with its method; empty if it has none
	scheme               string // of the Authorization header, if it is not Bearer
	tokens, person       string // what the answers have beside the tokens
}

func (c plainCRM) new(crm *grants) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := r.Host + r.URL.Path
		scheme, access, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		known := (scheme == c.scheme || c.scheme == "" && scheme == "Bearer") && crm.alive(access)
		switch {
		case r.Method == "GET" && at == c.authorize:
			crm.authorize(w, r, nil)
		case r.Method == "POST" && strings.HasSuffix(at, c.token):
			c.exchange(w, crm, parameters(r))
		case r.Method == "GET" && at == c.me && known:
			says(200, "application/json", c.person)(w, r)
		case r.Method+" "+at == c.revoke && (known || crm.alive(parameters(r).Get("token"))):
			crm.end()
			w.WriteHeader(http.StatusNoContent)
		case at == c.me, r.Method+" "+at == c.revoke:
			saysJSON(w, 401, map[string]any{"error": "invalid_token"})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

// exchange answers a token request.
func (c plainCRM) exchange(w http.ResponseWriter, crm *grants, form url.Values) {
	tokens := map[string]any{}
	_ = json.Unmarshal([]byte(c.tokens), &tokens)
	switch {
	case form.Get("client_id") != "the-client" || form.Get("client_secret") != "the-secret-1843":
		saysJSON(w, 401, map[string]any{"error": "invalid_client"})
		return
	case form.Get("grant_type") == "authorization_code" && crm.redeem(form):
		tokens["refresh_token"] = crm.mint("refresh")
	case form.Get("grant_type") != "refresh_token" || !crm.alive(form.Get("refresh_token")):
		saysJSON(w, 400, map[string]any{"error": "invalid_grant"})
		return
	}
	tokens["access_token"] = crm.mint("access")
	saysJSON(w, 200, tokens)
}

// parameters returns the parameters of a request with a form or a JSON object of strings.
func parameters(r *http.Request) url.Values {
	all := url.Values{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var object map[string]string
		_ = json.NewDecoder(r.Body).Decode(&object)
		for name, v := range object {
			all.Set(name, v)
		}
		return all
	}
	_ = r.ParseForm()
	return r.PostForm
}
