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
		{"a=1&a=2", ""},       // another reader may take the second value
		{"a[b]=1&a[b]=2", ""}, // the same
		{"a[b][c]=1", ""},     // deeper than the forms of clients
		{"a=%ff", ""},         // not UTF-8
	} {
		got, err := proxy.FormToJSON([]byte(c.form))
		if (err == nil) != (c.want != "") || err == nil && string(got) != c.want {
			t.Errorf("%s: got %s, %v; want %q", c.form, got, err, c.want)
		}
	}
}
