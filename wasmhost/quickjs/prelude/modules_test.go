package prelude_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/quickjs/prelude"
)

// An import finds what require finds.
func TestImportsExportEverything(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"axios", "buffer", "crypto", "querystring", "url", "util"} {
		s := newScript(t)
		err := s.load(fmt.Sprintf(`import * as imported from 'node:%s'; const required = require(%q);
export const getUserInfo = () => ({imported: Object.keys(imported).filter(n => imported[n] !== undefined), required: Object.keys(required), same: imported.default === required})`, name, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.run("getUserInfo", `{}`, `{}`, nil)
		if err != nil {
			t.Fatal(err)
		}
		var lists struct {
			Imported, Required []string
			Same               bool
		}
		if err := json.Unmarshal([]byte(got.Output), &lists); err != nil {
			t.Fatalf("%+v: %v", got, err)
		}
		if !slices.Contains(lists.Required, "default") {
			lists.Required = append(lists.Required, "default")
		}
		slices.Sort(lists.Imported)
		slices.Sort(lists.Required)
		if !slices.Equal(lists.Imported, lists.Required) || !lists.Same {
			t.Errorf("%s: import finds %q, require finds %q, the same: %v", name, lists.Imported, lists.Required, lists.Same)
		}
	}
}

func TestImportsNamesWhatTheTextMentions(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`import axios from "axios"; import {x} from 'node:crypto'`: "axios node:crypto",
		`import "moment"`:         "",
		`const axios = 'unused'`:  "",
		`import a from 'crypto';`: "crypto",
	} {
		var names []string
		for _, m := range prelude.Imports(source) {
			names = append(names, m.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: got %q, want %q", source, got, want)
		}
	}
}

// A connector in App Connect's style, bundled with moment by esbuild, runs.
func TestBundle(t *testing.T) {
	t.Parallel()
	dir := needNPM(t)
	const source = `const axios = require('axios');
const moment = require('moment');
function getAuthType() { return 'oauth'; }
async function getUserInfo({ authHeader }) {
  const { data } = await axios.get('https://acme.example/me', { headers: { Authorization: authHeader } });
  return { successful: true, platformUserInfo: { id: data.id, name: moment.utc(data.at).add(1, 'day').format('dddd, MMMM Do YYYY, HH:mm') } };
}
exports.getAuthType = getAuthType;
exports.getUserInfo = getUserInfo;
`
	for format, file := range map[string]string{"cjs": "bundled.js", "esm": "bundled.mjs"} {
		in := filepath.Join(dir, format+"-"+file)
		if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "node_modules", ".bin", "esbuild"), "--bundle", "--format="+format, "--platform=node", "--external:axios", "--log-level=warning", in)
		cmd.Dir = dir
		bundle, err := cmd.Output()
		if err != nil {
			t.Fatalf("esbuild: %v", err)
		}
		s := newScript(t)
		if err := s.load(string(bundle)); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		got, err := s.run("getUserInfo", `{"authHeader":"Bearer x"}`, `{}`, func(request) any {
			return `{"status":200,"headers":{},"body":"{\"id\":\"1\",\"at\":\"2026-02-28T10:00:00Z\"}"}`
		})
		if want := `{"successful":true,"platformUserInfo":{"id":"1","name":"Sunday, March 1st 2026, 10:00"}}`; err != nil || got.Output != want {
			t.Errorf("%s: got %+v, %v, want %s\n%s", format, got, err, want, &s.output)
		}
	}
}
