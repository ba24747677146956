package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

var serviceTitanPlatform = counterpart{
	name:     "servicetitan",
	settings: map[string]string{"SERVICETITAN_APP_KEY": "ak1.servicetitan-1843"},
	crm:      serviceTitan,
	form: `{"platform":"servicetitan","apiKey":"servicetitan-secret-1843","hostname":"go.servicetitan.com","rcAccessToken":"` + practicecrm.RCAdminToken + `",` +
		`"additionalInfo":{"tenantId":"1234567","clientId":"cid.1","apiKey":"servicetitan-secret-1843","employeeId":"42"}}`,
	me: "/settings/v2/tenant/1234567/employees/42",
	id: "42-1234567-servicetitan", host: "go.servicetitan.com",
	info: `{"clientId":"cid.1","email":"ada@example.com","employeeId":42,"tenantId":"1234567"}`,
	says: "Connected to ServiceTitan.", farewell: "Logged out of ServiceTitan",
	keeps:   true, // tokens of 15 minutes
	secrets: []string{"ak1.servicetitan-1843", "servicetitan-secret-1843", "-of-the-crm"},
}

// serviceTitan imitates ServiceTitan as documented on https://developer.servicetitan.io/docs/get-going-first-api-call: client credentials in
// the body, and the application's key with each request.
func serviceTitan(crm *grants) http.Handler {
	employees := map[string]map[string]any{
		"42": {"id": 42, "name": "Ada Lovelace", "email": "ada@example.com", "active": true},
		"44": {"id": 44, "name": "Grace Hopper", "email": "grace@example.com", "active": true},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keyed := r.Header.Get("ST-App-Key") == "ak1.servicetitan-1843"
		path, isEmployee := strings.CutPrefix(r.URL.Path, "/settings/v2/tenant/1234567/employees")
		switch {
		case r.Method+" "+r.Host+r.URL.Path == "POST auth.servicetitan.io/connect/token":
			if r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("client_id") != "cid.1" || r.PostFormValue("client_secret") != "servicetitan-secret-1843" {
				saysJSON(w, 400, map[string]any{"error": "invalid_client"})
				return
			}
			saysJSON(w, 200, map[string]any{"access_token": crm.mint("access"), "expires_in": 900, "token_type": "Bearer"})
		case r.Host != "api.servicetitan.io" || !isEmployee:
			w.WriteHeader(http.StatusNotFound)
		case !keyed || !crm.alive(bearerOf(r)):
			saysJSON(w, 401, map[string]any{"title": "Unauthorized", "status": 401})
		case path == "":
			saysJSON(w, 200, map[string]any{"page": 1, "pageSize": 500, "hasMore": false, "data": []any{employees["42"], employees["44"]}})
		case employees[path[1:]] == nil:
			saysJSON(w, 404, map[string]any{"title": "Not Found", "status": 404})
		default:
			saysJSON(w, 200, employees[path[1:]])
		}
	})
}

// TestServiceTitanOrganisation: the admin enters the values of the organisation and chooses who each person is. People then enter nothing.
func TestServiceTitanOrganisation(t *testing.T) {
	t.Parallel()
	p := serviceTitanPlatform
	s := newStandIn(t, serviceTitan(newGrants()))
	g := newGate(t, s.reached, func(o *edgetest.Options) {
		edgetest.Ship(t, o.Connectors, "servicetitan")
		o.Settings["SERVICETITAN_APP_KEY"] = p.settings["SERVICETITAN_APP_KEY"]
	})
	admin := g.token(p.signIn(g, s))
	g.do("POST", "/admin/managedAuth/options?platform=servicetitan", `{"fieldConst":"employeeId"}`, "X-RC-Access-Token", practicecrm.RCAdminToken, "Content-Type", "application/json").
		want(t, 200, `[{"value":"42","label":"Ada Lovelace"},{"value":"44","label":"Grace Hopper"}]`)
	g.postJSON("/admin/managedAuth", `{"scope":"user","rcExtensionId":102,"values":{"employeeId":"44"}`+rcAdmin+`}`, bearer(admin)...).want(t, 200, fieldsUpdated)
	a := g.postJSON("/apiKeyLogin", `{"platform":"servicetitan","apiKey":"apiKey","hostname":"go.servicetitan.com"`+rcUser+`}`)
	token := g.token(a)
	if !strings.Contains(a.body, `"name":"Grace Hopper"`) {
		t.Errorf("signed in: %s", a.body)
	}
	g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
}
