package daemon

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

// A release build sets these, as in
//
//	-ldflags "-X github.com/fairlead-io/fairlead/deploy/daemon.version=v1.2.3"
//
// A variable that is not set is taken from the build information that Go records.
var version, commit, date string

// Build says what a binary was built from.
type Build struct {
	Version string // such as "v1.2.3", or "devel"
	Commit  string // "" if unknown; ends in "-dirty" for a modified tree
	Date    string // of the commit, RFC 3339; "" if unknown
	Go      string // version of the Go toolchain
}

// Version returns what this binary was built from.
var Version = sync.OnceValue(func() Build {
	b := Build{Version: version, Commit: commit, Date: date, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if ok {
		fillBuild(&b, info)
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	return b
})

func fillBuild(b *Build, info *debug.BuildInfo) {
	settings := make(map[string]string, len(info.Settings))
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Commit == "" {
		b.Commit = settings["vcs.revision"]
		if b.Commit != "" && settings["vcs.modified"] == "true" {
			b.Commit += "-dirty"
		}
	}
	if b.Date == "" {
		b.Date = settings["vcs.time"]
	}
}

// String is what the version command prints after the binary's name.
func (b Build) String() string {
	s := b.Version
	if b.Commit != "" {
		s += " commit " + b.Commit
	}
	if b.Date != "" {
		s += " of " + b.Date
	}
	return s + " " + b.Go + " " + runtime.GOOS + "/" + runtime.GOARCH
}

// addVersion adds the command version, and the flag --version, which prints the
// same.
func addVersion(root *cobra.Command) {
	line := root.Name() + " " + Version().String()
	root.AddCommand(&cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	})
	root.Version = Version().Version // cobra looks at the flag only if this is set
	root.SetVersionTemplate(line + "\n")
	root.Flags().Bool("version", false, "print the version") // cobra's own has -v, which reads as verbose
}

func buildInfoMetric() prometheus.Collector {
	b := Version()
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "fairlead_build_info",
		Help:        "Always 1; its labels say what this process was built from.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "date": b.Date, "go_version": b.Go},
	})
	g.Set(1)
	return g
}
