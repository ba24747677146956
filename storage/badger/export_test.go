package badger

// SetMinFree changes the limit of an engine that nobody is using.
func SetMinFree(e *Engine, n uint64) { e.minFree = n }

// Break makes the next commit fail: Badger, closed, takes no more writes.
func Break(e *Engine) { _ = e.db.Close() }
