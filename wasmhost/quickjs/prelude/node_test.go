package prelude_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// npmFolder returns a folder with the packages of testdata/npm, installed once for all tests of the package. It ends with the
// process, by TestMain.
var npmFolder = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "prelude-npm")
	if err != nil {
		return "", err
	}
	installed = dir
	for _, name := range []string{"package.json", "package-lock.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", "npm", name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return dir, nil
})

var installed string

// needNPM returns the folder of npmFolder. Without npm the test is skipped, and fails under CI.
func needNPM(t testing.TB) string {
	t.Helper()
	_, err := exec.LookPath("npm")
	dir := ""
	if err == nil {
		dir, err = npmFolder()
	}
	switch {
	case err == nil:
	case os.Getenv("CI") != "" || !errors.Is(err, exec.ErrNotFound):
		t.Fatalf("install nodejs and npm to compare with Node: %v", err)
	default:
		t.Skip("install nodejs and npm to compare with Node")
	}
	return dir
}

// evaluate is JavaScript that evaluates functions, and lists what they return as JSON, or that they have thrown.
const evaluate = `async (functions) => {
  const results = [];
  for (const f of functions) {
    try {
      const value = await f();
      results.push(value === undefined ? 'undefined' : JSON.stringify(value));
    } catch (e) {
      results.push('throws ' + e.name);
    }
  }
  return results;
}`

func asFunctions(expressions []string) string {
	var b strings.Builder
	for _, e := range expressions {
		fmt.Fprintf(&b, "async () => (%s),\n", e)
	}
	return "[" + b.String() + "]"
}

// inNode evaluates expressions in Node.
func inNode(t *testing.T, setup string, expressions []string) []string {
	t.Helper()
	dir := needNPM(t)
	file, err := os.CreateTemp(dir, "*.cjs")
	if err != nil {
		t.Fatal(err)
	}
	// A timer keeps Node from ending while the last of them waits.
	const script = "%s\nconst alive = setInterval(() => {}, 1000);\n(%s)(%s).then((r) => { console.log(JSON.stringify(r)); clearInterval(alive); });"
	fmt.Fprintf(file, script, setup, evaluate, asFunctions(expressions))
	_ = file.Close()
	cmd := exec.CommandContext(t.Context(), "node", file.Name())
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, &stderr)
	}
	return readResults(t, out)
}

// inEngine evaluates expressions in a connector.
func inEngine(t *testing.T, setup string, expressions []string) []string {
	t.Helper()
	s := newScript(t)
	err := s.load(fmt.Sprintf("%s\nconst evaluate = %s;\nexports.getUserInfo = async () => ({results: await evaluate(%s)});", setup, evaluate, asFunctions(expressions)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.run("getUserInfo", `{"authHeader":"Bearer x","hostname":""}`, `{}`, nil)
	if err != nil || got.Result != 0 || got.Stuck {
		t.Fatalf("got %+v, %v\n%s", got, err, &s.output)
	}
	var answer struct{ Results json.RawMessage }
	if err := json.Unmarshal([]byte(got.Output), &answer); err != nil {
		t.Fatal(err)
	}
	return readResults(t, answer.Results)
}

func readResults(t *testing.T, b []byte) (results []string) {
	t.Helper()
	if err := json.Unmarshal(b, &results); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return results
}

// compare checks that expressions have the same values in a connector as in Node.
func compare(t *testing.T, setup string, expressions []string) {
	t.Helper()
	got, want := inEngine(t, setup, expressions), inNode(t, setup, expressions)
	if len(got) != len(expressions) || len(want) != len(expressions) {
		t.Fatalf("got %d and %d results of %d expressions", len(got), len(want), len(expressions))
	}
	for i, e := range expressions {
		if got[i] != want[i] {
			t.Errorf("%s\n  got  %s\n  want %s", e, got[i], want[i])
		}
	}
}
