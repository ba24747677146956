package token_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// memory is a storage.Engine in memory that runs one transaction at a time. Badger cannot serve in a bubble of synctest: its
// own goroutines keep virtual time from moving.
type memory struct {
	mu      sync.Mutex
	records map[string][]byte
	keys    []string // the keys of records, sorted
	closed  bool
}

func newMemory() *memory { return &memory{records: map[string][]byte{}} }

func (m *memory) View(ctx context.Context, fn func(storage.Tx) error) error {
	return m.run(ctx, fn, false)
}

func (m *memory) Update(ctx context.Context, fn func(storage.Tx) error) error {
	return m.run(ctx, fn, true)
}

func (m *memory) run(ctx context.Context, fn func(storage.Tx) error, write bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return storage.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tx := &memoryTx{store: m, write: write, changed: map[string][]byte{}}
	if err := fn(tx); err != nil {
		return err
	}
	for k, v := range tx.changed {
		m.put(k, v)
	}
	return nil
}

// put stores a value, or deletes the key if the value is nil.
func (m *memory) put(key string, value []byte) {
	i, known := slices.BinarySearch(m.keys, key)
	switch {
	case value == nil && known:
		m.keys = slices.Delete(m.keys, i, i+1)
		delete(m.records, key)
	case value != nil:
		if !known {
			m.keys = slices.Insert(m.keys, i, key)
		}
		m.records[key] = value
	}
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

type memoryTx struct {
	store   *memory
	changed map[string][]byte // nil: deleted
	write   bool
}

func (tx *memoryTx) Get(key []byte) ([]byte, error) {
	v, ok := tx.changed[string(key)]
	if !ok {
		v = tx.store.records[string(key)]
	}
	if v == nil {
		return nil, crmgate.ErrNotFound
	}
	return v, nil
}

func (tx *memoryTx) Set(key, value []byte, _ time.Duration) error {
	if !tx.write || len(key) == 0 || len(key) > 1000 || len(value) > 1_000_000 {
		return errors.New("read-only transaction, or a key or value too large")
	}
	tx.changed[string(key)] = append([]byte{}, value...)
	return nil
}

func (tx *memoryTx) Delete(key []byte) error {
	if !tx.write {
		return errors.New("read-only transaction")
	}
	tx.changed[string(key)] = nil
	return nil
}

func (tx *memoryTx) Scan(prefix []byte, fn func(key, value []byte) error) error {
	keys := slices.Collect(maps.Keys(tx.changed))
	first, _ := slices.BinarySearch(tx.store.keys, string(prefix))
	for _, k := range tx.store.keys[first:] {
		if !strings.HasPrefix(k, string(prefix)) {
			break
		}
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		v, err := tx.Get([]byte(k))
		if err != nil || !strings.HasPrefix(k, string(prefix)) {
			continue
		}
		if err := fn([]byte(k), v); err != nil {
			return err
		}
	}
	return nil
}
