package e2e_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestNoSecretLeaves runs the flows from end to end. Then it searches for each secret in the log, the metrics, the store's
// files, and every answer except the one it belongs in.
func TestNoSecretLeaves(t *testing.T) {
	t.Parallel()
	g := newGate(t, withKey, managedKey, func(f *edgetest.Options) { f.Debug = true })
	var answers strings.Builder
	see := func(a answer) answer {
		answers.WriteString(a.body)
		for k, v := range a.header {
			answers.WriteString(k + strings.Join(v, ","))
		}
		return a
	}

	c := g.compose("bound")
	landed := g.land(c, "ada")
	see(g.callback(landed, "wrong"))
	signedIn := g.callback(landed, c.LoginSecret, "is-debug", "true")
	oauth := g.token(signedIn)
	key := g.apiKey()
	for _, token := range []string{oauth, key} {
		for _, path := range []string{"/authValidation", "/hostname", "/licenseStatus", "/implementedInterfaces?platform=practice"} {
			see(g.get(path, append(bearer(token), "is-debug", "true")...))
		}
		see(g.do("POST", "/user/refreshInfo", "", bearer(token)...))
	}
	see(g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"canary-wrong-key"}`, "is-debug", "true"))
	see(g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"x","rcAccessToken":"canary-rc-token"}`))

	for _, members := range []string{`"values":{"apiKey":"canary-managed-key"}`, `"scope":"user","rcExtensionId":"canary-extension","rcUserName":"Canary Name","values":{"other":"canary-own-value"}`} {
		see(g.postJSON("/admin/managedAuth", `{`+members+rcAdmin+`}`, append(bearer(key), "is-debug", "true")...)).want(t, 200, fieldsUpdated)
	}
	see(g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"canary-typed-key"`+rcAdmin+`}`, "is-debug", "true"))
	see(g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"canary-typed-key"`+rcAdmin+`}`, "is-debug", "true"))
	see(g.postJSON("/admin/managedAuth", `{"values":{"apiKey":["canary-typed-key"]}`+rcAdmin+`}`, bearer(key)...))
	see(g.postJSON("/admin/managedAuth/options?platform=practicekey", `{"fieldConst":"apiKey","accountValues":{"apiKey":"canary-typed-key"}`+rcAdmin+`}`, "is-debug", "true"))
	see(g.get("/apiKeyManagedAuthState?platform=practicekey&rcAccessToken="+practicecrm.RCAdminToken, "is-debug", "true"))
	if shown := see(g.get("/admin/managedAuth?rcAccessToken="+practicecrm.RCAdminToken, append(bearer(key), "is-debug", "true")...)); !strings.Contains(shown.body, "canary-extension") {
		t.Errorf("the values of an extension are not listed: %d %s", shown.status, shown.body)
	}
	see(g.callback(strings.Replace(landed, "code=", "code=canary-code", 1), c.LoginSecret))

	gone := crmgate.UserKey{Platform: "practice", ID: "3-practice"}
	g.oauth("alan")
	left, err := g.Edge.DB().Person(t.Context(), gone)
	edgetest.Must(t, err)
	g.CRM.SetMood(practicecrm.Mood{Revoke: "500"}) // so that the grant waits to be revoked
	g.forget("practice", "3-practice")
	person, err := g.Edge.DB().Person(t.Context(), crmgate.UserKey{Platform: "practice", ID: "1-practice"})
	edgetest.Must(t, err)
	secrets := map[string]string{
		"access token": person.Grant.AccessToken.Reveal(), "refresh token": person.Grant.RefreshToken.Reveal(),
		"forgotten access token": left.Grant.AccessToken.Reveal(), "forgotten refresh token": left.Grant.RefreshToken.Reveal(),
		"API key": practicecrm.APIKey, "client secret": practicecrm.ClientSecret, "session key": sessionKey,
		"session token": oauth, "other session token": key, "login secret": c.LoginSecret,
		"wrong API key": "canary-wrong-key", "wrong RingCentral token": "canary-rc-token", "wrong code": "canary-code",
		"managed API key": "canary-managed-key", "extension's managed value": "canary-own-value", "API key typed in its place": "canary-typed-key",
		"RingCentral token": practicecrm.RCAdminToken,
	}
	people, err := g.operator().People(t.Context())
	edgetest.Must(t, err)
	edgetest.Must(t, json.NewEncoder(&answers).Encode(people))
	recorded := 0
	edgetest.Must(t, g.directory().Audit(t.Context(), time.Time{}, "", "", func(e operator.AuditEntry) error {
		recorded++
		return json.NewEncoder(&answers).Encode(e)
	}))
	if recorded < 5 {
		t.Errorf("only %d entries in the audit log", recorded)
	}
	metrics := g.Metrics()
	if !strings.Contains(metrics, `crmgate_flows_total{flow="oauth",outcome="ok",platform="practice"} 2`) {
		t.Error("the sign-ins were not counted")
	}
	waiting, err := g.Edge.DB().Revocations(t.Context(), "practice", 1, nil)
	edgetest.Must(t, err)
	if waiting.Count != 1 {
		t.Errorf("%d grants wait for revocation, want 1: the test cannot check them", waiting.Count)
	}
	g.Stop()

	if answers.Len() == 0 || g.Log.String() == "" {
		t.Fatal("nothing to search")
	}
	places := map[string]string{"an answer": answers.String(), "the log": g.Log.String(), "the metrics": metrics}
	files := 0
	err = filepath.WalkDir(g.Options.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		places["the file "+filepath.Base(path)] = string(b)
		files++
		return err
	})
	edgetest.Must(t, err)
	if files < 3 {
		t.Fatalf("only %d files in the store", files)
	}
	personal := map[string]string{"extension": "canary-extension", "extension's name": "Canary Name", "name": "Ada Lovelace", "id": "1-practice", "former name": "Alan Turing", "former id": "3-practice"}
	for place, content := range places {
		for name, secret := range secrets {
			if secret == "" || strings.Contains(content, secret) {
				t.Errorf("the %s is in %s", name, place)
			}
		}
		for name, p := range personal {
			if strings.HasPrefix(place, "the file") && strings.Contains(content, p) {
				t.Errorf("a person's %s is in %s in clear", name, place)
			}
		}
	}
}
