package badger

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/crmgate/crmgate"
)

// errReadOnly means that a View tried to write.
var errReadOnly = errors.New("write inside a view")

// snapshot is the storage.Tx of a View.
type snapshot struct{ txn *badger.Txn }

func (s snapshot) Get(key []byte) ([]byte, error) {
	item, err := s.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, crmgate.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	// Badger's own bytes are valid only inside a callback.
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	return value, nil
}

func (s snapshot) Set([]byte, []byte, time.Duration) error { return errReadOnly }

func (s snapshot) Delete([]byte) error { return errReadOnly }

func (s snapshot) Scan(prefix []byte, fn func(key, value []byte) error) error {
	o := badger.DefaultIteratorOptions
	o.Prefix = prefix
	o.PrefetchSize = 16
	it := s.txn.NewIterator(o)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			return fmt.Errorf("scan store: %w", err)
		}
		if err := fn(it.Item().KeyCopy(nil), value); err != nil {
			return err
		}
	}
	return nil
}

// stage is the storage.Tx of an Update. It reads the function's own writes first, then the batch's, then the database.
type stage struct {
	batch  *batch
	writes map[string]entry
	size   int64
}

func (s *stage) Get(key []byte) ([]byte, error) {
	w, ok := s.writes[string(key)]
	if !ok {
		w, ok = s.batch.writes[string(key)]
	}
	switch {
	case !ok:
		return snapshot{s.batch.read}.Get(key)
	case w.deleted:
		return nil, crmgate.ErrNotFound
	}
	return w.value, nil
}

func (s *stage) Set(key, value []byte, ttl time.Duration) error {
	w := entry{value: value}
	if ttl > 0 {
		// Badger counts whole seconds and would drop the record up to one second early.
		w.expires = uint64(time.Now().Add(ttl).Unix()) + 1
	}
	return s.write(key, w)
}

func (s *stage) Delete(key []byte) error {
	return s.write(key, entry{deleted: true})
}

const (
	maxKey   = 1000
	maxValue = 1 << 20
	// overhead is more than what Badger counts for an entry beyond its key and value.
	overhead = 32
)

// write refuses what Badger would refuse at commit, when the whole batch would fail.
func (s *stage) write(key []byte, w entry) error {
	switch {
	case len(key) == 0 || len(key) > maxKey:
		return fmt.Errorf("a key has %d bytes, not 1 to %d", len(key), maxKey)
	case len(w.value) > maxValue:
		return fmt.Errorf("a value has %d bytes, more than %d", len(w.value), maxValue)
	case bytes.HasPrefix(key, []byte("!badger!")):
		return errors.New("a key begins with !badger!, which Badger reserves")
	}
	if s.writes == nil {
		s.writes = map[string]entry{}
	}
	s.writes[string(key)] = w
	s.size += int64(len(key)+len(w.value)) + overhead
	return nil
}

// Scan merges the writes that are not committed yet into the committed records.
func (s *stage) Scan(prefix []byte, fn func(key, value []byte) error) error {
	pending := s.pending(string(prefix))
	keys := slices.Sorted(maps.Keys(pending))
	// before shows the pending records up to a committed key, and reports whether one of them replaces it.
	before := func(committed string) (replaced bool, err error) {
		for len(keys) > 0 && keys[0] <= committed {
			k := keys[0]
			keys = keys[1:]
			replaced = k == committed
			if w := pending[k]; !w.deleted {
				if err := fn([]byte(k), w.value); err != nil {
					return replaced, err
				}
			}
		}
		return replaced, nil
	}
	err := snapshot{s.batch.read}.Scan(prefix, func(key, value []byte) error {
		replaced, err := before(string(key))
		if replaced || err != nil {
			return err
		}
		return fn(key, value)
	})
	if err != nil {
		return err
	}
	for _, k := range keys {
		if w := pending[k]; !w.deleted {
			if err := fn([]byte(k), w.value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) pending(prefix string) map[string]entry {
	pending := map[string]entry{}
	for _, writes := range []map[string]entry{s.batch.writes, s.writes} {
		for k, w := range writes {
			if strings.HasPrefix(k, prefix) {
				pending[k] = w
			}
		}
	}
	return pending
}
