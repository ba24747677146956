package e2e_test

import "net/http"

var highLevelPlatform = counterpart{
	name:     "gohighlevel",
	settings: map[string]string{"GOHIGHLEVEL_CLIENT_ID": "6853f0bb-mc3adi25", "GOHIGHLEVEL_CLIENT_SECRET": "highlevel-secret-1843"},
	crm:      highLevel,
	query:    "&hostname=app.gohighlevel.com",
	me:       "/users/0IHuJvc2ofPAAA8GzTRi",
	id:       "0IHuJvc2ofPAAA8GzTRi-gohighlevel", host: "app.gohighlevel.com",
	info: `{"companyId":"ve9EPM428h8vShlRW1KT","email":"ada@example.com","locationId":"l1C08ntBrFjLS0elLIYU","userId":"0IHuJvc2ofPAAA8GzTRi"}`,
	says: "Connected to HighLevel.", farewell: "Logged out of HighLevel",
	keeps: true, rotates: true,
	secrets: []string{"highlevel-secret-1843", "-of-the-crm"},
}

// highLevel imitates HighLevel as documented on https://marketplace.gohighlevel.com/docs/ghl/oauth/get-access-token: the client in the
// body, the type of the user in each token request, and a new refresh token in each answer. Its API needs the header Version.
func highLevel(crm *grants) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.Host + r.URL.Path {
		case "GET marketplace.leadconnectorhq.com/oauth/chooselocation":
			crm.authorize(w, r, nil)
		case "POST services.leadconnectorhq.com/oauth/token":
			old := r.PostFormValue("refresh_token")
			switch {
			case r.PostFormValue("client_id") != "6853f0bb-mc3adi25" || r.PostFormValue("client_secret") != "highlevel-secret-1843":
				saysJSON(w, 401, map[string]any{"error": "invalid_client", "error_description": "Invalid client credentials!"})
				return
			case r.PostFormValue("user_type") != "Location":
				saysJSON(w, 422, map[string]any{"statusCode": 422, "message": []string{"user_type must be Location"}, "error": "Unprocessable Entity"})
				return
			case r.PostFormValue("grant_type") == "authorization_code" && crm.redeem(r.PostForm):
			case r.PostFormValue("grant_type") == "refresh_token" && crm.alive(old):
				crm.end(old)
			default:
				saysJSON(w, 400, map[string]any{"error": "invalid_grant", "error_description": "This refresh token is invalid"})
				return
			}
			saysJSON(w, 200, map[string]any{"access_token": crm.mint("access"), "token_type": "Bearer", "expires_in": 86399, "refresh_token": crm.mint("refresh"),
				"scope": "users.readonly", "userType": "Location", "locationId": "l1C08ntBrFjLS0elLIYU", "companyId": "ve9EPM428h8vShlRW1KT", "userId": "0IHuJvc2ofPAAA8GzTRi"})
		case "GET services.leadconnectorhq.com/users/0IHuJvc2ofPAAA8GzTRi":
			if !crm.alive(bearerOf(r)) || r.Header.Get("Version") != "2021-07-28" {
				saysJSON(w, 401, map[string]any{"statusCode": 401, "message": "Invalid JWT"})
				return
			}
			saysJSON(w, 200, map[string]any{"id": "0IHuJvc2ofPAAA8GzTRi", "name": "Ada Lovelace", "firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com"})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}
