package requestid

import (
	"context"
	"log/slog"
)

// key is the attribute that carries the id.
const key = "request_id"

type contextKey struct{}

// With returns a context whose log lines carry the request id. They must be
// written with a method of [slog.Logger] that takes a context.
func With(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// Handler returns a handler that adds the request id of the context to each
// line and passes it to next.
func Handler(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if id, _ := ctx.Value(contextKey{}).(string); id != "" {
		r.AddAttrs(slog.String(key, id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
