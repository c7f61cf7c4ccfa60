package daemon

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/fairlead-io/fairlead/deploy/requestid"
)

// LogOptions choose what is logged and how. The zero value is the default:
// level info; text on a terminal, JSON otherwise.
type LogOptions struct {
	Level  string // debug, info, warn or error
	Format string // auto, text or json
}

// Flags declares --log-level and --log-format.
func (o *LogOptions) Flags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Level, "log-level", "info", "least `level` that is logged: debug, info, warn or error")
	fs.StringVar(&o.Format, "log-format", "auto", "`format` of log lines: text, json, or auto: text on a terminal, json otherwise")
}

// New returns a logger that writes to w and adds to each line the request id
// of its context, as package requestid says. The error is a [UsageError] and names the field at fault.
func (o LogOptions) New(w io.Writer) (*slog.Logger, error) {
	log, _, err := o.NewLeveled(w)
	return log, err
}

// NewLeveled is [LogOptions.New], and returns the level too, which may be changed at any
// time.
func (o LogOptions) NewLeveled(w io.Writer) (*slog.Logger, *slog.LevelVar, error) {
	var level slog.Level
	if o.Level != "" {
		if err := level.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, nil, Usagef("log-level: %q is not one of debug, info, warn, error", o.Level)
		}
	}
	leveled := new(slog.LevelVar)
	leveled.Set(level)
	opts := &slog.HandlerOptions{Level: leveled}
	text := false
	switch strings.ToLower(o.Format) {
	case "", "auto":
		f, ok := w.(*os.File)
		text = ok && term.IsTerminal(int(f.Fd()))
	case "text":
		text = true
	case "json":
	default:
		return nil, nil, Usagef("log-format: %q is not one of auto, text, json", o.Format)
	}
	if text {
		return slog.New(requestid.Handler(slog.NewTextHandler(w, opts))), leveled, nil
	}
	opts.ReplaceAttr = readableDuration
	return slog.New(requestid.Handler(slog.NewJSONHandler(w, opts))), leveled, nil
}

// readableDuration writes durations as "9.072s", as the text form does. slog's
// JSON form has nanoseconds without a unit.
func readableDuration(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
