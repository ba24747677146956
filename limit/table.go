package limit

// maxKeys is how many keys a table remembers.
const maxKeys = 64 << 10

// table keeps the state of each key. The caller locks.
type table[K comparable, V any] struct {
	of map[K]V
	// idle reports whether a state is that of a new key, so that it can be forgotten.
	idle func(V) bool

	// overflow is the state of all keys that the table has no room for, and shared how often it was returned since the table was
	// last searched for idle keys.
	overflow V
	shared   int
}

// get returns the state of a key, which fresh makes for a new one. If there are too many keys, it forgets the idle ones. If all
// are in use, new keys share one state, so that a client with many addresses does not reset the limits of others.
func (t *table[K, V]) get(key K, fresh func() V) V {
	if v, ok := t.of[key]; ok {
		return v
	}
	if len(t.of) >= maxKeys {
		if t.shared%1024 == 0 { // a search takes a millisecond
			t.forget()
			t.overflow = fresh()
		}
		t.shared++
		if len(t.of) >= maxKeys {
			return t.overflow
		}
	}
	t.shared = 0
	v := fresh()
	t.of[key] = v
	return v
}

func (t *table[K, V]) forget() {
	for k, v := range t.of {
		if t.idle(v) {
			delete(t.of, k)
		}
	}
}
