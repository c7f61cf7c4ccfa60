package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine describes the machine and the source of a run.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	OS     string `json:"os"`
	Go     string `json:"go"`
	Commit string `json:"commit"` // of the source; "+" at its end for uncommitted changes
	Load   string `json:"load"`   // load average before the run: other work on the machine
}

func thisMachine(ctx context.Context) Machine {
	return Machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
		Commit: commit(ctx), Load: loadAverage(),
	}
}

// line describes the machine of a run that started then.
func (m Machine) line(started time.Time) string {
	return fmt.Sprintf("%s, %d cores, %s, %s, commit %s, %s UTC, load average before the run %s.\n",
		m.CPU, m.Cores, m.OS, m.Go, m.Commit, started.Format("2006-01-02 15:04"), m.Load)
}

func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

func commit(ctx context.Context) string {
	id, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	// Results are written into the folder of the benchmark itself.
	changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--", ":!README.md").Output()
	s := strings.TrimSpace(string(id))
	if err != nil || len(changes) > 0 {
		s += "+"
	}
	return s
}
