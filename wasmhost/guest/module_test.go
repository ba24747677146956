package guest

import (
	"testing"
	"time"
)

// Instances that no call needs are let go after a time, and calls after that get new ones.
func TestSpareInstances(t *testing.T) {
	t.Parallel()
	m := practice(t)
	m.spare = 50 * time.Millisecond
	for range 2 {
		if r, err := m.Run(t.Context(), Call{Operation: "getAuthType", Input: []byte("{}"), Host: silent{}}); err != nil || r.Code != 0 {
			t.Fatalf("got %d, %v", r.Code, err)
		}
		if m.Free() != 1 {
			t.Errorf("%d instances are free after a call", m.Free())
		}
		for end := time.Now().Add(10 * time.Second); m.Free() > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the instance is not let go")
			}
		}
	}
}
