package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
)

// hostHeaders are the headers of a request that only the host may set.
var hostHeaders = []string{"Connection", "Content-Length", "Expect", "Host", "HTTP2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Proxy-Anything", "TE", "Trailer", "Transfer-Encoding", "Upgrade"}

// Connectors, manifests and the schema must not set a header of the connection.
func TestHostHeaders(t *testing.T) {
	t.Parallel()
	schema := manifestSchema(t)
	for _, name := range hostHeaders {
		for _, name := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if err := crmgate.CheckHeaders(map[string]string{name: "x"}); err == nil || !strings.Contains(err.Error(), "must not set") {
				t.Errorf("%s of a connector: %v", name, err)
			}
			text := fmt.Sprintf(`{"platforms": {"a": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://a.example/"}}, "crmgate": {"token": {"headers": {%q: "x"}}}}}}`, name)
			if _, err := parse(map[string]string{"a": text}); err == nil || !strings.Contains(err.Error(), "must not be set") {
				t.Errorf("%s of a manifest: %v", name, err)
			}
			if fits(schema, text) {
				t.Errorf("%s: the schema of manifests allows it", name)
			}
		}
	}
}
