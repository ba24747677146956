package main

import (
	"bytes"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// program is the program while it runs, as an author starts it.
type program struct {
	*exec.Cmd
	t    *testing.T
	work string // its folder for temporary files
	mu   sync.Mutex
	said bytes.Buffer // guarded by mu; what it has printed and no test has read
}

// start starts the program in a folder. It is ended with the test.
func start(t *testing.T, dir string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.CommandContext(t.Context(), edgetest.Program(), args...), t: t, work: t.TempDir()}
	p.Dir, p.Stdout, p.Stderr = dir, p, p
	p.Env = append(os.Environ(), "TMPDIR="+p.work, "CRMGATE_CACHE="+edgetest.Cache())
	edgetest.Must(t, p.Start())
	return p
}

// Write takes what the program prints.
func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

// until waits until the program has printed a text that a pattern finds, and returns what the group in the pattern found.
func (p *program) until(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		p.mu.Lock()
		all := p.said.String()
		if at := re.FindStringSubmatchIndex(all); at != nil {
			_, _ = io.CopyN(io.Discard, &p.said, int64(at[1])) // it is in memory
			p.mu.Unlock()
			return all[at[2]:at[3]]
		}
		p.mu.Unlock()
	}
	p.t.Fatalf("it does not print %s, but:\n%s", pattern, p.said.String())
	return ""
}

// stops interrupts the program. It ends without an error, and leaves no files.
func (p *program) stops() {
	p.t.Helper()
	edgetest.Must(p.t, p.Process.Signal(os.Interrupt))
	if err := p.Wait(); err != nil {
		p.t.Errorf("after an interrupt: %v\n%s", err, p.said.String())
	}
	if left, _ := filepath.Glob(filepath.Join(p.work, "*")); len(left) > 0 {
		p.t.Errorf("it leaves %q", left)
	}
}

// signsIn signs Ada in by OAuth, as a client does, and returns the session token.
func signsIn(t *testing.T, base, platform string) string {
	t.Helper()
	person := edgetest.Person{URL: base, Client: edgetest.NewClient(t)}
	var c edgetest.Composed
	edgetest.Must(t, person.Ask(t.Context(), "GET", "/authUrl?mode=bound&platform="+platform, "", &c))
	landed, err := practicecrm.Browse(t.Context(), person.Client, c.AuthURL, "ada")
	edgetest.Must(t, err)
	var in struct{ JWTToken, Name string }
	edgetest.Must(t, person.Ask(t.Context(), "GET", "/oauth-callback?callbackUri="+url.QueryEscape(landed), "", &in, "X-Crmgate-Login", c.LoginSecret))
	if in.Name != "Ada Lovelace" || in.JWTToken == "" {
		t.Fatalf("signed in as %q", in.Name)
	}
	return in.JWTToken
}

// An author follows the README of a new project: the connector runs, is edited, fails to build and is mended, while a person signs in.
func TestConnectorDev(t *testing.T) {
	t.Parallel()
	for lang, source := range map[string]struct{ file, name, wrong, says string }{
		"js": {"acme.js", "name: me.name", "name: me.name.", `failed +acme +script: .*SyntaxError`},
		"go": {"main.go", "func main() {}", "func main() { missing() }", `failed: build\.sh: exit status 1\n +# acme\n.*undefined: missing`},
	} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			dir := newProject(t, lang)
			p := start(t, dir, "connector", "dev", "--listen", "127.0.0.1:0", "--practice", "127.0.0.1:0")
			p.until(`(loaded and checked in .*, 0 failed)\n\n`)
			base := p.until(`Open (http://127.0.0.1:\d+)/connect/acme and sign in\.`)
			practice := p.until(`The practice CRM runs at (http://127.0.0.1:\d+):`)
			p.until(`(Ctrl-C)`)
			signsIn(t, base, "acme")
			if called := p.until(`(?s) getUserInfo\n(.*?)"1-acme"`); !strings.Contains(called, "fetch    GET "+practice+"/api/me\n  200    ") {
				t.Errorf("getUserInfo is shown as:\n%s", called)
			}
			edit(t, filepath.Join(dir, source.file), source.name, source.wrong)
			p.until("(" + source.says + ")")
			p.until("(Fix it and save)")
			signsIn(t, base, "acme") // with the connector of before
			edit(t, filepath.Join(dir, source.file), source.wrong, source.name)
			p.until(`(loaded and checked in .*, 0 failed)\n`)
			edit(t, filepath.Join(dir, "acme.json"), `"scope": ""`, `"scope": 1`)
			p.until(`(failed +acme +manifest: acme.json: platforms.acme.auth.oauth.scope: expected a string)`)
			p.stops()
		})
	}
}

// An author whose first attempt cannot be loaded is told where to sign in after the connector was loaded.
func TestConnectorDevMended(t *testing.T) {
	t.Parallel()
	dir := newProject(t, "js")
	edit(t, filepath.Join(dir, "acme.js"), "name: me.name", "name: me.name.")
	p := start(t, dir, "connector", "dev", "--listen", "127.0.0.1:0", "--practice", "127.0.0.1:0")
	if said := p.until(`(?s)^(.*)Fix it and save`); !strings.Contains(said, "not loaded, checked in") || strings.Contains(said, "Open http") {
		t.Errorf("before it is mended:\n%s", said)
	}
	edit(t, filepath.Join(dir, "acme.js"), "name: me.name.", "name: me.name")
	p.until(`(loaded and checked in .*, 0 failed)\n\n`)
	signsIn(t, p.until(`Open (http://127.0.0.1:\d+)/connect/acme and sign in\.`), "acme")
	p.stops()
}

// A new connector for API keys takes the key that is printed.
func TestConnectorDevAPIKey(t *testing.T) {
	t.Parallel()
	p := start(t, newProject(t, "js", "--auth", "apiKey"), "connector", "dev", "--listen", "127.0.0.1:0", "--practice", "127.0.0.1:0")
	person := edgetest.Person{URL: p.until(`Open (http://127.0.0.1:\d+)/connect/acme and sign in\.`), Client: edgetest.NewClient(t)}
	var in struct{ Name string }
	edgetest.Must(t, person.Ask(t.Context(), "POST", "/apiKeyLogin", `{"platform": "acme", "apiKey": "`+p.until(`with the API key (\S+)\.\n`)+`"}`, &in))
	if in.Name != "Grace Hopper" {
		t.Errorf("signed in as %q", in.Name)
	}
	p.stops()
}

// What an author has to know before anything runs.
func TestConnectorDevRefuses(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"there is no connector in":                                    {t.TempDir()},
		"no such file or directory: name the folder of the connector": {filepath.Join(t.TempDir(), "nowhere")},
		"--listen": {newProject(t, "js"), "--listen", "nonsense", "--practice", "127.0.0.1:0"},
		"--practice: listen tcp: address nonsense: missing port in address": {newProject(t, "js"), "--practice", "nonsense"},
	} {
		var out bytes.Buffer
		if status := run(append([]string{"connector", "dev"}, args...), &out, &out); status != 1 || !strings.Contains(out.String(), want) {
			t.Errorf("%q: status %d: %s", args, status, &out)
		}
	}
}

// more has two operations more than a new connector.
const more = `exports.authValidation = async ({ authHeader }) => {
  const { successful } = await exports.getUserInfo({ authHeader });
  return { successful };
};

exports.unAuthorize = async ({ authHeader }) => {
  const response = await fetch(base + '/oauth/revoke', {
    method: 'POST',
    headers: { Authorization: authHeader, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: authHeader.replace('Bearer ', '') }).toString(),
  });
  if (!response.ok) throw failure(response);
};

`

// An author signs in with an account at the CRM, and gets vectors that the connector passes. They have no secrets.
func TestConnectorRecord(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ crmgate, token string }{
		"secrets": {`"config"`, "recorded-accessToken"},
		"handles": {`"secrets": "handles", "sends": {"accessToken": {"in": ["header", "body"]}, "refreshToken": {"in": ["body"]}, "ACME_CLIENT_SECRET": {}}, "config"`, "{{accessToken:NONCE}}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newProject(t, "js")
			edit(t, filepath.Join(dir, "acme.json"), `"config"`, tt.crmgate)
			edit(t, filepath.Join(dir, "acme.js"), "exports.getAuthType", more+"exports.getAuthType")
			p := start(t, dir, "connector", "record", "--listen", "127.0.0.1:0", "--practice", "127.0.0.1:0", "--then", "authValidation,refresh,unAuthorize")
			base := p.until(`Open (http://127.0.0.1:\d+)/connect/acme and sign in\.`)
			p.until(`(The practice CRM runs at )`)
			signsIn(t, base, "acme")
			if said := p.until(`(?s)Wrote acme.recorded.vectors.json: getOauthInfo, getUserInfo, authValidation, unAuthorize\.\n(.*)It has data of a person\.`); said != "" {
				t.Errorf("it is not in order: %s", said)
			}
			if err := p.Wait(); err != nil {
				t.Error(err)
			}
			passesRecorded(t, dir, tt.token)
		})
	}
}

// An author who gives up gets no file.
func TestConnectorRecordStopped(t *testing.T) {
	t.Parallel()
	dir := newProject(t, "js")
	p := start(t, dir, "connector", "record", "--listen", "127.0.0.1:0", "--practice", "127.0.0.1:0")
	p.until(`(The practice CRM runs at )`)
	edgetest.Must(t, p.Process.Signal(os.Interrupt))
	if err := p.Wait(); err == nil || p.ProcessState.ExitCode() != 1 {
		t.Errorf("after an interrupt: %v", err)
	}
	p.until(`(stopped before a sign-in: nothing was recorded)`)
	left, _ := filepath.Glob(filepath.Join(p.work, "*"))
	written, _ := filepath.Glob(filepath.Join(dir, "*.recorded.vectors.json"))
	if left = append(left, written...); len(left) > 0 {
		t.Errorf("it leaves %q", left)
	}
}

// passesRecorded checks a connector with what was recorded, which has a text in place of the access token.
func passesRecorded(t *testing.T, dir, token string) {
	t.Helper()
	recorded := filepath.Join(dir, "acme.recorded.vectors.json")
	b, err := os.ReadFile(recorded)
	edgetest.Must(t, err)
	for _, want := range []string{`"ACME_URL": "http://127.0.0.1:8081"`, `"authHeader": "Bearer ` + token + `"`, `"url": "http://127.0.0.1:8081/api/me"`, `"body": "token=` + token + `"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("there is no %s in:\n%s", want, b)
		}
	}
	if info, err := os.Stat(recorded); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", recorded, info.Mode(), err)
	}
	edgetest.Must(t, os.Rename(recorded, filepath.Join(dir, "acme.vectors.json")))
	var out bytes.Buffer
	if status := run([]string{"connector", "check", filepath.Join(dir, "acme.js"), "--cache", edgetest.Cache()}, &out, &out); status != 0 || !strings.Contains(out.String(), "recorded: unAuthorize, recorded at ") {
		t.Errorf("the check has status %d: %s", status, &out)
	}
}
