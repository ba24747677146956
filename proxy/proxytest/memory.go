package proxytest

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

// Memory is a storage.Engine in memory that runs one transaction at a time. It works in a bubble of testing/synctest. Badger
// does not: its own goroutines keep virtual time from moving.
type Memory struct {
	mu      sync.Mutex
	records map[string][]byte
	keys    []string // the keys of records, sorted
	closed  bool
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{records: map[string][]byte{}} }

// View runs a read-only transaction.
func (m *Memory) View(ctx context.Context, fn func(storage.Tx) error) error {
	return m.run(ctx, fn, false)
}

// Update runs a transaction.
func (m *Memory) Update(ctx context.Context, fn func(storage.Tx) error) error {
	return m.run(ctx, fn, true)
}

func (m *Memory) run(ctx context.Context, fn func(storage.Tx) error, write bool) error {
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
func (m *Memory) put(key string, value []byte) {
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

// Close makes later transactions fail.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

type memoryTx struct {
	store   *Memory
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
