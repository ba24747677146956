package project

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// nodeLog leaves out of a node's log what an author is told in another way: the lines of the connector, which are shown with its calls,
// and what is wrong with it while it is loaded.
type nodeLog struct {
	slog.Handler
	loading *atomic.Bool
}

// Handle implements slog.Handler.
func (h nodeLog) Handle(ctx context.Context, r slog.Record) error {
	if h.loading.Load() || r.Message == "connector" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h nodeLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return nodeLog{h.Handler.WithAttrs(attrs), h.loading}
}

// WithGroup implements slog.Handler.
func (h nodeLog) WithGroup(name string) slog.Handler {
	return nodeLog{h.Handler.WithGroup(name), h.loading}
}
