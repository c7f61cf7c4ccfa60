package daemon

import (
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
