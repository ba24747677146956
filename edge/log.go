package edge

import (
	"context"
	"log/slog"

	"github.com/crmgate/crmgate"
)

// traced adds the request's id to every line that is logged for a request.
type traced struct{ slog.Handler }

func (t traced) Handle(ctx context.Context, r slog.Record) error {
	if tr := crmgate.TraceOf(ctx); tr != nil {
		r.AddAttrs(slog.String("request_id", tr.ID))
	}
	return t.Handler.Handle(ctx, r)
}

func (t traced) WithAttrs(a []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(a)} }
func (t traced) WithGroup(g string) slog.Handler      { return traced{t.Handler.WithGroup(g)} }
