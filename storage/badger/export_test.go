package badger

// SetMinFree changes the limit of an idle engine.
func SetMinFree(e *Engine, n uint64) { e.minFree = n }

// Break closes Badger, so that the next commit fails.
func Break(e *Engine) { _ = e.db.Close() }
