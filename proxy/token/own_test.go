package token_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
)

// TestOwnRefreshRefused: what a connector that refreshes by itself says of the CRM's refusal counts as if the CRM had said it
// to the server.
func TestOwnRefreshRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		code   string
		want   error // nil: the connector's own
		asked  int   // of three who come later
	}{
		{"the grant", 400, "invalid_grant", crmgate.ErrUserDead, 0},
		{"the application", 401, "invalid_client", crmgate.ErrAppDead, 0},
		{"for the time being", 400, "slow_down", nil, 3},
		{"without a code", 400, "", nil, 3},
		{"by a CRM in trouble", 503, "invalid_grant", nil, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.signIn()
			w.clock.add(2 * time.Hour)
			n := 0
			w.conn.own = func(context.Context, crmgate.RefreshRequest) (crmgate.RefreshAnswer, error) {
				n++
				return crmgate.RefreshAnswer{}, &crmgate.ConnectorError{Platform: "practice", Operation: "checkAndRefreshAccessToken", Message: "no", Status: c.status, Code: c.code}
			}
			for range 1 + 3 {
				_, err := w.live()
				if c.want != nil && !errors.Is(err, c.want) || c.want == nil && !errors.As(err, new(*crmgate.ConnectorError)) {
					t.Errorf("got %v", err)
				}
				w.clock.add(10 * time.Minute)
			}
			if n != 1+c.asked {
				t.Errorf("asked %d times, want %d", n, 1+c.asked)
			}
			if dead := w.stored().Dead != ""; dead != errors.Is(c.want, crmgate.ErrUserDead) {
				t.Errorf("dead: %v", dead)
			}
		})
	}
}
