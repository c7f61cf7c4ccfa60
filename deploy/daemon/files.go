package daemon

import (
	"context"
	"fmt"
	"slices"
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

// Follow is [Ops.File] for files that nobody else polls: the ops listener does while it
// runs.
func (o *Ops) Follow(files ...reload.Followed) {
	for _, f := range files {
		o.File(f.Name, f.Status)
	}
	o.files.addOwner(func() []reload.Followed { return files })
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

// Files adds files that a process follows and that change with its configuration, under
// one name for all: each to the metrics, and one line to /readyz. Their owner returns
// those of now; it must not block. The ops listener polls them while it runs, so that a
// change is noticed though nobody uses the file.
func (o *Ops) Files(name string, files func() []reload.Followed) {
	o.files.addOwner(files)
	o.Ready(name+"-files", func(context.Context) (string, error) {
		all := files()
		for _, f := range all {
			if s := f.Status(); s.Refused != nil {
				return fmt.Sprintf("NOT all in use as they are now: %s as read at %s: %s", f.Name, at(s.Read), firstFault(s.Refused)), nil
			}
		}
		return fmt.Sprintf("in use as they are: %d", len(all)), nil
	})
}

// filesInterval is how often files are polled that nobody may be using.
const filesInterval = time.Second

// poll polls the files of all owners until ctx ends.
func (f *followed) poll(ctx context.Context) {
	tick := time.NewTicker(filesInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, file := range f.owned() {
			file.Poll()
		}
	}
}

// followed collects the metrics of the files that a process follows.
type followed struct {
	mu     sync.Mutex // guards the rest
	files  []reload.Followed
	owners []func() []reload.Followed
}

var (
	lastReload = prometheus.NewDesc("fairlead_config_last_reload_successful",
		"Whether the file that the flag names is in use as it is now: 0 if it was refused, and what was read before is in use.", []string{"file"}, nil)
	lastReloadSuccess = prometheus.NewDesc("fairlead_config_last_reload_success_timestamp_seconds",
		"When the content in use of the file that the flag names was read; 0 if none ever was.", []string{"file"}, nil)
	notAfter = prometheus.NewDesc("fairlead_certificate_not_after_timestamp_seconds",
		"When a certificate of the file that the flag or key names expires; use is own for what the process presents, else ca. Of several with one subject, the last.",
		[]string{"file", "use", "subject"}, nil)
	notBefore = prometheus.NewDesc("fairlead_certificate_not_before_timestamp_seconds",
		"From when such a certificate is valid.", []string{"file", "use", "subject"}, nil)
)

func (f *followed) add(flag string, status func() reload.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files = append(f.files, reload.Followed{Name: flag, Status: status})
}

func (f *followed) addOwner(files func() []reload.Followed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owners = append(f.owners, files)
}

// owned are the files that owners have now.
func (f *followed) owned() (all []reload.Followed) {
	f.mu.Lock()
	owners := f.owners
	f.mu.Unlock()
	for _, files := range owners {
		all = append(all, files()...)
	}
	return all
}

// Describe implements [prometheus.Collector].
func (f *followed) Describe(to chan<- *prometheus.Desc) {
	to <- lastReload
	to <- lastReloadSuccess
	to <- notAfter
	to <- notBefore
}

// Collect implements [prometheus.Collector].
func (f *followed) Collect(to chan<- prometheus.Metric) {
	f.mu.Lock()
	files := f.files
	f.mu.Unlock()
	known := map[string]bool{}
	for _, file := range append(slices.Clone(files), f.owned()...) {
		if known[file.Name] { // a metric has one value
			continue
		}
		known[file.Name] = true
		s := file.Status()
		good, read := 1.0, 0.0
		if s.Refused != nil {
			good = 0
		}
		if !s.Read.IsZero() {
			read = float64(s.Read.UnixMilli()) / 1000
		}
		to <- prometheus.MustNewConstMetric(lastReload, prometheus.GaugeValue, good, file.Name)
		to <- prometheus.MustNewConstMetric(lastReloadSuccess, prometheus.GaugeValue, read, file.Name)
		for _, c := range s.Certificates {
			use := "own"
			if c.CA {
				use = "ca"
			}
			to <- prometheus.MustNewConstMetric(notAfter, prometheus.GaugeValue, float64(c.NotAfter.Unix()), file.Name, use, c.Subject)
			to <- prometheus.MustNewConstMetric(notBefore, prometheus.GaugeValue, float64(c.NotBefore.Unix()), file.Name, use, c.Subject)
		}
	}
}
