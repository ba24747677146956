package e2e_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
)

var freshdeskPlatform = counterpart{
	name: "freshdesk",
	crm:  freshdesk,
	form: `{"platform":"freshdesk","apiKey":"freshdesk-key-1843","hostname":"https://acme.freshdesk.com/a/tickets","additionalInfo":{"fdDomain":"Acme.freshdesk.com"}}`,
	me:   "/api/v2/agents/me",
	id:   "432-freshdesk", host: "acme.freshdesk.com", timezone: "London",
	info: `{"fdDomain":"acme.freshdesk.com"}`,
	says: "Connected to Freshdesk.", farewell: "Logged out of Freshdesk",
	secrets: []string{"freshdesk-key-1843"},
}

// freshdesk imitates Freshdesk as documented on https://developers.freshdesk.com/api: the key is the user name, and any password will do.
func freshdesk(*grants) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, password, _ := r.BasicAuth()
		switch {
		case r.Method+" "+r.Host+r.URL.Path != "GET acme.freshdesk.com/api/v2/agents/me":
			w.WriteHeader(http.StatusNotFound)
		case key != "freshdesk-key-1843" || password == "":
			saysJSON(w, 401, map[string]any{"code": "invalid_credentials", "message": "You have to be logged in to perform this action."})
		default:
			saysJSON(w, 200, map[string]any{"id": 432, "available": true, "ticket_scope": 1, "type": "support_agent",
				"contact": map[string]any{"active": true, "name": "Ada Lovelace", "email": "ada@acme.example", "time_zone": "London"}})
		}
	})
}

// TestFreshdeskPage: the page asks for the address, and the domain can stay empty. A key is sent to hosts of Freshdesk only.
func TestFreshdeskPage(t *testing.T) {
	t.Parallel()
	p := freshdeskPlatform
	s := newStandIn(t, freshdesk(nil))
	g := newGate(t, s.reached, func(o *edgetest.Options) { edgetest.Ship(t, o.Connectors, "freshdesk") })
	v := g.visitor()
	form := url.Values{"hostname": {"https://acme.freshdesk.com/a/dashboard"}, "fields[apiKey]": {"wrong"}}
	v.send("/connect/freshdesk", form).wantPage(t, 400, "Connect Freshdesk", "Freshdesk did not accept the API key. Copy it again from your Freshdesk profile settings.")
	form.Set("fields[apiKey]", "freshdesk-key-1843")
	v.send("/connect/freshdesk", form).wantPage(t, 200, "You are connected")
	g.only(p.name, p.id)
	form.Set("fields[fdDomain]", "acme.freshdesk.com.evil.example")
	v.send("/connect/freshdesk", form).wantPage(t, 400, "Connect Freshdesk", "This is not a Freshdesk domain.")
}
