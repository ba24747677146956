package authflow_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/storage/storetest"
)

// TestSignInsOfOneClient: a client cannot try more than so many sign-ins, of either kind. Other clients notice nothing.
func TestSignInsOfOneClient(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	flows := proxytest.New(t, proxytest.Config{DB: s.DB, Now: s.Clock.Now}).Flows
	kind := func(err error) crmgate.Kind {
		t.Helper()
		var refusal *crmgate.Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("got %v", err)
		}
		return refusal.Kind
	}
	try := func(address string) (byKey, byOAuth crmgate.Kind) {
		t.Helper()
		ctx := crmgate.WithTrace(context.Background(), &crmgate.Trace{Source: crmgate.SourceAt(netip.MustParseAddr(address))})
		_, err := flows.APIKey(ctx, authflow.APIKeyRequest{Platform: "none"})
		byKey = kind(err)
		_, err = flows.Callback(ctx, authflow.CallbackRequest{CallbackURI: "http://gate.example/redirect.html?code=x&state=platform=none"})
		return byKey, kind(err)
	}
	const attacker, honest = "203.0.113.7", "198.51.100.1"
	for range authflow.ClientBurst / 2 {
		if byKey, byOAuth := try(attacker); byKey != crmgate.Invalid || byOAuth != crmgate.Invalid {
			t.Fatalf("%v, %v", byKey, byOAuth)
		}
	}
	if byKey, byOAuth := try(attacker); byKey != crmgate.Unavailable || byOAuth != crmgate.Unavailable {
		t.Errorf("beyond the limit: %v, %v", byKey, byOAuth)
	}
	if byKey, byOAuth := try(honest); byKey != crmgate.Invalid || byOAuth != crmgate.Invalid {
		t.Errorf("another client: %v, %v", byKey, byOAuth)
	}
	s.Clock.Add(time.Second)
	if byKey, byOAuth := try(attacker); byKey != crmgate.Invalid || byOAuth != crmgate.Invalid {
		t.Errorf("a second later: %v, %v", byKey, byOAuth)
	}
}
