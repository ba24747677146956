package authflow_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/token"
)

var (
	refused = &token.Error{Kind: crmgate.ErrUserDead, Status: 400, Code: "invalid_grant"}
	clio    = token.Client{Platform: "clio", App: crmgate.ApplicationKey{ClientID: "a"}}
)

func TestCodeLimit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l := authflow.NewCodeLimit(func() time.Time { return now })
	// try presents a code that ends with result. It reports whether the code was presented.
	try := func(c token.Client, result error) bool {
		t.Helper()
		done, first, err := l.Admit(c)
		if err == nil {
			done(result)
			return true
		}
		var te *token.Error
		if !errors.As(err, &te) || te.RetryAfter != time.Second || !errors.Is(err, crmgate.ErrTransient) || first {
			t.Errorf("got %v, first %v", err, first)
		}
		return false
	}
	for range 10 * authflow.RefusedCodes {
		for _, err := range []error{nil, &token.Error{Kind: crmgate.ErrTransient, Status: 503}, &token.Error{Kind: crmgate.ErrTransient}, errors.New("x")} {
			if !try(clio, err) {
				t.Fatalf("codes count that the CRM did not refuse: %v", err)
			}
		}
	}
	for i := range authflow.RefusedCodes {
		if !try(clio, refused) {
			t.Fatalf("only %d refused codes are presented", i)
		}
	}
	if _, first, err := l.Admit(clio); err == nil || !first {
		t.Errorf("the first one over the limit: %v, first %v", err, first)
	}
	if try(clio, refused) {
		t.Error("a code over the limit is presented")
	}
	now = now.Add(-time.Hour)
	if try(clio, refused) {
		t.Error("a clock that jumps back adds to the allowance")
	}
	for _, other := range []token.Client{{Platform: "other", App: clio.App}, {Platform: clio.Platform, App: crmgate.ApplicationKey{ClientID: "b"}}} {
		if !try(other, refused) {
			t.Errorf("%+v shares the allowance of another application", other)
		}
	}
	now = now.Add(time.Second)
	if !try(clio, refused) || try(clio, refused) {
		t.Error("a second does not add one code")
	}
	now = now.Add(time.Hour)
	for range authflow.RefusedCodes {
		try(clio, refused)
	}
	if _, first, err := l.Admit(clio); err == nil || !first {
		t.Errorf("after it recovered, the first one over the limit: %v, first %v", err, first)
	}
}

// TestCodeLimitAtOnce: callbacks that arrive together do not pass because no answer has come yet.
func TestCodeLimitAtOnce(t *testing.T) {
	t.Parallel()
	l := authflow.NewCodeLimit(func() time.Time { return time.Time{} })
	var presented atomic.Int64
	var group sync.WaitGroup
	for range 500 {
		group.Go(func() {
			if _, _, err := l.Admit(clio); err == nil {
				presented.Add(1)
			}
		})
	}
	group.Wait()
	if n := presented.Load(); n != authflow.RefusedCodes {
		t.Errorf("%d codes are presented at once, want %d", n, authflow.RefusedCodes)
	}
}
