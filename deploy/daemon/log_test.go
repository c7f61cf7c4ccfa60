package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/deploy/requestid"
)

func TestLogCarriesRequestID(t *testing.T) {
	var b bytes.Buffer
	log, err := LogOptions{}.New(&b)
	if err != nil {
		t.Fatal(err)
	}
	ctx := requestid.With(t.Context(), "r-1")
	log.With("a", 1).InfoContext(ctx, "hello", "after", 9072*time.Millisecond)
	log.DebugContext(ctx, "not logged: the default level is info")
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("want one line of JSON, since no terminal reads it: %v: %s", err, &b)
	}
	if line["request_id"] != "r-1" || line["a"] != 1.0 || line["after"] != "9.072s" {
		t.Errorf("got %v", line)
	}
}

func TestLogFormatsAndLevels(t *testing.T) {
	var b bytes.Buffer
	log, err := LogOptions{Level: "DEBUG", Format: "text"}.New(&b)
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("hello")
	if !strings.Contains(b.String(), "level=DEBUG msg=hello") {
		t.Errorf("got %q", &b)
	}
	for _, bad := range []LogOptions{{Level: "loud"}, {Format: "xml"}} {
		_, err := bad.New(&b)
		if _, ok := errors.AsType[*UsageError](err); !ok {
			t.Errorf("%+v: got %v, want a UsageError", bad, err)
		}
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
