package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/deploy/reload"
)

// A changed file that is refused shows in the metrics and in /readyz, which stays good.
func TestFilesThatAreFollowed(t *testing.T) {
	ops, url := startOps(t, OpsOptions{})
	access := reload.Status{Read: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)}
	ops.File("access", func() reload.Status { return access })
	ops.FileMetrics("allow", func() reload.Status { return reload.Status{Refused: errors.New("no file")} })

	want := func(why, readyz string, metrics ...string) {
		t.Helper()
		if code, text := get(t, url+"/readyz"); code != 200 || text != readyz+"readyz check passed\n" {
			t.Errorf("%s: got %d %q, want %q", why, code, text, readyz)
		}
		_, text := get(t, url+"/metrics")
		for _, m := range metrics {
			if !strings.Contains(text, "\n"+m+"\n") {
				t.Errorf("%s: the metrics lack %s", why, m)
			}
		}
	}
	want("as read", "[+]access-file in use as read at 2027-01-02T03:04:05Z\n",
		`fairlead_config_last_reload_successful{file="access"} 1`,
		`fairlead_config_last_reload_success_timestamp_seconds{file="access"} 1.798859045e+09`,
		`fairlead_config_last_reload_successful{file="allow"} 0`,
		`fairlead_config_last_reload_success_timestamp_seconds{file="allow"} 0`)
	access.Refused = errors.New("access: a.yaml: line 3: unknown key\nline 4: another\nline 5: a third")
	want("refused", "[+]access-file NOT in use as it is now, but as read at 2027-01-02T03:04:05Z: access: a.yaml: line 3: unknown key (lines of reasons that follow: 2; see the log)\n",
		`fairlead_config_last_reload_successful{file="access"} 0`,
		`fairlead_config_last_reload_success_timestamp_seconds{file="access"} 1.798859045e+09`)
}
