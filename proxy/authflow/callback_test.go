package authflow_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/token"
)

func TestRefusedCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&token.Error{Status: 400, Code: "invalid_grant", Kind: crmgate.ErrUserDead}, true},
		{fmt.Errorf("wrapped: %w", &token.Error{Status: 401}), true},
		{&token.Error{Status: 403}, true},
		{&token.Error{Status: 200, Code: "bad_verification_code"}, true}, // GitHub
		{&token.Error{Status: 200, Code: "invalid_code"}, true},          // Zoho
		{&token.Error{Status: 500, Code: "invalid_grant"}, true},
		{&token.Error{Status: 500}, false},
		{&token.Error{Status: 503, Code: "temporarily_unavailable"}, false},
		{&token.Error{Status: 429}, false},
		{&token.Error{Status: 408}, false},
		{&token.Error{Status: 425}, false},
		{&token.Error{Status: 429, Code: "invalid_grant"}, false},
		{&token.Error{Status: 200}, false},
		{&token.Error{Kind: crmgate.ErrTransient}, false},
		{errors.New("x"), false},
		{nil, false},
	} {
		if got := authflow.RefusedCode(c.err); got != c.want {
			t.Errorf("%+v: got %v, want %v", c.err, got, c.want)
		}
	}
}
