package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
)

func TestWirePublicRoutes(t *testing.T) {
	t.Parallel()
	const notes = `{"1.10.0": {"wireall": [{"type": "New", "description": "R&D"}], "global": ["g"]}, "1.9.0": {}, "2.0.0": {"b": [], "a": []}}`
	// It has a version, an author and no platforms, in a format that no encoder writes.
	const manifest = `{ "serverUrl": "{publicUrl}/x",  "author": {"name": "Somebody"}, "version": "1.2.3", "platforms": {} }`
	all := guest{"createCallLog": "", "refreshUserInfo": "", "getLicenseStatus": "", "unAuthorize": "", "getManagedAuthOptions": "", "own": ""}
	w := newWired(t, map[string]guest{"wireall": all, "wirebare": {}, "wirekey": {"getBasicAuth": `{"basic":"x"}`}}, withSalt, func(f *edgetest.Options) {
		f.PublicURL = "https://connect.example.com"
		for name, content := range map[string]string{
			"manifest.json": manifest, "releaseNotes.json": notes, "mute.json": `{"platforms":{"mute":{"auth":{"type":"apiKey"}}}}`,
		} {
			edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, name), []byte(content), 0o600))
		}
	})
	bare := newGate(t, withSalt) // no manifest.json, no releaseNotes.json
	const published = `{ "serverUrl": "https://connect.example.com/x",  "author": {"name": "Somebody"}, "version": "1.2.3", "platforms": {} }`
	interfaces := func(first string, implemented ...string) string {
		body := `{"getAuthType":true,"` + first + `":true`
		for _, name := range []string{
			"getUserInfo", "createCallLog", "updateCallLog", "getCallLog", "createMessageLog", "updateMessageLog", "createContact", "findContact",
			"listAppointments", "createAppointment", "updateAppointment", "refreshAppointment", "confirmAppointment", "cancelAppointment", "unAuthorize",
			"upsertCallDisposition", "findContactWithName", "getUserList", "getManagedAuthOptions", "getLicenseStatus", "getLogFormatType",
			"refreshUserInfo", "cacheCallNote",
		} {
			body += `,"` + name + `":`
			if strings.Contains(","+strings.Join(implemented, ",")+",", ","+name+",") {
				body += "true"
			} else {
				body += "false"
			}
		}
		return body + "}"
	}
	for _, c := range []struct {
		name string
		gate *gate
		path string
		want answer
	}{
		{"isAlive: OK", bare, "/isAlive", answer{200, nil, "OK"}},
		{"serverVersionInfo: known", w.gate, "/serverVersionInfo", answer{200, nil, `{"version":"1.2.3"}`}},
		{"7.25 no manifest.json", bare, "/serverVersionInfo", answer{200, nil, `{"version":"unknown"}`}},
		{"releaseNotes: some", w.gate, "/releaseNotes", answer{200, nil, `{"1.10.0":{"global":["g"],"wireall":[{"type":"New","description":"R&D"}]},"1.9.0":{"global":[]},"2.0.0":{"global":[],"b":[],"a":[]}}`}},
		{"releaseNotes: none", bare, "/releaseNotes", answer{200, nil, `{}`}},
		{"7.26 no name", w.gate, "/crmManifest", answer{200, nil, published}},
		{"crmManifest: empty name", w.gate, "/crmManifest?platformName=", answer{200, nil, published}},
		{"crmManifest: default", w.gate, "/crmManifest?platformName=default", answer{200, nil, published}},
		{"crmManifest: unknown", w.gate, "/crmManifest?platformName=nowhere", answer{400, nil, "Platform not found"}},
		{"crmManifest: not the file's name", w.gate, "/crmManifest?platformName=manifest", answer{400, nil, "Platform not found"}},
		{"crmManifest: release notes", w.gate, "/crmManifest?platformName=releaseNotes", answer{400, nil, "Platform not found"}},
		{"crmManifest: another case", w.gate, "/crmManifest?platformName=WireAll", answer{400, nil, "Platform not found"}},
		{"crmManifest: no author", w.gate, "/crmManifest?platformName=mute", answer{400, nil, "Platform not found"}},
		{"crmManifest: no manifest.json", bare, "/crmManifest", answer{400, nil, "Platform not found"}},
		{"implementedInterfaces: oauth", w.gate, "/implementedInterfaces?platform=wireall", answer{200, nil, interfaces("getOauthInfo",
			"getUserInfo", "createCallLog", "unAuthorize", "getManagedAuthOptions", "getLicenseStatus", "refreshUserInfo")}},
		{"implementedInterfaces: oauth, the least", w.gate, "/implementedInterfaces?platform=wirebare", answer{200, nil, interfaces("getOauthInfo", "getUserInfo")}},
		{"implementedInterfaces: apiKey", w.gate, "/implementedInterfaces?platform=wirekey", answer{200, nil, interfaces("getBasicAuth", "getUserInfo")}},
		{"implementedInterfaces: no platform", w.gate, "/implementedInterfaces", answer{400, nil, "Please provide platform."}},
		{"implementedInterfaces: empty platform", w.gate, "/implementedInterfaces?platform=", answer{400, nil, "Please provide platform."}},
		{"7.27 unknown platform", w.gate, "/implementedInterfaces?platform=proxy", answer{400, nil, `{"error":"Connector not found for platform: proxy"}`}},
		{"implementedInterfaces: a manifest without a module", w.gate, "/implementedInterfaces?platform=mute", answer{400, nil, `{"error":"Connector not found for platform: mute"}`}},
		// Reference values: printf '%s' '1,2:salt' | sha256sum, and so on.
		{"userInfoHash: repeated and missing", w.gate, "/userInfoHash?extensionId=1&extensionId=2", answer{200, nil, `{"extensionId":"` + sha("1,2:salt") + `","accountId":"` + sha("undefined:salt") + `"}`}},
		{"userInfoHash: repeated and equal", w.gate, "/userInfoHash?extensionId=1&extensionId=1&accountId=7", answer{200, nil, `{"extensionId":"` + sha("1,1:salt") + `","accountId":"` + sha("7:salt") + `"}`}},
		{"userInfoHash: empty and encoded", w.gate, "/userInfoHash?extensionId=&accountId=%C3%A4+b", answer{200, nil, `{"extensionId":"` + sha(":salt") + `","accountId":"` + sha("ä b:salt") + `"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := c.gate.get(c.path)
			a.want(t, c.want.status, c.want.body)
			kind := "application/json; charset=utf-8"
			switch {
			case c.path == "/isAlive":
				kind = "text/plain; charset=utf-8"
			case !strings.HasPrefix(c.want.body, "{"):
				kind = "text/html; charset=utf-8"
			}
			a.wantHeader(t, "Content-Type", kind)
		})
	}
	t.Run("crmManifest: a platform's own, less crmgate", func(t *testing.T) {
		a := w.get("/crmManifest?platformName=wireall")
		if a.status != 200 || strings.Contains(a.body, `"crmgate"`) || !strings.Contains(a.body, `"redirectUri":"`+wireRedirect+`"`) || !strings.Contains(a.body, `"author":{"name":"Somebody"}`) {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("releaseNotes: a malformed file", func(t *testing.T) {
		bad := bare.Options.Config
		bad.Listen, bad.Data = "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
		bad.Connectors = edgetest.Folder(t, "127.0.0.1:1", map[string]string{"releaseNotes.json": `{"1.0.0": {"wireall": "new"}}`})
		startFails(t, bad, `releaseNotes.json: 1.0.0.wireall: expected a list, got "new"`)
	})
}
