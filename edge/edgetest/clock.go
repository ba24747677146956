package edgetest

import (
	"sync/atomic"
	"time"
)

// Clock is the time of a test: it goes until it is frozen, and Pass moves it in both cases. The zero Clock shows the real
// time. Safe for concurrent use.
type Clock struct {
	frozen atomic.Pointer[time.Time]
	passed atomic.Int64
}

// FrozenAt returns a clock that stands at a time.
func FrozenAt(t time.Time) *Clock {
	c := &Clock{}
	c.frozen.Store(&t)
	return c
}

// Now tells the time.
func (c *Clock) Now() time.Time {
	now := time.Now()
	if t := c.frozen.Load(); t != nil {
		now = *t
	}
	return now.Add(time.Duration(c.passed.Load()))
}

// Freeze stops the clock at a whole second.
func (c *Clock) Freeze() {
	t := c.Now().Add(-time.Duration(c.passed.Load())).Truncate(time.Second)
	c.frozen.Store(&t)
}

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) { c.passed.Add(int64(d)) }

// FreezeAt stops the clock at a time.
func (c *Clock) FreezeAt(t time.Time) { c.frozen.Store(&t) }
