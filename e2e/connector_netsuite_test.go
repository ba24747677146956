package e2e_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

var netsuitePlatform = counterpart{
	name:     "netsuite",
	settings: map[string]string{"NETSUITE_CRM_CLIENT_ID": "0bc4b1f3", "NETSUITE_CRM_CLIENT_SECRET": "netsuite-secret-1843"},
	crm:      netsuite,
	query:    "&hostname=1234567-sb1.app.netsuite.com",
	me:       "/app/site/hosting/restlet.nl",
	id:       "10-1234567_SB1-netsuite", host: "1234567-sb1.app.netsuite.com",
	info: `{"email":"ada@example.com","name":"Ada Lovelace","oneWorldEnabled":false,"role":"1111","subsidiaryId":""}`,
	says: "Connected to NetSuite.", farewell: "Logged out of NetSuite",
	secrets: []string{"netsuite-secret-1843", "-of-the-crm"},
}

// netsuite imitates a sandbox account of NetSuite as documented on
// https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_158074210415.html: a state of 22 characters or more, tokens from
// the account's own host, and a revocation of refresh tokens only. The RESTlets are those that App Connect's documentation names.
func netsuite(crm *grants) http.Handler {
	const account = "1234567-sb1"
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"1111;10","aud":["1A111AA1;1234567_SB1","0bc4b1f3"],"iss":"https://system.netsuite.com"}`))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		client := id == "0bc4b1f3" && secret == "netsuite-secret-1843"
		switch r.Method + " " + r.Host + r.URL.Path {
		case "GET system.netsuite.com/app/login/oauth2/authorize.nl":
			if q := r.URL.Query(); len(q.Get("state")) < 22 || q.Get("scope") != "restlets rest_webservices" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			crm.authorize(w, r, url.Values{"entity": {"10"}, "role": {"1111"}, "company": {"1234567_SB1"}})
		case "POST " + account + ".suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/token":
			tokens := map[string]any{"expires_in": "3600", "token_type": "bearer"}
			switch {
			case !client:
				saysJSON(w, 401, map[string]any{"error": "invalid_client"})
				return
			case r.PostFormValue("grant_type") == "authorization_code" && crm.redeem(r.PostForm):
				tokens["refresh_token"] = crm.mint("refresh")
			case r.PostFormValue("grant_type") != "refresh_token" || !crm.alive(r.PostFormValue("refresh_token")):
				saysJSON(w, 400, map[string]any{"error": "invalid_grant"})
				return
			}
			tokens["access_token"] = fmt.Sprintf("e30.%s.%s", claims, crm.mint("access"))
			saysJSON(w, 200, tokens)
		case "POST " + account + ".suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/revoke":
			if !client || !strings.HasPrefix(r.PostFormValue("token"), "refresh-") {
				saysJSON(w, 400, map[string]any{"error": "invalid_request"})
				return
			}
			crm.end()
		case "GET " + account + ".restlets.api.netsuite.com/app/site/hosting/restlet.nl", "POST " + account + ".restlets.api.netsuite.com/app/site/hosting/restlet.nl":
			if !crm.alive(bearerOf(r)) {
				saysJSON(w, 401, map[string]any{"error": map[string]any{"code": "INVALID_LOGIN_ATTEMPT", "message": "Invalid login attempt."}})
				return
			}
			switch r.Method + " " + r.URL.Query().Get("script") {
			case "GET customscript_getcurrentuser":
				saysJSON(w, 200, map[string]any{"name": "Ada Lovelace", "email": "ada@example.com", "subsidiary": ""})
			case "POST customscript_checkrolepermissionscriptid":
				saysJSON(w, 200, map[string]any{"permissionResults": map[string]any{"LIST_CONTACT": true, "LIST_SUBSIDIARY": false}})
			default: // the account has no script that names its licence
				saysJSON(w, 400, map[string]any{"error": map[string]any{"code": "SSS_INVALID_SCRIPTLET_ID", "message": "That Suitelet is invalid, disabled, or no longer exists."}})
			}
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}
