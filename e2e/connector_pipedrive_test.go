package e2e_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
)

var pipedrivePlatform = counterpart{
	name:     "pipedrive",
	settings: map[string]string{"PIPEDRIVE_CLIENT_ID": "5d4736e3", "PIPEDRIVE_CLIENT_SECRET": "pipedrive secret/+"},
	crm:      pipedrive,
	query:    "&hostname=acme.pipedrive.com",
	me:       "/api/v1/users/me",
	id:       "1235-pipedrive", host: "acme.pipedrive.com", timezone: "Europe/Berlin",
	info: `{"companyDomain":"acme","companyId":8877,"companyName":"Acme"}`,
	says: "Connected to Pipedrive.", farewell: "Logged out of Pipedrive",
	secrets: []string{"pipedrive secret/+", "-of-the-crm"},
}

// pipedrive imitates Pipedrive as documented on https://pipedrive.readme.io/docs/marketplace-oauth-authorization: Basic client
// authentication, and an api_domain for each company. A refresh keeps the refresh token. Revoking it ends the access tokens too.
func pipedrive(crm *grants) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, basic := r.BasicAuth()
		client := basic && id == "5d4736e3" && secret == "pipedrive+secret%2F%2B" // RFC 6749, section 2.3.1
		switch r.Method + " " + r.Host + r.URL.Path {
		case "GET oauth.pipedrive.com/oauth/authorize":
			crm.authorize(w, r, nil)
		case "POST oauth.pipedrive.com/oauth/token":
			refresh := r.PostFormValue("refresh_token")
			switch {
			case !client:
				saysJSON(w, 401, map[string]any{"success": false, "message": "Client authentication failed", "error": "invalid_client"})
				return
			case r.PostFormValue("grant_type") == "authorization_code" && crm.redeem(r.PostForm):
				refresh = crm.mint("refresh")
			case r.PostFormValue("grant_type") != "refresh_token" || !crm.alive(refresh):
				saysJSON(w, 400, map[string]any{"success": false, "message": "Invalid grant: refresh token is invalid", "error": "invalid_grant"})
				return
			}
			saysJSON(w, 200, map[string]any{"access_token": crm.mint("access"), "token_type": "Bearer", "refresh_token": refresh, "scope": "base",
				"expires_in": 3599, "api_domain": "https://acme.pipedrive.com"})
		case "GET acme.pipedrive.com/api/v1/users/me":
			if !crm.alive(bearerOf(r)) {
				saysJSON(w, 401, map[string]any{"success": false, "error": "unauthorized access", "errorCode": 401})
				return
			}
			saysJSON(w, 200, map[string]any{"success": true, "data": map[string]any{"id": 1235, "name": "Ada Lovelace", "timezone_name": "Europe/Berlin",
				"timezone_offset": "+02:00", "company_id": 8877, "company_name": "Acme", "company_domain": "acme"}})
		case "POST oauth.pipedrive.com/oauth/revoke":
			if !client {
				saysJSON(w, 401, map[string]any{"success": false, "error": "invalid_client"})
				return
			}
			crm.end(r.PostFormValue("token"))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

// TestPipedriveMarketplace: a sign-in that starts in Pipedrive's Marketplace has no state, and the client does not know the company's
// host. It is known under the host that Pipedrive names.
func TestPipedriveMarketplace(t *testing.T) {
	t.Parallel()
	p, crm := pipedrivePlatform, newGrants()
	s := newStandIn(t, pipedrive(crm))
	g := newGate(t, s.reached, func(o *edgetest.Options) {
		edgetest.Ship(t, o.Connectors, "pipedrive")
		o.Settings["PIPEDRIVE_CLIENT_ID"], o.Settings["PIPEDRIVE_CLIENT_SECRET"] = "5d4736e3", "pipedrive secret/+"
	})
	landed := s.browse(t, "https://oauth.pipedrive.com/oauth/authorize?client_id=5d4736e3&redirect_uri="+url.QueryEscape(g.URL+"/redirect.html"))
	token := g.token(g.get("/oauth-callback?callbackUri=" + landed + "&state=platform=pipedrive&hostname=temp"))
	g.get("/hostname", bearer(token)...).want(t, 200, "acme.pipedrive.com")
	if got := g.only(p.name, p.id).User.Key.Hostname; got != p.host {
		t.Errorf("stored under %s", got)
	}
}
