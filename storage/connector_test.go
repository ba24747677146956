package storage_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
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
