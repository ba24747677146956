package edgetest

import (
	"sync/atomic"
	"time"
)

// Clock is the time of a test. It runs until it is frozen; Pass moves it forward in both cases. The zero Clock shows the
// real time. Safe for concurrent use.
type Clock struct {
	frozen atomic.Pointer[time.Time]
	passed atomic.Int64
}

// FrozenAt returns a clock that is frozen at a time.
func FrozenAt(t time.Time) *Clock {
	c := &Clock{}
	c.frozen.Store(&t)
	return c
}

// Now returns the time.
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

// Pass moves the clock forward.
func (c *Clock) Pass(d time.Duration) { c.passed.Add(int64(d)) }

// FreezeAt stops the clock at a time.
func (c *Clock) FreezeAt(t time.Time) { c.frozen.Store(&t) }
