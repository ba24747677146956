package badger

// SetMinFree changes the limit of an engine that nobody is using.
func SetMinFree(e *Engine, n uint64) { e.minFree = n }
