package proxy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/proxy"
)

func FuzzFormToJSON(f *testing.F) {
	f.Add([]byte("platform=clio&additionalInfo[region]=eu&additionalInfo[x][y]=1&a]=b&[=&=&a[=1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := proxy.FormToJSON(b)
		var v map[string]any
		if err == nil && json.Unmarshal(out, &v) != nil {
			t.Errorf("%q became %q", b, out)
		}
	})
}

func FuzzSplitTarget(f *testing.F) {
	for _, s := range []string{"/hostname?x=1", "//hostname", "/a/../hostname", "http://evil/hostname", "*", "/%68ostname", "/HOSTNAME/"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, target []byte) {
		path, _, ok := proxy.SplitTarget(target)
		if ok && path == "/hostname" {
			if s := strings.ToLower(string(target)); !strings.HasPrefix(s, "/hostname") {
				t.Errorf("%q is taken for %s", target, path)
			}
		}
	})
}
