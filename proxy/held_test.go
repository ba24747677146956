package proxy_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy"
)

// TestRequestsHoldConnectors: all connectors that a request finds are those of its start.
func TestRequestsHoldConnectors(t *testing.T) {
	type heldKey struct{}
	var held, found, others atomic.Int64
	s := newServer(t, slog.DiscardHandler, func(c *proxy.Config) {
		r := &c.Flows.Connectors
		find := r.Find
		r.Hold = func(ctx context.Context) context.Context { return context.WithValue(ctx, heldKey{}, held.Add(1)) }
		r.Find = func(ctx context.Context, p crmgate.Platform) (connector.Connector, error) {
			found.Add(1)
			if ctx.Value(heldKey{}) != any(held.Load()) {
				others.Add(1)
			}
			return find(ctx, p)
		}
	})
	addr := serve(t, s, itself)
	for _, path := range []string{"/implementedInterfaces?platform=acme", "/authUrl?platform=acme", "/connect/keys", "/oauth-callback?callbackUri=https%3A%2F%2Fa%2F%3Fcode%3D1%26state%3Dplatform%3Dacme"} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if held.Load() != 4 || found.Load() < 4 || others.Load() > 0 {
		t.Errorf("%d requests held connectors, and found %d, %d of them others", held.Load(), found.Load(), others.Load())
	}
}
