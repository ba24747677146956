package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/storage"
)

// ttl checks only that records do not expire too early: an engine need not expire them at all.
func ttl(t *testing.T, s Store) {
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		return errors.Join(tx.Set([]byte("hour"), []byte("1"), time.Hour), tx.Set([]byte("short"), []byte("1"), time.Millisecond))
	}))
	mustSet(t, s, "short", "2")
	mustView(t, s, func(tx storage.Tx) { want(t, "alive", all(tx, ""), "hour=1 short=2") })
}

func sizes(t *testing.T, s Store) {
	large := bytes.Repeat([]byte("0123456789"), 100_000)
	key := bytes.Repeat([]byte("k"), 1000)
	for _, v := range [][]byte{large, {}, large[:1<<16], large[:1<<10], nil} {
		must(t, s.Update(t.Context(), func(tx storage.Tx) error { return tx.Set(key, v, 0) }))
		mustView(t, s, func(tx storage.Tx) {
			if got, err := tx.Get(key); err != nil || !bytes.Equal(got, v) {
				t.Errorf("%d bytes, %v: want %d bytes", len(got), err, len(v))
			}
		})
	}
}

func tooLarge(t *testing.T, s Store) {
	const absurd = 64 << 20
	parallel(t, 30, func(i int) error {
		key, v, fails := []byte(fmt.Sprintf("%03d", i)), []byte("1"), true
		switch i % 3 {
		case 0:
			fails = false
		case 1:
			key = nil
		case 2:
			v = make([]byte, absurd)
		}
		err := s.Update(t.Context(), func(tx storage.Tx) error { return tx.Set(key, v, 0) })
		if fails != (err != nil) {
			return fmt.Errorf("key of %d bytes, value of %d bytes: got error %v", len(key), len(v), err)
		}
		return nil
	})
	err := s.Update(t.Context(), func(tx storage.Tx) error {
		for i := range absurd / 500_000 {
			if err := tx.Set([]byte{'x', byte(i)}, make([]byte, 500_000), 0); err != nil {
				return err
			}
		}
		return nil
	})
	mustView(t, s, func(tx storage.Tx) {
		want(t, "stored small values", fmt.Sprint(strings.Count(all(tx, "0"), "=1")), "10")
		if err != nil {
			want(t, "records of the refused transaction", all(tx, "x"), "")
		}
	})
}
