package storage_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/storetest"
)

// TestAcceptConnector: what a connector may do is recorded, less is recorded as less, and more only if it is accepted.
func TestAcceptConnector(t *testing.T) {
	storetest.Both(t, testAcceptConnector)
}

func testAcceptConnector(t *testing.T, s storetest.Store) {
	if _, err := s.DB.AcceptedConnector(t.Context(), "clio"); !errors.Is(err, crmgate.ErrNotFound) {
		t.Fatal(err)
	}
	for _, step := range []struct {
		module   string
		may      []string
		more     bool
		want     storage.Acceptance
		recorded []string
		before   string // the module before
	}{
		{"1", []string{"host a", "host b"}, false, storage.Acceptance{First: true}, []string{"host a", "host b"}, ""},
		{"1", []string{"host a", "host b"}, false, storage.Acceptance{}, []string{"host a", "host b"}, ""},
		{"2", []string{"host a", "host b"}, false, storage.Acceptance{}, []string{"host a", "host b"}, "1"},
		{"3", []string{"host a", "host c", "host d"}, false, storage.Acceptance{More: []string{"host c", "host d"}}, []string{"host a", "host b"}, "1"},
		{"3", []string{"host b"}, false, storage.Acceptance{}, []string{"host b"}, "2"},
		{"2", []string{"host a", "host b"}, false, storage.Acceptance{More: []string{"host a"}}, []string{"host b"}, "2"},
		{"2", []string{"host a", "host b"}, true, storage.Acceptance{More: []string{"host a"}}, []string{"host a", "host b"}, "3"},
	} {
		s.Clock.Add(time.Hour)
		got, err := s.DB.AcceptConnector(t.Context(), "clio", storage.ConnectorVersion{Module: step.module, Capabilities: step.may}, step.more)
		if err != nil || len(got.More)+len(step.want.More) > 0 && !cmp.Equal(got, step.want) || got.First != step.want.First {
			t.Errorf("%+v: got %+v, %v", step, got, err)
		}
		a, err := s.DB.AcceptedConnector(t.Context(), "clio")
		if err != nil || !slices.Equal(a.Capabilities, step.recorded) {
			t.Errorf("%+v: recorded %+v, %v", step, a, err)
		}
		if step.before != "" && (a.Before == nil || a.Before.Module != step.before || !a.Before.Since.Before(a.Since)) {
			t.Errorf("%+v: before: %+v", step, a.Before)
		}
	}
}

// TestAcceptConnectorOfAnotherSpelling: a platform whose name differs from an accepted one only in case has the same configuration. It
// is not accepted as a new one.
func TestAcceptConnectorOfAnotherSpelling(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		accept := func(p crmgate.Platform, may ...string) storage.Acceptance {
			a, err := s.DB.AcceptConnector(t.Context(), p, storage.ConnectorVersion{Module: "1", Capabilities: may}, false)
			storetest.Must(t, err)
			return a
		}
		accept("clio", "host a", "config CLIO_SECRET")
		if got := accept("CLIO", "host evil", "config CLIO_SECRET"); got.First || !slices.Equal(got.More, []string{"host evil"}) {
			t.Errorf("got %+v", got)
		}
	})
}

// TestAcceptConnectorIsAudited: only what an operator accepts leaves an entry in the audit log.
func TestAcceptConnectorIsAudited(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		for i, more := range []bool{false, false, true} {
			v := storage.ConnectorVersion{Module: "1", Capabilities: []string{"host a", "host b"}[:min(i+1, 2)]}
			_, err := s.DB.AcceptConnector(t.Context(), "clio", v, more)
			storetest.Must(t, err)
		}
		var got []string
		storetest.Must(t, s.Audit().Read(t.Context(), audit.Query{}, func(e audit.Entry) error {
			got = append(got, fmt.Sprint(e.Kind, " ", e.By, " ", e.Outcome, " ", e.Platform, " ", e.UserHash))
			return nil
		}))
		if want := []string{"capabilities operator ok clio "}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
