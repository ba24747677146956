package e2e_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/storage"
)

// tenants are servers at hosts of one CRM that gives each customer a host. They accept one API key each, or any key.
type tenants struct {
	*gate
	mu   sync.Mutex
	keys map[string]string   // the key that a host accepts; "" for any; guarded by mu
	seen map[string][]string // everything that a host was sent, by host; guarded by mu
}

const goodHost, otherHost, evilHost = "good.crm.example:8099", "other.crm.example:8099", "evil.crm.example:8099"

// withTenants starts a gate with a platform whose people paste the address of their CRM, and whose admins store an API key.
func withTenants(t *testing.T) *tenants {
	n := &tenants{keys: map[string]string{goodHost: "k-1", otherHost: "k-2", evilHost: ""}, seen: map[string][]string{}}
	crm := httptest.NewServer(n)
	t.Cleanup(crm.Close)
	n.gate = newGate(t, func(f *edgetest.Options) {
		for host := range n.keys {
			f.Resolve = append(f.Resolve, host+":"+crm.Listener.Addr().String())
		}
		f.Settings["PRACTICEKEY_URL"] = "http://{hostname}"
		managedKey(f)
		manifest := filepath.Join(f.Connectors, "practicekey.json")
		b, err := os.ReadFile(manifest)
		edgetest.Must(t, err)
		const environment = `"environment": {"type": "dynamic", "urlIdentifier": "*.crm.example:8099"}, "auth": {`
		b = []byte(strings.NewReplacer(`"auth": {`, environment, strings.TrimPrefix(f.RingCentralURL, "http://"), "{hostname}").Replace(string(b)))
		edgetest.Must(t, os.WriteFile(manifest, b, 0o600))
	})
	n.Freeze()
	return n
}

// ServeHTTP notes a request, and accepts the host's key.
func (n *tenants) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	plain, _ := base64.StdEncoding.DecodeString(key)
	key = strings.TrimSuffix(string(plain), ":")
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen[r.Host] = append(n.seen[r.Host], key+" "+r.URL.String()+" "+string(body))
	if want := n.keys[r.Host]; want != "" && want != key {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = io.WriteString(w, `{"id":1,"name":"Ada Lovelace"}`)
}

// sent returns everything that a host was sent, and forgets it.
func (n *tenants) sent(host string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := strings.Join(n.seen[host], "\n")
	delete(n.seen, host)
	return all
}

// login signs in at a host. An empty key is not sent.
func (n *tenants) login(host, key, rc string) answer {
	n.t.Helper()
	if key != "" {
		key = `"additionalInfo":{"apiKey":"` + key + `"},`
	}
	return n.postJSON("/apiKeyLogin", `{"platform":"practicekey",`+key+`"hostname":"https://`+host+`/app"`+rc+`}`)
}

// wantLogin signs in at a host and checks which key the host was sent.
func (n *tenants) wantLogin(t *testing.T, host, key, rc, want string) string {
	t.Helper()
	n.sent(host)
	token := n.token(n.login(host, key, rc))
	if got := n.sent(host); got != want+" /api/me " {
		t.Errorf("%s was sent %q, want the key %s", host, got, want)
	}
	return token
}

// wantAsked checks that a sign-in at a host without a key is asked for it, and that the host is sent nothing.
func (n *tenants) wantAsked(t *testing.T, host, rc string) {
	t.Helper()
	n.sent(host)
	n.login(host, "", rc).want(t, 400, missingBody(`"apiKey"`))
	if got := n.sent(host); got != "" {
		t.Errorf("%s was sent %q", host, got)
	}
}

// wantState checks what a form asks for. An empty host is not sent, as by today's clients.
func (n *tenants) wantState(t *testing.T, host, token, want string) {
	t.Helper()
	if host != "" {
		host = "&hostname=" + host
	}
	n.get("/apiKeyManagedAuthState?platform=practicekey"+host+"&rcAccessToken="+token).want(t, 200, want)
}

// unplaced stores values of the organisation, and of the member's extension, as versions did before values had a host.
func (n *tenants) unplaced(t *testing.T, key string) {
	t.Helper()
	of := storage.FieldsKey{Platform: "practicekey", Account: "1"}
	edgetest.Must(t, n.Edge.DB().ChangeFields(t.Context(), storage.FieldsChange{Key: of, Set: storage.FieldValues{"apiKey": crmgate.NewSecret(key)}}))
}

var (
	allGiven = stateBody(true, true, `[]`, `[]`, false)
	keyAsked = stateBody(true, false, `["apiKey"]`, `["apiKey"]`, false)
	keyShown = stateBody(true, false, `null`, `["apiKey"]`, true)
)

// TestKeyGoesToNoOtherHost: a member has the organisation's key sent to a server of their own.
func TestKeyGoesToNoOtherHost(t *testing.T) {
	t.Parallel()
	n := withTenants(t)
	n.wantLogin(t, goodHost, "k-1", rcAdmin, "k-1")
	t.Run("7.38 the key at the admin's host", func(t *testing.T) {
		n.wantLogin(t, goodHost, "", rcUser, "k-1")
		n.wantLogin(t, goodHost, "k-9", rcUser, "k-1")
	})
	t.Run("7.38 no key at the member's host", func(t *testing.T) {
		n.wantAsked(t, evilHost, rcUser)
		n.wantLogin(t, evilHost, "mine", rcUser, "mine")
		n.wantAsked(t, evilHost, rcUser)
		n.wantAsked(t, evilHost, rcAdmin)
		n.login("evil.crm.example", "", rcUser).wantError(t, 400, "is not an address of")
	})
	t.Run("7.38 a client whose form does not show the key", func(t *testing.T) {
		n.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"apiKey","hostname":"`+evilHost+`"`+rcUser+`}`).want(t, 400, missingBody(`"apiKey"`))
		n.wantLogin(t, goodHost, "apiKey", rcUser, "k-1")
	})
	t.Run("7.38 the connect page", func(t *testing.T) {
		v := n.visitor()
		session := v.wait("practicekey", "X-RC-Access-Token", practicecrm.RCUserToken).ID
		connect := func(host, key string) answer {
			form := url.Values{"session": {session}, "hostname": {host}}
			if key != "" {
				form.Set("fields[apiKey]", key)
			}
			return v.send("/connect/practicekey", form)
		}
		n.sent(evilHost)
		connect(evilHost, "").wantPage(t, 400, "Connect Practice CRM", "has no saved credentials for this address", `name="fields[apiKey]"`)
		connect(evilHost, "").wantPage(t, 400, "Connect Practice CRM", `name="fields[apiKey]"`)
		if got := n.sent(evilHost); got != "" {
			t.Errorf("the member's server was sent %q", got)
		}
		connect(goodHost, "").wantPage(t, 200, "You are connected")
		session = v.wait("practicekey", "X-RC-Access-Token", practicecrm.RCUserToken).ID
		connect(evilHost, "mine").wantPage(t, 200, "You are connected")
		if got := n.sent(evilHost); got != "mine /api/me " {
			t.Errorf("the member's server was sent %q", got)
		}
	})
}

func TestFieldsOfTwoHosts(t *testing.T) {
	t.Parallel()
	n := withTenants(t)
	good := n.wantLogin(t, goodHost, "k-1", rcAdmin, "k-1")
	n.wantAsked(t, otherHost, rcAdmin)
	other := n.wantLogin(t, otherHost, "k-2", rcAdmin, "k-2")
	update := func(session, members string) {
		t.Helper()
		n.postJSON("/admin/managedAuth", `{`+members+rcAdmin+`}`, bearer(session)...).want(t, 200, fieldsUpdated)
	}
	has := func(session string, want bool) {
		t.Helper()
		a := n.get("/admin/managedAuth?rcAccessToken="+practicecrm.RCAdminToken, bearer(session)...)
		if got := strings.Contains(a.body, `"hasValue":true`); a.status != 200 || got != want {
			t.Errorf("has a value: %v, want %v: %d %s", got, want, a.status, a.body)
		}
	}
	t.Run("7.38 each host has its values", func(t *testing.T) {
		n.wantLogin(t, goodHost, "", rcUser, "k-1")
		n.wantLogin(t, otherHost, "", rcUser, "k-2")
		n.wantState(t, goodHost, practicecrm.RCUserToken, allGiven)
		n.wantState(t, evilHost, practicecrm.RCUserToken, keyAsked)
	})
	t.Run("7.38 several hosts, and none named", func(t *testing.T) {
		n.wantState(t, "", practicecrm.RCUserToken, keyAsked)
		n.wantState(t, "undefined", practicecrm.RCUserToken, keyAsked)
		n.get("/apiKeyManagedAuthState?platform=practicekey&hostname=evil.example&rcAccessToken="+practicecrm.RCUserToken).wantError(t, 400, "evil.example")
	})
	t.Run("7.38 an admin changes the values of the session's host", func(t *testing.T) {
		update(other, `"fieldsToRemove":["apiKey"]`)
		has(other, false)
		has(good, true)
		n.wantAsked(t, otherHost, rcUser)
		n.wantLogin(t, goodHost, "", rcUser, "k-1")
		update(other, `"values":{"apiKey":"k-2"}`)
		n.wantLogin(t, otherHost, "", rcUser, "k-2")
		update(good, `"fieldsToRemove":["apiKey"]`)
		n.wantAsked(t, goodHost, rcUser)
	})
	t.Run("7.38 another organisation", func(t *testing.T) { n.wantAsked(t, otherHost, rcElsewhere) })
}

// TestFieldsOfAnUnnamedHost: clients that ask without a host are answered for the only one, and corrected if that was wrong.
func TestFieldsOfAnUnnamedHost(t *testing.T) {
	t.Parallel()
	n := withTenants(t)
	n.wantState(t, "", practicecrm.RCUserToken, keyAsked)
	n.wantLogin(t, goodHost, "k-1", rcAdmin, "k-1")
	t.Run("7.38 the only host", func(t *testing.T) {
		n.wantState(t, "", practicecrm.RCUserToken, allGiven)
		n.wantState(t, "", practicecrm.RCOtherToken, keyAsked)
	})
	t.Run("7.38 a sign-in at another host", func(t *testing.T) {
		n.wantAsked(t, evilHost, rcUser)
		n.wantState(t, "", practicecrm.RCUserToken, keyShown)
		n.wantState(t, goodHost, practicecrm.RCUserToken, allGiven)
		n.wantState(t, "", practicecrm.RCAdminToken, allGiven)
		n.Pass(9 * time.Minute)
		n.wantState(t, "", practicecrm.RCUserToken, keyShown)
		n.Pass(2 * time.Minute)
		n.wantState(t, "", practicecrm.RCUserToken, allGiven)
	})
	t.Run("7.38 the next sign-in succeeds", func(t *testing.T) {
		n.wantAsked(t, evilHost, rcUser)
		n.wantLogin(t, goodHost, "", rcUser, "k-1")
		n.wantState(t, "", practicecrm.RCUserToken, allGiven)
	})
	t.Run("3.2.5b a refusal belongs to its host", func(t *testing.T) {
		n.login(otherHost, "wrong", rcUser).want(t, 400, wrongKey)
		n.wantState(t, otherHost, practicecrm.RCUserToken, keyShown)
		n.wantState(t, "", practicecrm.RCUserToken, keyShown)
		n.wantState(t, goodHost, practicecrm.RCUserToken, allGiven)
		n.wantLogin(t, goodHost, "k-9", rcUser, "k-1")
	})
	t.Run("3.2.4c a refusal of the stored values", func(t *testing.T) {
		n.mu.Lock()
		n.keys[goodHost] = "k-3"
		n.mu.Unlock()
		n.login(goodHost, "", rcUser).want(t, 400, wrongKey)
		n.Pass(11 * time.Minute)
		n.wantState(t, "", practicecrm.RCUserToken, keyShown)
		n.wantLogin(t, goodHost, "k-3", rcUser, "k-3")
		n.wantState(t, "", practicecrm.RCUserToken, allGiven)
	})
}

// TestFieldsWithoutAHost: values of a version before values had a host.
func TestFieldsWithoutAHost(t *testing.T) {
	t.Parallel()
	n := withTenants(t)
	n.unplaced(t, "k-1")
	t.Run("7.38 a member gets no value without a host", func(t *testing.T) {
		n.wantAsked(t, goodHost, rcUser)
		n.postJSON("/apiKeyLogin", `{"platform":"practicekey"`+rcUser+`}`).want(t, 400, missingBody(`"apiKey"`))
		n.wantState(t, goodHost, practicecrm.RCUserToken, keyAsked)
		n.Pass(11 * time.Minute)
		n.wantState(t, "", practicecrm.RCUserToken, keyAsked)
		n.wantState(t, "", practicecrm.RCAdminToken, allGiven)
		n.wantState(t, otherHost, practicecrm.RCAdminToken, allGiven)
	})
	t.Run("7.38 a refused sign-in of an admin moves nothing", func(t *testing.T) {
		n.login(otherHost, "", rcAdmin).want(t, 400, wrongKey)
		n.wantAsked(t, otherHost, rcUser)
	})
	t.Run("7.38 an admin's sign-in that did not use them moves nothing", func(t *testing.T) {
		n.wantLogin(t, otherHost, "k-2", rcAdmin, "k-2") // after the refusal, the submitted key goes first
		n.wantAsked(t, goodHost, rcUser)
	})
	t.Run("7.38 an admin's sign-in moves them", func(t *testing.T) {
		n.wantLogin(t, goodHost, "k-9", rcAdmin, "k-1")
		n.wantLogin(t, goodHost, "", rcUser, "k-1")
		n.wantLogin(t, otherHost, "", rcUser, "k-2")
		n.wantAsked(t, evilHost, rcAdmin)
	})
	t.Run("7.38 an admin's session moves them", func(t *testing.T) {
		n := withTenants(t)
		session := n.wantLogin(t, goodHost, "k-1", rcUser, "k-1")
		n.unplaced(t, "k-1")
		values := func() string {
			t.Helper()
			return n.get("/admin/managedAuth?rcAccessToken="+practicecrm.RCAdminToken, bearer(session)...).body
		}
		if got := values(); !strings.Contains(got, `"orgValues":{"apiKey":{"hasValue":true`) {
			t.Errorf("an admin is shown %s", got)
		}
		n.postJSON("/admin/managedAuth", `{"values":{}`+rcAdmin+`}`, bearer(session)...).want(t, 200, fieldsUpdated)
		n.wantAsked(t, goodHost, rcUser) // nothing was changed
		n.postJSON("/admin/managedAuth", `{"values":{"later":"x"}`+rcAdmin+`}`, bearer(session)...).want(t, 200, fieldsUpdated)
		n.wantLogin(t, goodHost, "", rcUser, "k-1")
		n.wantAsked(t, otherHost, rcAdmin)
		n.unplaced(t, "k-7")
		n.postJSON("/admin/managedAuth", `{"fieldsToRemove":["apiKey"]`+rcAdmin+`}`, bearer(session)...).want(t, 200, fieldsUpdated)
		if got := values(); strings.Contains(got, `"hasValue":true`) {
			t.Errorf("after the removal, an admin is shown %s", got)
		}
	})
}

// TestFieldOptionsOfHosts: the connector gets the values of one host only.
func TestFieldOptionsOfHosts(t *testing.T) {
	t.Parallel()
	w := &wired{gate: newGate(t, func(f *edgetest.Options) {
		addPlatforms(f, []string{"team"})
		teamAtHosts(f)
	})}
	w.Freeze()
	store := func(host, key string) {
		t.Helper()
		w.token(w.postJSON("/apiKeyLogin", `{"platform":"team","hostname":"`+host+`","additionalInfo":{"apiKey":"`+key+`","companyId":"7","region":"eu"}`+rcAdmin+`}`))
	}
	got := func(hostname, want string) {
		t.Helper()
		a := w.postJSON("/admin/managedAuth/options?platform=team"+hostname, `{"fieldConst":"companyId"`+rcAdmin+`}`)
		if in := w.got("team", "getManagedAuthOptions"); a.status != 200 || in != `{"fieldConst":"companyId","accountValues":`+want+`}` {
			t.Errorf("%d, the connector got %s, want %s", a.status, in, want)
		}
	}
	store("eu.team.example", "k-1")
	t.Run("7.38 options with the only host", func(t *testing.T) {
		got("", `{"apiKey":"k-1"}`)
		got("&hostname=eu.team.example", `{"apiKey":"k-1"}`)
		got("&hostname=us.team.example", `{}`)
	})
	store("us.team.example", "k-2")
	t.Run("7.38 options with several hosts", func(t *testing.T) {
		got("", `{}`)
		got("&hostname=https://us.team.example/x", `{"apiKey":"k-2"}`)
		w.postJSON("/admin/managedAuth/options?platform=team&hostname=de.team.example", `{"fieldConst":"companyId"`+rcAdmin+`}`).wantError(t, 400, "de.team.example")
	})
}
