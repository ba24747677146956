package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// guide is the README for authors of connectors.
func guide(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "connectors-wasm", "README.md"))
	edgetest.Must(t, err)
	return string(b)
}

// blocks returns the code in a language of a text.
func blocks(text, language string) (all []string) {
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// An author runs every command of the guide, in every language.
func TestGuide(t *testing.T) {
	t.Parallel()
	text := guide(t)
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(\\S+)` \\| `(\\S+)` \\|").FindAllStringSubmatch(text, -1) {
		lang, source, file := m[1], m[2], m[3]
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			needsTools(t, lang)
			a := author{t: t, dir: t.TempDir()}
			for _, block := range blocks(text, "sh") {
				lines := bufio.NewScanner(strings.NewReader(block))
				for lines.Scan() {
					line := strings.Replace(lines.Text(), "--lang js", "--lang "+lang, 1)
					named := file
					if strings.HasPrefix(line, "sed ") {
						named = source
					}
					a.does(regexp.MustCompile(`acme\.js\b`).ReplaceAllString(line, named))
				}
			}
			if a.dev != nil {
				a.dev.stops()
			}
		})
	}
}

// author follows the guide.
type author struct {
	t   *testing.T
	dir string // where the author is
	dev *program
}

// does runs a command.
func (a *author) does(line string) {
	a.t.Helper()
	switch {
	case strings.HasPrefix(line, "cd "):
		a.dir = filepath.Join(a.dir, strings.TrimPrefix(line, "cd "))
	case line == "crmgate connector dev":
		a.dev = start(a.t, a.dir, "connector", "dev", "--listen", "127.0.0.1:0", "--practice", "127.0.0.1:0")
		a.dev.until(`(loaded and checked in .*, 0 failed)\n\n`)
		base := a.dev.until(`Open (http://127.0.0.1:\d+)/connect/acme and sign in\.`)
		a.dev.until(`(Ctrl-C)`)
		signsIn(a.t, base, "acme")
	case strings.HasPrefix(line, "crmgate serve "):
		p := start(a.t, a.dir, append(strings.Fields(line)[1:], "--listen", "127.0.0.1:0", "--admin-listen=")...)
		p.until(`"msg":"ready".*"platforms":(1),`)
		p.stops()
	case strings.HasPrefix(line, "crmgate "):
		cmd := exec.CommandContext(a.t.Context(), edgetest.Program(), strings.Fields(line)[1:]...)
		cmd.Dir, cmd.Env = a.dir, append(os.Environ(), "CRMGATE_CACHE="+edgetest.Cache())
		if out, err := cmd.CombinedOutput(); err != nil {
			a.t.Fatalf("%s: %v\n%s", line, err, out)
		}
	default:
		cmd := exec.CommandContext(a.t.Context(), "sh", "-ec", line)
		cmd.Dir = a.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			a.t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	switch { // the server that runs while the author writes
	case strings.HasPrefix(line, "sed ") && strings.HasSuffix(line, ".vectors.json"):
		a.dev.until(`(loaded and checked in .*, 0 failed)\n`)
	case strings.HasPrefix(line, "sed "):
		a.dev.until(`(failed +acme +recorded: getUserInfo, a token that the CRM does not accept)`)
	}
}

// The connector of the guide that was App Connect's is in order.
func TestGuideFromAppConnect(t *testing.T) {
	t.Parallel()
	text := guide(t)
	dir := t.TempDir()
	scripts, manifests := blocks(text, "js"), blocks(text, "json")
	if len(scripts) != 2 || len(manifests) != 1 {
		t.Fatalf("the guide has %d scripts and %d manifests", len(scripts), len(manifests))
	}
	for name, content := range map[string]string{"acme.js": scripts[1], "acme.json": manifests[0]} {
		edgetest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	out := runs(t, "connector", "check", filepath.Join(dir, "acme.js"), "--cache", edgetest.Cache())
	if !strings.Contains(out, " 0 failed") {
		t.Errorf("the check says\n%s", out)
	}
}
