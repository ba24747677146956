package limit

// Len returns how many origins are remembered.
func (l *Refusals[K]) Len() int { return len(l.left.of) }
