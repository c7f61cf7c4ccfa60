package bridge

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/requestid"
)

// log writes the line of a request that has ended.
func (s *Server) log(rec *answer.Record, r *http.Request, took time.Duration) {
	level := s.cfg.AccessLevel.Level()
	if rec.Failure != nil && rec.Failure.Kind.Status >= 500 || rec.Revoked != nil {
		level = max(level, slog.LevelInfo)
	}
	log := s.cfg.Logger
	if !log.Enabled(r.Context(), level) {
		return
	}
	// The query is left out: an exec's command line is in it.
	attrs := []slog.Attr{
		slog.String("method", answer.Clip(r.Method)), slog.String("path", answer.Clip(r.URL.Path)),
		slog.Int("status", rec.Status), slog.Duration("duration", took),
		slog.String("caller", rec.Caller), slog.String("remote", rec.Remote),
		slog.Int64("received", rec.Received), slog.Int64("sent", rec.Sent),
	}
	if rec.Remote != r.RemoteAddr {
		attrs = append(attrs, slog.String("via", r.RemoteAddr))
	}
	if rec.Cluster != "" {
		attrs = append(attrs, slog.String("cluster", rec.Cluster))
	}
	if rec.Failure != nil {
		attrs = append(attrs, slog.String("failure", rec.Failure.Kind.Code), slog.String("detail", rec.Failure.Detail))
	}
	if rec.Revoked != nil {
		attrs = append(attrs, slog.String("revoked", rec.Revoked.Detail))
	}
	if rec.Aborted != nil {
		attrs = append(attrs, slog.String("aborted", rec.Aborted.Error()))
	}
	log.LogAttrs(requestid.With(r.Context(), rec.ID), level, "request", attrs...)
}
