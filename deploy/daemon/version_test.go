package daemon

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionPrefersWhatTheReleaseSet(t *testing.T) {
	info := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.0.1"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
		},
	}
	b := Build{Version: "v1.2.3"}
	fillBuild(&b, info)
	if b.Version != "v1.2.3" || b.Commit != "abc-dirty" || b.Date != "2026-01-02T03:04:05Z" {
		t.Errorf("got %+v", b)
	}
	b = Build{}
	fillBuild(&b, info)
	if b.Version != "v0.0.1" {
		t.Errorf("got %+v", b)
	}
	if s := Version().String(); !strings.Contains(s, Version().Version) || !strings.Contains(s, "go1.") {
		t.Errorf("got %q", s)
	}
}

func TestVersionCommandAndFlagPrintTheSame(t *testing.T) {
	var command, flag sample
	if code := command.run(t, "version"); code != ExitOK {
		t.Errorf("version: exit code %d", code)
	}
	if code := flag.run(t, "--version"); code != ExitOK || flag.ran {
		t.Errorf("--version: exit code %d, ran: %v (want not)", code, flag.ran)
	}
	if want := "fairlead-sample " + Version().String() + "\n"; command.out.String() != want || flag.out.String() != want {
		t.Errorf("version: %q, --version: %q, want %q", &command.out, &flag.out, want)
	}
}

func TestBuildInfoMetricNamesEverything(t *testing.T) {
	_, url := startOps(t, OpsOptions{})
	_, text := get(t, url+"/metrics")
	b := Version()
	want := fmt.Sprintf("fairlead_build_info{commit=%q,date=%q,go_version=%q,version=%q} 1", b.Commit, b.Date, b.Go, b.Version)
	if !strings.Contains(text, want) {
		t.Errorf("metrics lack %s", want)
	}
}
