package e2e_test

import "net/http"

var googleSheetsPlatform = counterpart{
	name:     "googleSheets",
	settings: map[string]string{"GOOGLESHEETS_CLIENT_ID": "367818015386.apps.googleusercontent.com", "GOOGLESHEETS_CLIENT_SECRET": "google-secret-1843"},
	crm:      googleSheets,
	query:    "&hostname=docs.google.com",
	me:       "/oauth2/v3/userinfo",
	id:       "110169484474386276334-googleSheets", host: "docs.google.com",
	info: `{"email":"ada@example.com","name":"Ada Lovelace"}`,
	says: "Connected to Google Sheets.", farewell: "Logged out of Google Sheets",
	secrets: []string{"google-secret-1843", "-of-the-crm"},
}

// googleSheets imitates Google as documented on https://developers.google.com/identity/protocols/oauth2/web-server: a refresh token only
// for offline access with consent, and a revocation that ends the access token with the refresh token.
func googleSheets(crm *grants) http.Handler {
	const scope = "https://www.googleapis.com/auth/drive.file https://www.googleapis.com/auth/userinfo.profile https://www.googleapis.com/auth/userinfo.email"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.Host + r.URL.Path {
		case "GET accounts.google.com/o/oauth2/v2/auth":
			if q := r.URL.Query(); q.Get("scope") != scope || q.Get("access_type") != "offline" || q.Get("prompt") != "consent" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			crm.authorize(w, r, nil)
		case "POST oauth2.googleapis.com/token":
			tokens := map[string]any{"expires_in": 3599, "scope": scope, "token_type": "Bearer"}
			switch {
			case r.PostFormValue("client_id") != "367818015386.apps.googleusercontent.com" || r.PostFormValue("client_secret") != "google-secret-1843":
				saysJSON(w, 401, map[string]any{"error": "invalid_client", "error_description": "The OAuth client was not found."})
				return
			case r.PostFormValue("grant_type") == "authorization_code" && crm.redeem(r.PostForm):
				tokens["refresh_token"] = crm.mint("refresh")
			case r.PostFormValue("grant_type") != "refresh_token" || !crm.alive(r.PostFormValue("refresh_token")):
				saysJSON(w, 400, map[string]any{"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
				return
			}
			tokens["access_token"] = crm.mint("access")
			saysJSON(w, 200, tokens)
		case "GET www.googleapis.com/oauth2/v3/userinfo":
			if !crm.alive(bearerOf(r)) {
				saysJSON(w, 401, map[string]any{"error": "invalid_request", "error_description": "Invalid Credentials"})
				return
			}
			saysJSON(w, 200, map[string]any{"sub": "110169484474386276334", "name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true})
		case "POST oauth2.googleapis.com/revoke":
			if !crm.alive(r.PostFormValue("token")) {
				saysJSON(w, 400, map[string]any{"error": "invalid_token", "error_description": "Token expired or revoked"})
				return
			}
			crm.end()
			saysJSON(w, 200, map[string]any{})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}
