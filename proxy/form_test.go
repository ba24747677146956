package proxy_test

import (
	"testing"

	"github.com/crmgate/crmgate/proxy"
)

func TestForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ form, want string }{
		{"", `{}`},
		{"a=1&b=%20x", `{"a":"1","b":" x"}`},
		{"a[b]=1&a[c]=2", `{"a":{"b":"1","c":"2"}}`},
		{"a=1&a=1", `{"a":"1"}`},
		{"a=1&a=2", ""},       // who reads the other one is told something else
		{"a[b]=1&a[b]=2", ""}, // likewise
		{"a[b][c]=1", ""},     // deeper than forms of clients are
		{"a=%ff", ""},         // no UTF-8
	} {
		got, err := proxy.FormToJSON([]byte(c.form))
		if (err == nil) != (c.want != "") || err == nil && string(got) != c.want {
			t.Errorf("%s: got %s, %v; want %q", c.form, got, err, c.want)
		}
	}
}
