package wasmhost_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// typed is a connector in TypeScript. Its type Answer takes lines that JavaScript does not have.
const typed = `import axios from 'axios';
import type { GetUserInfo } from '@crmgate/connector';

interface Answer {
  id: number;
  name: string;
}

enum Kind { OAuth = 'oauth' }

export const getAuthType = (): string => Kind.OAuth;
export const getOauthInfo = () => ({ clientId: 'id' });

function fail(what: string): never {
  throw new RangeError(what);
}

export const getUserInfo: GetUserInfo = async ({ authHeader }: { authHeader: string }) => {
  const { data } = await axios.get<Answer>('https://crm.example/me', { headers: { Authorization: authHeader } });
  if (data.name === 'nobody') {
    fail('no name');
  }
  return { successful: true, platformUserInfo: { id: String(data.id), name: data.name } };
};
`

// A connector in TypeScript runs without a build, in both isolations. Lines of its log name lines of its file.
func TestTypeScript(t *testing.T) {
	t.Parallel()
	eachIsolation(t, func(t *testing.T, processes int) {
		var said wasmtest.LogBuffer
		name, cache := "Ada", t.TempDir()
		open := func() *wasmhost.Folder {
			return load(t, newHost(t, wasmhost.Config{
				Processes: processes, CacheDir: cache, Logger: slog.New(slog.NewTextHandler(&said, nil)),
				Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
					return answering(200, `{"id":42,"name":"`+name+`"}`), nil
				},
			}), map[string]string{"x.ts": typed, "x.d.ts": "export {};", "x.json": manifestOf("x", `"hosts": ["crm.example"]`)})
		}
		f := open()
		c := mustConnector(t, f, "x")
		if got, err := c.UserInfo(t.Context(), bearer("")); err != nil || got.ID != "42" || got.Name != "Ada" {
			t.Errorf("got %+v, %v", got, err)
		}
		if d := f.Describe(); len(d) != 1 || d[0].Language != "TypeScript" || d[0].Size != len(typed) {
			t.Errorf("it is described as %+v", d)
		}
		name = "nobody"
		_, err := c.UserInfo(t.Context(), bearer(""))
		wantError(t, err, "no name")
		// QuickJS names the place of a call's arguments.
		for _, want := range []string{"RangeError: no name", "at fail (x.ts:15:", "(x.ts:21:"} {
			if !strings.Contains(said.String(), want) {
				t.Errorf("the log has no %q:\n%s", want, said.String())
			}
		}
		_ = f.Close()
		found, err := filepath.Glob(filepath.Join(cache, "*", "script-*"))
		if err != nil || len(found) != 1 {
			t.Fatal("the cache has", found, err)
		}
		before, _ := os.Stat(found[0])
		_ = open().Close()
		if after, err := os.Stat(found[0]); err != nil || !after.ModTime().Equal(before.ModTime()) {
			t.Error("it was stripped again", err)
		}
	})
}

// What is wrong with a script in TypeScript is said with its file, line and column.
func TestWrongTypeScript(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ source, want string }{
		"syntax":   {"export const a: string = 'x';\nconst 7;\n", `SyntaxError: Expected identifier but found "7" at x.ts:2:7`},
		"throws":   {"interface A {\n  b: string;\n}\n\nexport const a: A = JSON.parse('null');\nconsole.log(a.b);", "TypeError: cannot read property 'b' of null at x.ts:6:"},
		"commonjs": {"type A = {\n  b: string;\n};\nexports.a = 1; (null as A).b;", "TypeError: cannot read property 'b' of null at x.ts:4:"},
		"module":   {"import { a } from './a';\nexport const getAuthType = a;", "could not load module 'a': bundle it into the connector's file"},
		"not text": {"export const a = '\xff';", "x.ts is not UTF-8 text"},
		"no type":  {"export const a: number = 1;", "none of the operations"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolation(t, func(t *testing.T, processes int) {
				h := newHost(t, wasmhost.Config{Processes: processes})
				f, err := h.Load(t.Context(), folder(t, map[string]string{"x.ts": c.source, "x.json": manifestOf("x", "")}), "http://127.0.0.1:8080")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if err := f.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		})
	}
}

// A recording of a script in TypeScript is replayed with the places of its file.
func TestRecordedTypeScript(t *testing.T) {
	t.Parallel()
	js, err := wasmhost.ReadCode(filepath.Join("testdata", "script", "fails"))
	if err != nil {
		t.Fatal(err)
	}
	code := wasmhost.Code{File: "fails.ts", Content: append([]byte("interface A {\n  b: string;\n}\n"), js.Content...)}
	r := recordFailures(t, code, 1)[0]
	replayTwice(t, code, r)
	where := "at parseName (fails.ts:18:43)"
	if text := r.Log[len(r.Log)-2].Text; !strings.Contains(text, where) {
		t.Errorf("recorded %q, want %s", r.Log, where)
	}
	out, err := wasmhost.Replay(t.Context(), r, code, wasmhost.ReplayConfig{CacheDir: shared.cache, Processes: 1})
	if err != nil || out.Log[len(out.Log)-2].Text != r.Log[len(r.Log)-2].Text {
		t.Errorf("the replay: %+v, %v", out, err)
	}
	code.Content = append(code.Content, "\ntype B = { b: string };\nfunction throwing(a: B) {\n  throw new RangeError(String(a!.b ?? a));\n}\nthrowing({ b: 'x' });\n"...)
	lines := strings.Count(string(code.Content), "\n")
	for _, processes := range []int{0, 1} {
		out, err := wasmhost.Replay(t.Context(), r, code, wasmhost.ReplayConfig{CacheDir: shared.cache, Processes: processes})
		if want := fmt.Sprintf("at throwing (fails.ts:%d:", lines-2); err != nil || len(out.Stack) < 2 || !strings.HasPrefix(out.Stack[0], want) || strings.Contains(strings.Join(out.Stack, ""), ".wasm") {
			t.Errorf("the replay of a script that throws when it is loaded: %+v, %v, want %s", out, err, want)
		}
	}
}
