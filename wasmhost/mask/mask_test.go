package mask_test

import (
	"encoding/json"
	"html"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/mask"
)

const handle = "{{token}}"

// quoted returns a text inside of a JSON string.
func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b[1 : len(b)-1])
}

func TestReplace(t *testing.T) {
	t.Parallel()
	var m mask.Masks
	m.Add(`se"cret/é`, handle)
	m.Add("short", handle)
	m.Add("abcdefgh", "{{one}}")
	m.Add("efghijkl", "{{two}}")
	m.Add("aaaaaa", handle)
	for text, want := range map[string]string{
		"":                                  "",
		"nothing short \\ here, 100%":       "nothing short \\ here, 100%",
		`a se"cret/é b`:                     "a {{token}} b",
		`a se\"cret\/\u00E9 b \u00e9`:       `a {{token}} b \u00e9`,
		"q=se%22cret%2f%C3%A9&r=%41":        "q=" + url.QueryEscape(handle) + "&r=%41",
		"abcdefgh efghijkl":                 "{{one}} {{two}}",
		"abcdefghijkl":                      "[secret]",
		"abcdefghefghijkl":                  "{{one}}{{two}}",
		`\u00e9\u00e9 abcdefgh \n`:          `\u00e9\u00e9 {{one}} \n`,
		"x" + strings.Repeat("a", 20) + "y": "x[secret]y",
	} {
		if got := m.Replace(text); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

// UTF-16 and UTF-32 of ASCII, in either byte order.
func TestReplaceUTF16(t *testing.T) {
	t.Parallel()
	var m mask.Masks
	m.Add("secret-1234", handle)
	for _, zeros := range []struct{ before, after string }{{"\x00", ""}, {"", "\x00"}, {"\x00\x00\x00", ""}, {"", "\x00\x00\x00"}} {
		text := ""
		for _, c := range "a secret-1234 b" {
			text += zeros.before + string(c) + zeros.after
		}
		if got := m.Replace(text); strings.Contains(strings.ReplaceAll(got, "\x00", ""), "ecret") || !strings.Contains(got, handle) {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// A text that was cut, or that has only a part of a secret, says nothing of the secret.
func TestReplaceCut(t *testing.T) {
	t.Parallel()
	var m mask.Masks
	m.Add("abcdefghijkl", handle) // 24 digits in hex
	for text, want := range map[string]string{
		"":                               "",
		"short":                          "",
		strings.Repeat("x", 30):          "xxxxxx",
		strings.Repeat("x", 30) + "abcd": "xxxxxxxxxx",
		"0123456789abcdefghijkl" + strings.Repeat("y", 20): "0123456789[secret]",
		"x abcdefghijkl " + strings.Repeat("y", 26):        "x {{token}} yy",
	} {
		if got := m.ReplaceCut(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	for _, part := range []string{"abcdefghijk", "bcdefghijkl", "616263646566"} {
		if got := m.Replace(part); got != part {
			t.Errorf("%q became %q", part, got)
		}
	}
}

// A document in a document in a document: what is around the secret stays as it is.
func TestReplacePlain(t *testing.T) {
	t.Parallel()
	const secret = "se\"cr\\et\n/\U0001F511"
	var m mask.Masks
	m.Add(secret, handle)
	for _, encode := range []func(string) string{
		func(s string) string { return s }, quoted,
		func(s string) string { return quoted(quoted(s)) },
		func(s string) string { return quoted(quoted(quoted(s))) },
		url.QueryEscape,
		func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
		func(s string) string { return quoted(url.QueryEscape(s)) },
		func(s string) string { return quoted(quoted(url.QueryEscape(s))) },
		func(s string) string { return url.QueryEscape(quoted(s)) },
		html.EscapeString,
		func(s string) string { return quoted(html.EscapeString(s)) },
		func(s string) string { return html.EscapeString(url.QueryEscape(s)) },
		func(s string) string {
			return strings.NewReplacer(`"`, `\x22`, "/", `\x2F`, `\`, `\\`, "\n", `\n`).Replace(s)
		},
	} {
		around := encode("\u00e9\"")
		text := around + encode(secret) + around
		if !m.Finds(text) {
			t.Errorf("nothing is found in %s", text)
		}
		if got, want := m.ReplacePlain(text), around+handle+around; got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

// A text that a stranger chose takes memory of a few times its size, and no time that grows with the secret.
func TestLongTexts(t *testing.T) {
	var m mask.Masks
	m.Add("aaaaaaaa", handle)
	m.Add(strings.Repeat("a", 64<<10), handle)
	for _, unit := range []string{"a", "%61", `\u0061`, `\u0061%61`, "aaaaaaaa-", "\x00a", `%255c&amp;#92;\\`} {
		text := strings.Repeat(unit, 1<<20/len(unit))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m.Replace(text)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 40*uint64(len(text)) {
			t.Errorf("%s: %d bytes for a text of %d", unit, used, len(text))
		}
	}
}

// FuzzReplace checks that no secret stays, and that a text without one stays as it is.
func FuzzReplace(f *testing.F) {
	for _, text := range []string{"", "abcdefgh", `\u0061bcdefgh`, "%61bcdefgh", `%5Cu0061bcdefgh`, "abcdabcdefghefgh", `\ud83d\udd11`, "%", `\`, `\u12`} {
		f.Add("abcdefgh", text)
	}
	f.Fuzz(func(t *testing.T, secret, text string) {
		var m mask.Masks
		m.Add(secret, handle)
		got := m.ReplacePlain(text)
		if !m.Finds(text) && got != text {
			t.Fatalf("%q became %q", text, got)
		}
		if rest := strings.NewReplacer(handle, "\x00", mask.Masked, "\x00").Replace(got); len(secret) >= mask.Shortest && strings.Contains(rest, secret) && !strings.Contains(secret, "\x00") {
			t.Fatalf("%q became %q", text, got)
		}
		if got := m.Replace(text); !m.Finds(text) && got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
