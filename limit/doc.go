// Package limit keeps one client from using up what all clients share.
//
//	Shares    places that are held for a time, such as the instances of a connector
//	Rates     how often a client does something, such as storing a state
//	Refusals  requests that another server refuses, such as those with made-up codes
//
// Each of them counts by who a request is for: its source, or better the account that is proven, and the host of the CRM. What
// is not known is not counted: all clients behind a proxy that the operator has not named would be one. So the total
// of Shares holds for all.
//
// Nothing here knows what the requests are, and nothing is stored: a restart forgets all counts.
package limit

// maxKeys is how many keys a table remembers.
const maxKeys = 64 << 10

// table keeps the state of each key. The caller locks.
type table[K comparable, V any] struct {
	of map[K]V
	// idle reports whether a state is that of a new key, so that it can be forgotten.
	idle func(V) bool
}

// get returns the state of a key, which fresh makes for a new one. If there are too many keys, it forgets the idle ones. If many are
// left, it forgets all, so that it need not run for each new key.
func (t *table[K, V]) get(key K, fresh func() V) V {
	v, ok := t.of[key]
	if ok {
		return v
	}
	if len(t.of) >= maxKeys {
		for k, v := range t.of {
			if t.idle(v) {
				delete(t.of, k)
			}
		}
		if len(t.of) > maxKeys*3/4 {
			clear(t.of)
		}
	}
	v = fresh()
	t.of[key] = v
	return v
}
