package enginetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// number returns a counter, or 0 if it is absent.
func number(tx storage.Tx, key string) (uint64, error) {
	b, err := tx.Get([]byte(key))
	if errors.Is(err, crmgate.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

func setNumber(tx storage.Tx, key string, n uint64) error {
	return tx.Set([]byte(key), binary.BigEndian.AppendUint64(nil, n), 0)
}

// counter checks that every update counts once, even if its function runs twice.
func counter(t *testing.T, s Store) {
	const writers, rounds = 100, 5
	var mu sync.Mutex
	seen := map[uint64]bool{}
	parallel(t, writers, func(int) error {
		for range rounds {
			var mine uint64
			err := s.Update(t.Context(), func(tx storage.Tx) error {
				n, err := number(tx, "n")
				mine = n + 1
				return errors.Join(err, setNumber(tx, "n", mine))
			})
			if err != nil {
				return err
			}
			mu.Lock()
			if seen[mine] {
				t.Errorf("two updates set the counter to %d", mine)
			}
			seen[mine] = true
			mu.Unlock()
		}
		return nil
	})
	mustView(t, s, func(tx storage.Tx) {
		if n, err := number(tx, "n"); n != writers*rounds || err != nil {
			t.Errorf("counted %d (%v), want %d", n, err, writers*rounds)
		}
	})
}

// absence checks that one of many writers wins, when all find a key absent and set it.
func absence(t *testing.T, s Store) {
	for round := range 10 {
		key := fmt.Sprintf("key %d", round)
		var mu sync.Mutex
		winners := 0
		parallel(t, 20, func(i int) error {
			err := s.Update(t.Context(), func(tx storage.Tx) error {
				if value(tx, key) != "-" {
					return crmgate.ErrConflict
				}
				return set(tx, key, fmt.Sprint(i), fmt.Sprintf("%s taken by %d", key, i), "")
			})
			if errors.Is(err, crmgate.ErrConflict) {
				return nil
			}
			mu.Lock()
			winners++
			mu.Unlock()
			return err
		})
		if winners != 1 {
			t.Errorf("%d writers took the same absent key, want 1", winners)
		}
	}
	mustView(t, s, func(tx storage.Tx) {
		if n := strings.Count(all(tx, ""), "taken"); n != 10 {
			t.Errorf("got %d writes of winners, want 10", n)
		}
	})
}

// transfers moves amounts between two counters. Every snapshot must show the same sum.
func transfers(t *testing.T, s Store) {
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		return errors.Join(setNumber(tx, "a", 1000), setNumber(tx, "b", 1000))
	}))
	sum := func(tx storage.Tx) (a, b uint64, err error) {
		a, err1 := number(tx, "a")
		b, err2 := number(tx, "b")
		return a, b, errors.Join(err1, err2)
	}
	parallel(t, 16, func(i int) error {
		for j := range 10 {
			if (i+j)%4 == 0 {
				err := s.View(t.Context(), func(tx storage.Tx) error {
					a, b, err := sum(tx)
					if a+b != 2000 {
						t.Errorf("a view saw %d + %d, want a sum of 2000", a, b)
					}
					return err
				})
				if err != nil {
					return err
				}
				continue
			}
			err := s.Update(t.Context(), func(tx storage.Tx) error {
				a, b, err := sum(tx)
				if i%2 == 0 {
					a, b = b, a
				}
				return errors.Join(err, setNumber(tx, "a", a-3), setNumber(tx, "b", b+3))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	mustView(t, s, func(tx storage.Tx) {
		if a, b, err := sum(tx); a+b != 2000 || err != nil {
			t.Errorf("%d + %d (%v), want 2000", a, b, err)
		}
	})
}

// mixedWriters checks that errors and panics of some updates do not affect others in the same batch.
func mixedWriters(t *testing.T, s Store) {
	parallel(t, 60, func(i int) error {
		key := fmt.Sprintf("%03d", i)
		defer func() { _ = recover() }()
		err := s.Update(t.Context(), func(tx storage.Tx) error {
			if err := set(tx, key, "1"); err != nil {
				return err
			}
			switch i % 3 {
			case 1:
				return errTest
			case 2:
				panic("mine")
			}
			return nil
		})
		if i%3 == 1 && errors.Is(err, errTest) {
			return nil
		}
		return err
	})
	mustView(t, s, func(tx storage.Tx) {
		for i := range 60 {
			expected := "-"
			if i%3 == 0 {
				expected = "1"
			}
			want(t, fmt.Sprint(i), value(tx, fmt.Sprintf("%03d", i)), expected)
		}
	})
}

// largeTransactions runs updates that together exceed the transaction size of most engines.
func largeTransactions(t *testing.T, s Store) {
	v := bytes.Repeat([]byte("v"), 900_000)
	parallel(t, 8, func(i int) error {
		return s.Update(t.Context(), func(tx storage.Tx) error {
			n, err := number(tx, "n")
			return errors.Join(err, setNumber(tx, "n", n+1), tx.Set([]byte{'v', byte(i)}, v, 0))
		})
	})
	mustView(t, s, func(tx storage.Tx) {
		n, err := number(tx, "n")
		must(t, err)
		found := 0
		must(t, tx.Scan([]byte("v"), func(_, got []byte) error {
			if bytes.Equal(got, v) {
				found++
			}
			return nil
		}))
		if n != 8 || found != 8 {
			t.Errorf("counted %d and found %d, want 8 and 8", n, found)
		}
	})
}
