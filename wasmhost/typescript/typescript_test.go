package typescript_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/typescript"
)

const example = `import axios from 'axios';
import type { GetAuthType } from '@crmgate/connector';

interface Me {
  id: number;
}

enum Kind { OAuth = 'oauth' }

export const getAuthType: GetAuthType = () => Kind.OAuth;

function fail<T>(what: T): never { throw new Error(String(what)); }

export async function getUserInfo({ authHeader }: { authHeader: string }): Promise<unknown> {
  const me = (await axios.get<Me>('https://crm.example/me', { headers: { Authorization: authHeader } })).data as Me;
  fail('€'); return me!.id satisfies number;
}
`

func TestStrip(t *testing.T) {
	t.Parallel()
	s, err := typescript.Strip("acme.ts", example)
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"interface", "GetAuthType", "@crmgate", "Promise", "never", "satisfies", "enum"} {
		if strings.Contains(s.Source, gone) {
			t.Errorf("%q is left in\n%s", gone, s.Source)
		}
	}
	for _, kept := range []string{"//\n", `import axios from "axios"`, `"€"`, "OAuth"} {
		if !strings.Contains(s.Source, kept) {
			t.Errorf("%q is missing in\n%s", kept, s.Source)
		}
	}
	places := typescript.NewPlaces("acme.ts", s.Mappings)
	lines := func(text, word string) (string, bool) {
		for i, line := range strings.Split(text, "\n") {
			if at := strings.Index(line, word); at >= 0 {
				return "acme.ts:" + strconv.Itoa(i+1) + ":" + strconv.Itoa(at+1), true
			}
		}
		return "", false
	}
	for _, word := range []string{"new Error", "await", `authHeader }`, "me"} {
		from, ok1 := lines(s.Source, word)
		want, ok2 := lines(example, word)
		if got := places.Replace("at f (" + from + ")"); !ok1 || !ok2 || got != "at f ("+want+")" {
			t.Errorf("%s at %s: got %s, want %s", word, from, got, want)
		}
	}
	for _, same := range []string{"acme.ts:1:1", "acme.ts:9999999:1", "acme.ts:99999999:1", "acme.ts:0:0", "xacme.ts:5:3", "acmeXts:5:3", "acme.js:5:3", "acme.ts"} {
		if got := places.Replace(same); got != same {
			t.Errorf("%s became %s", same, got)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"const a: string = 'x';\nconst 7;": `SyntaxError: Expected identifier but found "7" at acme.ts:2:7`,
		"class A {":                        "acme.ts:1:10",
		"let x = <a>1</a>":                 "SyntaxError: ",
		"\xff":                             "acme.ts:1:1",
	} {
		if _, err := typescript.Strip("acme.ts", source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", source, err, want)
		}
	}
}

// The version names the cache of what Strip returns.
func TestVersion(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github.com/evanw/esbuild (\S+)`).FindSubmatch(b)
	if m == nil || !strings.HasPrefix(typescript.Version, string(m[1])+"-") {
		t.Errorf("go.mod has esbuild %s, and Version is %s", m, typescript.Version)
	}
}

// FuzzPlaces checks that mappings and texts of any content find places, or nothing.
func FuzzPlaces(f *testing.F) {
	s, err := typescript.Strip("acme.ts", example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Mappings, "at acme.ts:3:4")
	f.Add(";;AAAA,gggggggggggB;!", "acme.ts:1:1")
	f.Fuzz(func(t *testing.T, mappings, text string) {
		got := typescript.NewPlaces("acme.ts", mappings).Replace(text)
		if !strings.Contains(text, "acme.ts") && got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// FuzzStrip checks that a text of any content is JavaScript or a mistake.
func FuzzStrip(f *testing.F) {
	f.Add(example)
	f.Add("enum A { b = A.b }\nnamespace N { export let x = 1 }\n@d class C { constructor(private readonly x: any) {} }")
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 1<<16 {
			return
		}
		s, err := typescript.Strip("acme.ts", source)
		if err == nil && !strings.HasPrefix(s.Source, "//") {
			t.Errorf("%q became %q", source, s.Source)
		}
	})
}
