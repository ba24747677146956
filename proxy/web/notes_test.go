package web_test

import (
	"strings"
	"testing"

	"github.com/crmgate/crmgate/proxy/web"
)

func TestNotes(t *testing.T) {
	for markdown, want := range map[string]string{
		"# Register\n\n1. Open *it*": "<h3>Register</h3>\n<ol>\n<li>Open <em>it</em></li>\n</ol>\n",
		"###### deep":                "<h6>deep</h6>\n",
		"`a<b>`":                     "<p><code>a&lt;b&gt;</code></p>\n",
		"[x](javascript:alert(1))":   "<p>x</p>\n",
		"[x](JavaScript:alert(1))":   "<p>x</p>\n",
		"[x](data:text/html,y)":      "<p>x</p>\n",
		"[x](//evil.example/)":       "<p>x</p>\n",
		"[x](/admin/remove/clio)":    "<p>x</p>\n",
		"<mailto:a@b.example>":       "<p>mailto:a@b.example</p>\n",
		"[![alt *text*](https://evil.example/i.png)](ftp://x)": "<p>alt <em>text</em></p>\n",
		"![alt](https://evil.example/i.png)":                   "<p>alt</p>\n",
	} {
		got, err := web.Notes(markdown)
		if err != nil || string(got) != want {
			t.Errorf("%s:\ngot  %s\nwant %s, %v", markdown, got, want, err)
		}
	}
	for _, markdown := range []string{"<script>alert(1)</script>", "a <img src=x onerror=alert(1)> b", "<style>*{}</style>\n\nx", "<a href=\"https://x.example\" onclick=\"x\">y</a>"} {
		got, err := web.Notes(markdown)
		if err != nil || strings.Contains(string(got), "<script") || strings.Contains(string(got), "<img") || strings.Contains(string(got), "<style") || strings.Contains(string(got), "<a") {
			t.Errorf("%s: %s, %v", markdown, got, err)
		}
	}
	got, err := web.Notes("[x](https://crm.example/?a=1&b=\"2\" \"t\") <https://crm.example>")
	for _, part := range []string{`href="https://crm.example`, `target="_blank"`, `rel="noopener noreferrer"`} {
		if err != nil || strings.Count(string(got), part) < 1 {
			t.Errorf("%q is not in %s, %v", part, got, err)
		}
	}
}
