package edge

import (
	"context"
	"log/slog"
	"time"
)

// The limits of log lines, for tests.
const (
	LineBurst = lineBurst
	LineRate  = lineRate
)

// Sampled returns a logger that samples lines by a clock, and a function that writes what was left out.
func Sampled(h slog.Handler, now func() time.Time) (log *slog.Logger, flush func()) {
	l := newLines(now)
	return slog.New(sampled{h, l}), func() { l.flush(slog.New(h)) }
}

// Poll watches the folder of connectors as on a system that does not report changes.
func (n *Node) Poll(ctx context.Context) {
	w := n.core.folderWatch()
	w.polled = true
	n.core.watchFolder(ctx, w)
}
