package prelude_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// example returns the first block of code of a README in connectors-wasm.
func example(t *testing.T, folder, language string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "connectors-wasm", folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(b)
	if block == nil {
		t.Fatalf("the README of %s has no example", folder)
	}
	return string(block[1])
}

func checkExample(t *testing.T, source string) {
	t.Helper()
	s := newScript(t)
	if err := s.load(source); err != nil {
		t.Fatal(err)
	}
	got, err := s.run("getOauthInfo", `{"hostname":"acme.example"}`, `{"ACME_CLIENT_ID":"id"}`, nil)
	if want := `{"clientId":"id","accessTokenUri":"https://acme.example/oauth/token"}`; err != nil || got.Output != want {
		t.Errorf("getOauthInfo: got %+v, %v, want %s", got, err, want)
	}
	got, err = s.run("getUserInfo", `{"authHeader":"Bearer at-1","hostname":"acme.example"}`, `{}`, func(request) any {
		return `{"status":200,"headers":{},"body":"{\"id\":7,\"name\":\"Ada\"}"}`
	})
	if want := `{"successful":true,"platformUserInfo":{"id":"7-acme","name":"Ada"}}`; err != nil || got.Output != want {
		t.Errorf("getUserInfo: got %+v, %v, want %s", got, err, want)
	}
}

func TestExampleInJavaScript(t *testing.T) {
	t.Parallel()
	checkExample(t, example(t, "javascript", "js"))
}

// The example in TypeScript meets its types, and runs when it is bundled.
func TestExampleInTypeScript(t *testing.T) {
	t.Parallel()
	dir := needNPM(t)
	types := filepath.Join(dir, "node_modules", "@crmgate", "connector")
	if err := os.CopyFS(types, os.DirFS(filepath.Join("..", "..", "..", "connectors-wasm", "typescript"))); err != nil {
		t.Fatal(err)
	}
	run := func(source string, tool string, flags ...string) ([]byte, error) {
		file := filepath.Join(dir, "acme.ts")
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "node_modules", ".bin", tool), append(flags, file)...)
		cmd.Dir = dir
		return cmd.CombinedOutput()
	}
	check := []string{"--noEmit", "--strict", "--types", "node"}
	source := example(t, "typescript", "ts")
	if out, err := run(source, "tsc", check...); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
	if _, err := run(source+"\nexport const authValidation: import('@crmgate/connector').AuthValidation = () => ({});\n", "tsc", check...); err == nil {
		t.Error("tsc accepts an outcome without successful")
	}
	bundle, err := run(source, "esbuild", "--bundle", "--format=cjs", "--platform=node", "--external:axios", "--log-level=error")
	if err != nil {
		t.Fatalf("esbuild: %v\n%s", err, bundle)
	}
	checkExample(t, string(bundle))
}
