package daemon

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/deploy/reload"
)

// File adds a file that is followed to the metrics, under the name of the flag that
// names it, and a line to /readyz. A changed file that is refused does not make the
// process unready: what was read before is in use. status must not block.
func (o *Ops) File(flag string, status func() reload.Status) {
	o.FileMetrics(flag, status)
	o.Ready(flag+"-file", func(context.Context) (string, error) {
		s := status()
		if s.Refused == nil {
			return "in use as read at " + at(s.Read), nil
		}
		return fmt.Sprintf("NOT in use as it is now, but as read at %s: %s", at(s.Read), firstFault(s.Refused)), nil
	})
}

// FileMetrics is [Ops.File] for a file about which /readyz has a line already.
func (o *Ops) FileMetrics(flag string, status func() reload.Status) { o.files.add(flag, status) }

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// firstFault is the first line of an error, which may have one for each line of the
// file that is at fault.
func firstFault(err error) string {
	first, rest, more := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	if more {
		first += fmt.Sprintf(" (lines of reasons that follow: %d; see the log)", strings.Count(rest, "\n")+1)
	}
	return first
}

// followed collects the metrics of the files that a process follows.
type followed struct {
	mu    sync.Mutex // guards the rest
	files []followedFile
}

type followedFile struct {
	flag   string
	status func() reload.Status
}

var (
	lastReload = prometheus.NewDesc("fairlead_config_last_reload_successful",
		"Whether the file that the flag names is in use as it is now: 0 if it was refused, and what was read before is in use.", []string{"file"}, nil)
	lastReloadSuccess = prometheus.NewDesc("fairlead_config_last_reload_success_timestamp_seconds",
		"When the content in use of the file that the flag names was read; 0 if none ever was.", []string{"file"}, nil)
)

func (f *followed) add(flag string, status func() reload.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files = append(f.files, followedFile{flag, status})
}

// Describe implements [prometheus.Collector].
func (f *followed) Describe(to chan<- *prometheus.Desc) {
	to <- lastReload
	to <- lastReloadSuccess
}

// Collect implements [prometheus.Collector].
func (f *followed) Collect(to chan<- prometheus.Metric) {
	f.mu.Lock()
	files := f.files
	f.mu.Unlock()
	for _, file := range files {
		s := file.status()
		good, read := 1.0, 0.0
		if s.Refused != nil {
			good = 0
		}
		if !s.Read.IsZero() {
			read = float64(s.Read.UnixMilli()) / 1000
		}
		to <- prometheus.MustNewConstMetric(lastReload, prometheus.GaugeValue, good, file.flag)
		to <- prometheus.MustNewConstMetric(lastReloadSuccess, prometheus.GaugeValue, read, file.flag)
	}
}
