package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/project"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// newProject makes a new connector called acme, and returns its folder.
func newProject(t *testing.T, lang string, flags ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "acme")
	runs(t, append([]string{"connector", "new", "acme", "--lang", lang, "--dir", dir}, flags...)...)
	return dir
}

// edit replaces a text in a file.
func edit(t *testing.T, file, before, after string) {
	t.Helper()
	b, err := os.ReadFile(file)
	edgetest.Must(t, err)
	if !bytes.Contains(b, []byte(before)) {
		t.Fatalf("%s does not contain %q", file, before)
	}
	edgetest.Must(t, os.WriteFile(file, bytes.ReplaceAll(b, []byte(before), []byte(after)), 0o600))
}

// A new connector is built, and passes the check without a warning, in every language. All have the same vectors.
func TestConnectorLanguages(t *testing.T) {
	for _, lang := range project.Languages() {
		for _, auth := range []string{"oauth", "apiKey"} {
			t.Run(lang+"/"+auth, func(t *testing.T) {
				needsTools(t, lang)
				buildsAndPasses(t, newProject(t, lang, "--auth", auth))
			})
		}
	}
}

// A new connector without code passes the check, and signs people in while its author changes it.
func TestConnectorWithoutCode(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"oauth", "apiKey"} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "acme")
			runs(t, "connector", "new", "acme", "--data", "--auth", auth, "--dir", dir)
			buildsAndPasses(t, dir)
			if auth == "apiKey" {
				return
			}
			p := start(t, dir, "connector", "dev", "--listen", "127.0.0.1:0", "--practice", "127.0.0.1:0")
			p.until(`(loaded and checked in .*, 0 failed)\n\n`)
			base := p.until(`Open (http://127.0.0.1:\d+)/connect/acme and sign in\.`)
			p.until(`(Ctrl-C)`)
			signsIn(t, base, "acme")
			edit(t, filepath.Join(dir, "acme.json"), `"{body.name}"`, `"{body.nick}"`)
			p.until(`(failed +acme +recorded: getUserInfo, Ada signs in)`)
			p.stops()

			edit(t, filepath.Join(dir, "acme.json"), `"{body.nick}"`, `"{body.name}"`)
			p = start(t, dir, "connector", "record", "--listen", "127.0.0.1:0", "--practice", "127.0.0.1:0", "--then", "authValidation,refresh")
			base = p.until(`Open (http://127.0.0.1:\d+)/connect/acme and sign in\.`)
			p.until(`(The practice CRM runs at )`)
			signsIn(t, base, "acme")
			p.until(`(Wrote acme.recorded.vectors.json: getOauthInfo, getUserInfo, authValidation)\.\nIt has data of a person\.`)
			edgetest.Must(t, p.Wait())
			edgetest.Must(t, os.Rename(filepath.Join(dir, "acme.recorded.vectors.json"), filepath.Join(dir, "acme.vectors.json")))
			if out := runs(t, "connector", "check", filepath.Join(dir, "acme.json"), "--cache", edgetest.Cache()); !strings.Contains(out, " 0 failed, ") {
				t.Errorf("with what was recorded, the check says\n%s", out)
			}
		})
	}
}

func buildsAndPasses(t *testing.T, dir string) {
	t.Helper()
	p, err := project.Open(dir)
	edgetest.Must(t, err)
	if output, err := p.Build(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	out := runs(t, "connector", "check", p.File(), "--cache", edgetest.Cache())
	if !regexp.MustCompile(`(?m)^ok +acme +recorded: getUserInfo, Ada signs in: .*\n(.*\n)*\d+ cases: \d+ ok, 0 failed, 0 warnings, 0 skipped$`).MatchString(out) {
		t.Errorf("the check says\n%s", out)
	}
}

// An operation is called at a CRM over HTTP. What is printed says what it did, without secrets.
func TestConnectorCall(t *testing.T) {
	t.Parallel()
	practice := practicecrm.New(practicecrm.Config{})
	crm := httptest.NewServer(practice)
	t.Cleanup(crm.Close)
	dir := newProject(t, "js")
	edit(t, filepath.Join(dir, "acme.json"), edgetest.PracticeAddr, strings.TrimPrefix(crm.URL, "http://"))
	edit(t, filepath.Join(dir, "acme.js"), "const response =", "console.log(`as ${authHeader} with ${process.env.ACME_CLIENT_SECRET}`);\n  const response =")
	credential := base64.StdEncoding.EncodeToString([]byte(practicecrm.APIKey + ":"))
	input, short := filepath.Join(dir, "input.json"), filepath.Join(dir, "short.json")
	edgetest.Must(t, os.WriteFile(input, []byte(`{"authHeader": "Basic `+credential+`", "hostname": "", "platform": "acme"}`), 0o600))
	call := func(want int, operation string, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		args = append([]string{"connector", "call", filepath.Join(dir, "acme.js"), operation, "--set", "ACME_URL=" + crm.URL, "--cache", edgetest.Cache()}, args...)
		if status := run(args, &out, &errs); status != want {
			t.Errorf("%q: status %d, want %d: %s%s", args, status, want, &out, &errs)
		}
		if all := out.String() + errs.String(); strings.Contains(all, practicecrm.APIKey) || strings.Contains(all, credential) {
			t.Errorf("%q shows a secret: %s", args, all)
		}
		return out.String() + errs.String()
	}
	edgetest.Must(t, os.WriteFile(short, []byte(`{"authHeader": "Bearer t", "hostname": "", "platform": "acme"}`), 0o600))
	if out := call(0, "getUserInfo", "--input", short, "--set", "ACME_CLIENT_SECRET="+practicecrm.APIKey); !strings.Contains(out, "as Bearer t with {{secret:ACME_CLIENT_SECRET}}") {
		t.Errorf("a secret beside a short token: %s", out)
	}
	out := call(0, "getUserInfo", "--input", input)
	for _, want := range []string{"fetch    GET " + crm.URL + "/api/me\n  200    {", "log      INFO   as Basic ", `"id": "2-acme"`, `"name": "Grace Hopper"`, "\nresult   0\n", "\ntook     "} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in:\n%s", want, out)
		}
	}
	var got struct {
		Answer  struct{ PlatformUserInfo struct{ ID string } }
		Fetches []struct {
			Request struct{ URL string }
			Answer  struct{ Status int }
		}
		TookMs, Memory float64
	}
	edgetest.Must(t, json.Unmarshal([]byte(call(0, "getUserInfo", "--input", input, "--json")), &got))
	if got.Answer.PlatformUserInfo.ID != "2-acme" || len(got.Fetches) != 1 || got.Fetches[0].Answer.Status != 200 || got.TookMs <= 0 || got.Memory <= 0 {
		t.Errorf("--json: %+v", got)
	}
	if out := call(0, "getUserInfo"); !strings.Contains(out, "  401    ") || !strings.Contains(out, `"successful": false`) {
		t.Errorf("without a credential: %s", out)
	}
	practice.SetMood(practicecrm.Mood{Me: "500"})
	if out := call(1, "getUserInfo", "--input", input); !strings.Contains(out, "the connector answered an error: ") || !strings.Contains(out, "\nresult   1\n") {
		t.Errorf("a CRM in trouble: %s", out)
	}
	if out := call(1, "getLicenseStatus"); !strings.Contains(out, `acme.js has no operation "getLicenseStatus": it has getAuthType, getOauthInfo, getUserInfo`) {
		t.Errorf("an operation that is not there: %s", out)
	}
}
