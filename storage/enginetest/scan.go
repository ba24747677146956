package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/storage"
)

func scanOrder(t *testing.T, s Store) {
	keys := []string{"a", "a\x00", "a\x00\xff", "a/1", "a/10", "a/2", "a\xff", "a\xff\xff", "b", "\xff", "\xff\xff"}
	for _, k := range slices.Backward(keys) {
		mustSet(t, s, k, "")
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "a/", "a\xff", "\xff", "c"} {
		var got, expected []string
		for _, k := range keys {
			if strings.HasPrefix(k, prefix) {
				expected = append(expected, k)
			}
		}
		read := func(tx storage.Tx) error {
			got = nil
			return tx.Scan([]byte(prefix), func(k, _ []byte) error { got = append(got, string(k)); return nil })
		}
		must(t, s.View(t.Context(), read))
		want(t, "view of "+prefix, fmt.Sprintf("%q", got), fmt.Sprintf("%q", expected))
		must(t, s.Update(t.Context(), read))
		want(t, "update of "+prefix, fmt.Sprintf("%q", got), fmt.Sprintf("%q", expected))
	}
}

func scanMerge(t *testing.T, s Store) {
	mustSet(t, s, "p/b", "1", "p/d", "1", "p/f", "1", "q", "1")
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		must(t, set(tx, "o", "2", "p/a", "2", "p/c", "2", "p/d", "2", "p/g", "2"))
		must(t, tx.Delete([]byte("p/f")))
		must(t, tx.Delete([]byte("p/a")))
		want(t, "merged", all(tx, "p/"), "p/b=1 p/c=2 p/d=2 p/g=2")
		return nil
	}))
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, "p/"), "p/b=1 p/c=2 p/d=2 p/g=2") })
}

func scanStart(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "1", "c", "1")
	var seen string
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		seen = ""
		return tx.Scan(nil, func(k, v []byte) error {
			seen += string(k) + string(v)
			want(t, "nested scan", all(tx, "c"), "c="+string(must1(tx.Get([]byte("c")))))
			return set(tx, "c", "2", "d", "2")
		})
	}))
	want(t, "seen", seen, "a1b1c1")
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "a=1 b=1 c=2 d=2") })
}

func scanStop(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "1")
	read := func(tx storage.Tx) error {
		n := 0
		return tx.Scan(nil, func(_, _ []byte) error {
			if n++; n > 1 {
				t.Error("the scan continued after an error")
			}
			return errTest
		})
	}
	for _, err := range []error{s.View(t.Context(), read), s.Update(t.Context(), read)} {
		if !errors.Is(err, errTest) {
			t.Errorf("got %v, want the error of the function", err)
		}
	}
}
