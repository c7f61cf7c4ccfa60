package audit

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

func TestConfig(t *testing.T) {
	var c Config
	err := strictyaml.Unmarshal([]byte("file: {path: /var/log/audit.log, maxSizeMiB: 5, maxFiles: 3, maxAge: 720h}\nstdout: true\nrequired: true\nreads: false\n"), &c)
	if err != nil || *c.File != (FileConfig{Path: "/var/log/audit.log", MaxSizeMiB: 5, MaxFiles: 3, MaxAge: 720 * time.Hour}) || !c.Stdout || !c.Required || c.reads() {
		t.Errorf("got %+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"required: true":                          "line 1: required: it is true, but neither file, stdout nor jetStream is given",
		"stdout: true\nlevel: all":                `line 2: unknown key "level"; known are file, stdout, jetStream, required, reads`,
		"stdout: yes please":                      `line 1: stdout: want true or false, not "yes please"`,
		"stdout: true\njetStream: {servers: [x]}": `line 2: jetStream.servers[0]: "x" is not a URL such as tls://broker.example:4222`,
		"file: {maxFiles: 3}":                     "line 1: file.path: none given",
		"stdout: true\nfile:\n  path: a\n  x: 1":  `line 4: file: unknown key "x"; known are path, maxSizeMiB, maxFiles, maxAge`,
		"file: {path: a, maxSizeMiB: -1}":         "line 1: file.maxSizeMiB: want",
		"file: {path: a, maxFiles: -1}":           "line 1: file.maxFiles: want",
		"file: {path: a, maxAge: 5s}":             "line 1: file.maxAge: want a duration of at least 1m",
	} {
		if err := strictyaml.Unmarshal([]byte(text), &Config{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func TestNothingIsConfigured(t *testing.T) {
	l, err := New(Config{}, nil, slog.New(slog.DiscardHandler), nil)
	if l != nil || err != nil {
		t.Errorf("got %v, %v, want no log", l, err)
	}
	if q := l.Follow(nil, nil); q != (Followed{}) || l.Close() != nil {
		t.Error("a nil log does something")
	}
	if _, err := New(Config{File: &FileConfig{Path: filepath.Join(t.TempDir(), "absent", "audit.log")}}, nil, slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("a file in a folder that does not exist was opened")
	}
}
