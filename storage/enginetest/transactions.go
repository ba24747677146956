package enginetest

import (
	"errors"
	"testing"

	"github.com/crmgate/crmgate/storage"
)

func getSetDelete(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "2")
	mustSet(t, s, "a", "3")
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		return errors.Join(tx.Delete([]byte("b")), tx.Delete([]byte("never there")))
	}))
	mustView(t, s, func(tx storage.Tx) {
		want(t, "overwritten", value(tx, "a"), "3")
		want(t, "deleted", value(tx, "b"), "-")
		want(t, "scan", all(tx, ""), "a=3")
	})
}

func ownWrites(t *testing.T, s Store) {
	mustSet(t, s, "old", "1", "gone", "1")
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		must(t, set(tx, "new", "2", "old", "3"))
		must(t, tx.Delete([]byte("gone")))
		want(t, "new", value(tx, "new"), "2")
		want(t, "old", value(tx, "old"), "3")
		want(t, "gone", value(tx, "gone"), "-")
		must(t, set(tx, "gone", "4"))
		want(t, "set again", value(tx, "gone"), "4")
		return nil
	}))
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "gone=4 new=2 old=3") })
}

func failedUpdate(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "1")
	err := s.Update(t.Context(), func(tx storage.Tx) error {
		must(t, set(tx, "a", "2", "c", "2"))
		must(t, tx.Delete([]byte("b")))
		return errTest
	})
	if !errors.Is(err, errTest) {
		t.Errorf("got %v, want the error of the function", err)
	}
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "a=1 b=1") })
}

func panics(t *testing.T, s Store) {
	func() {
		defer func() {
			if r := recover(); r != "mine" {
				t.Errorf("recovered %v, want the panic of the function", r)
			}
		}()
		_ = s.Update(t.Context(), func(tx storage.Tx) error {
			must(t, set(tx, "a", "1"))
			panic("mine")
		})
	}()
	mustSet(t, s, "b", "1")
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "b=1") })
}

func viewSnapshot(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "1")
	mustView(t, s, func(tx storage.Tx) {
		want(t, "before", value(tx, "a"), "1")
		mustSet(t, s, "a", "2", "c", "2")
		want(t, "a later write", value(tx, "a"), "1")
		want(t, "a later key", value(tx, "c"), "-")
		want(t, "scan", all(tx, ""), "a=1 b=1")
	})
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "a=2 b=1 c=2") })
}

func viewWrites(t *testing.T, s Store) {
	mustView(t, s, func(tx storage.Tx) {
		if tx.Set([]byte("a"), []byte("1"), 0) == nil || tx.Delete([]byte("a")) == nil {
			t.Error("a view was able to write")
		}
	})
}
