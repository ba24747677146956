package guest

import "sync/atomic"

// Budget bounds the memory of the instances of several modules together. A nil Budget has no bound. It is safe for concurrent use.
type Budget struct {
	bytes int64
	used  atomic.Int64
}

// NewBudget returns a budget of a number of bytes.
func NewBudget(bytes int64) *Budget { return &Budget{bytes: bytes} }

// Used returns how many bytes the instances of running calls can write to. Those that they have not written to take no memory.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// take takes bytes from the budget. It reports false if fewer are left.
func (b *Budget) take(n int64) bool {
	if b == nil {
		return true
	}
	if b.used.Add(n) > b.bytes {
		b.used.Add(-n)
		return false
	}
	return true
}

// give gives bytes back.
func (b *Budget) give(n int64) {
	if b != nil {
		b.used.Add(-n)
	}
}
