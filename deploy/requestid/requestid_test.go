package requestid

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(Handler(slog.NewTextHandler(&b, nil)))
	log.Info("outside")
	log.InfoContext(t.Context(), "outside")
	if strings.Contains(b.String(), key) {
		t.Errorf("without an id: %q", &b)
	}
	b.Reset()
	ctx := With(t.Context(), "r-1")
	log.DebugContext(ctx, "not logged: the level is info")
	log.With("a", 1).InfoContext(ctx, "inside")
	if got := b.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "msg=inside a=1 request_id=r-1") {
		t.Errorf("with an id: %q", got)
	}
}
