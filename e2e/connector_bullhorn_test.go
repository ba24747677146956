package e2e_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
)

var bullhornPlatform = counterpart{
	name:     "bullhorn",
	settings: map[string]string{"BULLHORN_CLIENT_ID": "5a1ff851-6b1c", "BULLHORN_CLIENT_SECRET": "bullhorn secret/+1843"},
	crm:      bullhorn,
	query:    "&hostname=app.bullhornstaffing.com",
	// App Connect's clients ask Bullhorn for the person's data centre. The user name is another person's.
	callback: "&tokenUrl=https://auth-east.bullhornstaffing.com/oauth/token&apiUrl=https://rest32.bullhornstaffing.com/rest-services&username=grace.acme",
	me:       "/rest-services/login",
	id:       "1815-bullhorn", host: "app.bullhornstaffing.com",
	info: `{"bhRestToken":"session-of-the-crm","id":7,"loginUrl":"https://rest32.bullhornstaffing.com/rest-services",` +
		`"restUrl":"https://rest32.bullhornstaffing.com/rest-services/e999/","tokenUrl":"https://auth-east.bullhornstaffing.com/oauth/token"}`,
	says: "Connected to Bullhorn.", farewell: "Logged out of Bullhorn",
	keeps: true, rotates: true,
	secrets: []string{"bullhorn secret/+1843", url.QueryEscape("bullhorn secret/+1843"), "access-", "refresh-"},
}

// bullhorn imitates Bullhorn as documented on https://bullhorn.github.io/Getting-Started-with-REST: data centres, token requests with their
// parameters in the query, refresh tokens that work once, and sessions. Sessions are tokens of their own kind.
func bullhorn(crm *grants) http.Handler {
	const rest = "rest32.bullhornstaffing.com/rest-services"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		path, inSession := strings.CutPrefix(r.Host+r.URL.Path, rest+"/e999/")
		switch {
		case r.Host+r.URL.Path == "rest.bullhornstaffing.com/rest-services/loginInfo" && q.Get("username") == "ada.acme":
			saysJSON(w, 200, map[string]any{"oauthUrl": "https://auth-east.bullhornstaffing.com/oauth", "restUrl": "https://" + rest, "superClusterId": 3200})
		case r.URL.Path == "/oauth/authorize":
			crm.authorize(w, r, url.Values{"client_id": {q.Get("client_id")}})
		case r.Method+" "+r.Host+r.URL.Path == "POST auth-east.bullhornstaffing.com/oauth/token":
			old := q.Get("refresh_token")
			switch {
			case q.Get("client_id") != "5a1ff851-6b1c" || q.Get("client_secret") != "bullhorn secret/+1843":
				saysJSON(w, 400, map[string]any{"error": "invalid_client", "error_description": "Client authentication failed."})
				return
			case q.Get("grant_type") == "authorization_code" && crm.redeem(q):
			case q.Get("grant_type") == "refresh_token" && crm.alive(old):
				crm.end(old)
			default:
				saysJSON(w, 400, map[string]any{"error": "invalid_grant", "error_description": "Invalid, expired, or revoked refresh token."})
				return
			}
			saysJSON(w, 200, map[string]any{"access_token": crm.mint("access"), "token_type": "Bearer", "expires_in": 600, "refresh_token": crm.mint("refresh")})
		case r.Method+" "+r.Host+r.URL.Path == "POST "+rest+"/login":
			if !crm.alive(q.Get("access_token")) || q.Get("version") != "2.0" {
				saysJSON(w, 401, map[string]any{"errorMessage": "Invalid or expired OAuth access token."})
				return
			}
			saysJSON(w, 200, map[string]any{"BhRestToken": crm.mint("session"), "restUrl": "https://" + rest + "/e999/"})
		case !inSession:
			w.WriteHeader(http.StatusNotFound)
		case !strings.HasPrefix(r.Header.Get("BhRestToken"), "session-") || !crm.alive(r.Header.Get("BhRestToken")):
			saysJSON(w, 401, map[string]any{"errorMessage": "Bad 'BhRestToken' or timed-out."})
		case path == "ping":
			saysJSON(w, 200, map[string]any{"sessionExpires": time.Now().Add(10 * time.Minute).UnixMilli()})
		case path == "settings/userId":
			saysJSON(w, 200, map[string]any{"userId": 7})
		case path == "entity/CorporateUser/7":
			saysJSON(w, 200, map[string]any{"data": map[string]any{"id": 7, "name": "Ada Lovelace", "timeZoneOffsetEST": 360, "masterUserID": 1815}})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

func newBullhornGate(t *testing.T) (*gate, *standIn, *grants) {
	crm := newGrants()
	s := newStandIn(t, bullhorn(crm))
	return newGate(t, s.reached, func(o *edgetest.Options) {
		edgetest.Ship(t, o.Connectors, "bullhorn")
		maps.Copy(o.Settings, bullhornPlatform.settings)
	}), s, crm
}

// TestBullhornUserName: the page asks for the user name, and leads to the person's data centre.
func TestBullhornUserName(t *testing.T) {
	t.Parallel()
	g, s, _ := newBullhornGate(t)
	v := g.visitor()
	v.send("/connect/bullhorn", url.Values{"username": {"nobody"}}).wantPage(t, 400, "This did not work", "Bullhorn does not know this user name. Check it and try again.")
	at := v.send("/connect/bullhorn", url.Values{"username": {"ada.acme"}}).follow(t)
	if !strings.HasPrefix(at, "https://auth-east.bullhornstaffing.com/oauth/authorize?") {
		t.Errorf("the page leads to %s", at)
	}
	v.get(strings.TrimPrefix(s.browse(t, at), v.URL)).wantPage(t, 200, "You are connected")
	g.only(bullhornPlatform.name, bullhornPlatform.id)
}

// TestBullhornSession: after a session has ended, the access token opens another. The token is not refreshed.
func TestBullhornSession(t *testing.T) {
	t.Parallel()
	p := bullhornPlatform
	g, s, crm := newBullhornGate(t)
	token := g.token(p.signIn(g, s))
	for _, session := range crm.left() {
		if strings.HasPrefix(session, "session-") {
			crm.end(session)
		}
	}
	s.take()
	g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
	for _, request := range s.take() {
		if strings.Contains(request, "/oauth/token") {
			t.Errorf("the token was refreshed: %s", request)
		}
	}
	g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
	if asked := s.take(); len(asked) != 1 || !strings.Contains(asked[0], "/ping") {
		t.Errorf("the new session was not stored: %v", asked)
	}
}
