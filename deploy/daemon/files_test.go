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

// Files that change with the configuration have one line for all, are polled, and show when
// their certificates expire. Of one name there is one metric.
func TestFilesOfAnOwner(t *testing.T) {
	ops, url := startOps(t, OpsOptions{})
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	polled := make(chan struct{}, 1)
	var ca, own reload.Status
	ca.Certificates = []reload.Certificate{{Subject: "root", CA: true, NotBefore: until.Add(-time.Hour), NotAfter: until}}
	own.Certificates = []reload.Certificate{{Subject: "me", NotAfter: until}}
	files := []reload.Followed{
		{Name: "oidc[ci].ca", Status: func() reload.Status { return ca }, Poll: func() {
			select {
			case polled <- struct{}{}:
			default:
			}
		}},
		{Name: "oidc[ci].ca", Status: func() reload.Status { return ca }, Poll: func() {}},
	}
	ops.Files("access", func() []reload.Followed { return files })
	ops.Follow(reload.Followed{Name: "tls-cert", Status: func() reload.Status { return own }, Poll: func() {}})
	want := func(path string, lines ...string) {
		t.Helper()
		_, text := get(t, url+path)
		for _, line := range lines {
			if !strings.Contains("\n"+text, "\n"+line+"\n") {
				t.Errorf("%s lacks %s:\n%s", path, line, text)
			}
		}
	}
	want("/readyz", "[+]access-files in use as they are: 2", "[+]tls-cert-file in use as read at 0001-01-01T00:00:00Z")
	want("/metrics", `fairlead_config_last_reload_successful{file="oidc[ci].ca"} 1`,
		`fairlead_certificate_not_after_timestamp_seconds{file="oidc[ci].ca",subject="root",use="ca"} 1.798859045e+09`,
		`fairlead_certificate_not_before_timestamp_seconds{file="oidc[ci].ca",subject="root",use="ca"} 1.798855445e+09`,
		`fairlead_certificate_not_after_timestamp_seconds{file="tls-cert",subject="me",use="own"} 1.798859045e+09`)
	select {
	case <-polled:
	case <-time.After(10 * time.Second):
		t.Error("not polled")
	}
	ca.Refused = errors.New("no PEM certificate in it")
	want("/readyz", "[+]access-files NOT all in use as they are now: oidc[ci].ca as read at 0001-01-01T00:00:00Z: no PEM certificate in it")
	want("/metrics", `fairlead_config_last_reload_successful{file="oidc[ci].ca"} 0`)
}
