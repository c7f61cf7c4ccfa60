package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// TestRefusedFilesAreTold: while the bridge runs, a changed access file or tokens file
// that cannot be used shows in /readyz and in the metrics until it is corrected.
func TestRefusedFilesAreTold(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	ca := testca.New(t, "callers")
	write("ca.crt", string(ca.PEM()))
	const config = "authentication: {clientCertificates: {certificateAuthority: ca.crt}}\n" +
		"audit: {jetStream: {servers: ['nats://127.0.0.1:1'], certificateAuthority: ca.crt}}\n"
	write("access.yaml", config)
	write("tokens.yaml", "tokens: []")
	log := slog.New(slog.DiscardHandler)
	ops, err := daemon.NewOps(daemon.OpsOptions{}, log)
	if err != nil {
		t.Fatal(err)
	}
	w := &wiring{o: &runOptions{access: filepath.Join(dir, "access.yaml"), tokens: filepath.Join(dir, "tokens.yaml"),
		broker: reach.Config{Servers: []string{"tls://127.0.0.1:1"}}}, log: log, ops: ops}
	components, err := w.callers()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- daemon.Run(ctx, log, time.Second, components...) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	show := func(path string) string {
		r := httptest.NewRecorder()
		ops.Handler().ServeHTTP(r, httptest.NewRequest("GET", path, nil))
		b, _ := io.ReadAll(r.Body)
		return string(b)
	}
	// told waits for a line of /readyz.
	told := func(line string) {
		t.Helper()
		eventually.Nil(t, "a line of /readyz", func() error {
			if said := show("/readyz"); !strings.Contains(said, "[+]"+line) {
				return fmt.Errorf("/readyz lacks %s:\n%s", line, said)
			}
			return nil
		})
	}
	// until is told, and checks the gauge of the file.
	until := func(file, line, gauge string) {
		t.Helper()
		told(file + "-file " + line)
		metrics := show("/metrics")
		for _, want := range []string{
			`fairlead_config_last_reload_successful{file="` + file + `"} ` + gauge + "\n",
			`fairlead_config_last_reload_success_timestamp_seconds{file="` + file + `"} 1.`,
		} {
			if !strings.Contains(metrics, want) {
				t.Errorf("the metrics lack %s", want)
			}
		}
	}
	until("access", "in use as read at ", "1")
	until("tokens", "in use as read at ", "1")
	until("audit.jetStream.certificateAuthority", "in use as read at ", "1")
	write("access.yaml", "grnts: []")
	write("tokens.yaml", "tokns: []")
	until("access", "NOT in use as it is now, but as read at ", "0")
	until("tokens", "NOT in use as it is now, but as read at ", "0")
	if text := show("/readyz"); !strings.Contains(text, `access.yaml: line 1: unknown key "grnts": did you mean "grants"?`) {
		t.Errorf("/readyz does not say why:\n%s", text)
	}
	write("access.yaml", config+"\n")
	until("access", "in use as read at ", "1")
	const named = "authentication.clientCertificates.certificateAuthority"
	if metrics := show("/metrics"); !strings.Contains(metrics, `fairlead_certificate_not_after_timestamp_seconds{file="`+named+`",subject="callers",use="ca"} `) {
		t.Errorf("the metrics do not say when a CA expires that the access file names:\n%s", metrics)
	}
	write("ca.crt", "junk")
	told("access-named-files NOT all in use as they are now: " + named + " as read at ")
	if metrics := show("/metrics"); !strings.Contains(metrics, `fairlead_config_last_reload_successful{file="`+named+`"} 0`) {
		t.Errorf("the metrics do not say that a CA was refused:\n%s", metrics)
	}
	write("ca.crt", string(ca.PEM())+"\n")
	told("access-named-files in use as they are: 1")
}
