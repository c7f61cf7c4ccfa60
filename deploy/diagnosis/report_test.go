package diagnosis

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

var at = time.Date(2026, 11, 28, 16, 0, 0, 0, time.UTC)

// example has every status, two alternatives and an expiring certificate.
func example() *Report {
	hops := []cause.Hop{cause.DNS, cause.TCP, cause.TLS, cause.NATS}
	first := New("tls://a.example:4222", "broker", hops...)
	first.Check(cause.DNS).Pass("a.example is 10.0.0.7")
	first.Check(cause.DNS).Fact("name", "a.example")
	first.Check(cause.DNS).Fact("nothing", "")
	first.Check(cause.DNS).Took(1234567 * time.Nanosecond)
	first.Check(cause.TCP).Fail(&cause.Failure{
		Hop: cause.TCP, Cause: cause.Refused, Tried: "connect to 10.0.0.7:4222", Got: "connection \x1b[31mrefused\n", Err: errors.New("x"),
	})
	words := first.Check(cause.TCP).Failure // not the catalogue's, which may change
	words.Title, words.Likely, words.Do = "connection refused", "nothing listens on that port, or a firewall rejects the connection.", "Check the port."
	second := New("tls://10.0.0.8:4222", "broker", hops...)
	second.Check(cause.DNS).Skip("the server is named by its address")
	second.Check(cause.TCP).Pass("connected to 10.0.0.8:4222")
	cert := &x509.Certificate{
		Raw: []byte("der"), NotAfter: at.Add(3 * 24 * time.Hour),
		Subject: pkix.Name{CommonName: "broker"}, Issuer: pkix.Name{CommonName: "ca"},
	}
	second.Check(cause.TLS).PassTLS(&tls.ConnectionState{
		Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, PeerCertificates: []*x509.Certificate{cert},
	}, at)
	second.Check(cause.NATS).Pass("a NATS server answers")
	return &Report{Program: "fairlead-agent", Version: "v1.2.3", Time: at, Targets: []*Target{first, second}}
}

// TestShape: the JSON is what docs/doctor.md says, and the tables are as they were.
func TestShape(t *testing.T) {
	r := example()
	r.Judge()
	var asJSON, table, ascii bytes.Buffer
	if err := errors.Join(r.WriteJSON(&asJSON), r.WriteTable(&table, Style{Color: true}), r.WriteTable(&ascii, Style{ASCII: true, Width: 70})); err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{"report.json": asJSON.Bytes(), "color.txt": table.Bytes(), "ascii.txt": ascii.Bytes()} {
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile("testdata/"+file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
		}
	}
	if bytes.ContainsFunc(ascii.Bytes(), func(r rune) bool { return r > 126 }) {
		t.Errorf("not ASCII:\n%s", ascii.Bytes())
	}
}

func TestExitCodes(t *testing.T) {
	seen := map[int]cause.Hop{0: "fine", 1: "failure", 2: "usage"}
	for _, h := range slices.Concat(cause.Hops(), BridgeHops()[8:]) {
		if other, used := seen[Code(h)]; used {
			t.Errorf("%s has the exit code of %s", h, other)
		}
		seen[Code(h)] = h
	}
	target := func(group string, failed cause.Hop) *Target {
		t := New("x", group, cause.Hops()...)
		if failed != "" {
			t.Check(failed).Fail(&cause.Failure{Hop: failed, Cause: cause.Unknown})
		}
		return t
	}
	for _, c := range []struct {
		what    string
		targets []*Target
		want    int
	}{
		{"nothing fails", []*Target{target("a", ""), target("b", "")}, 0},
		{"an alternative works", []*Target{target("a", cause.DNS), target("a", "")}, 0},
		{"the alternative that got farthest", []*Target{target("a", cause.JWT), target("a", cause.DNS)}, 16},
		{"another group", []*Target{target("a", ""), target("b", cause.Kubernetes)}, 18},
		{"the first group", []*Target{target("a", cause.TLS), target("b", cause.Kubernetes)}, 13},
	} {
		r := &Report{Targets: c.targets}
		if r.Judge(); r.ExitCode != c.want || r.OK != (c.want == 0) {
			t.Errorf("%s: exit code %d, OK %t; want %d", c.what, r.ExitCode, r.OK, c.want)
		}
	}
}

func TestOutput(t *testing.T) {
	for _, o := range []Output{{Format: "yaml", Timeout: time.Second}, {Format: "json"}, {Format: "json", Timeout: time.Hour}} {
		if _, usage := errors.AsType[*daemon.UsageError](o.Validate()); !usage {
			t.Errorf("%+v is accepted", o)
		}
	}
	r := example()
	r.Targets = r.Targets[:1]
	r.Judge()
	for format, want := range map[string]string{"json": `{`, "table": "fairlead-agent doctor"} {
		var b strings.Builder
		o := Output{Format: format, Timeout: time.Second}
		exit, ok := errors.AsType[*daemon.Exit](o.Write(&b, r))
		if o.Validate() != nil || !ok || exit.Code != 11 || !strings.HasPrefix(b.String(), want) {
			t.Errorf("%s: %v\n%s", format, exit, b.String())
		}
	}
	if help := CodesHelp(BridgeHops()...); !strings.Contains(help, "12 proxy") || !strings.Contains(help, "26 front") {
		t.Error(help)
	}
	if help := CodesHelp(cause.Hops()...); !strings.Contains(help, "10 dns") || !strings.Contains(help, "18 kubernetes") {
		t.Error(help)
	}
}

func TestStyle(t *testing.T) {
	for _, c := range []struct {
		env   string
		ascii bool
	}{
		{"", false}, {"LANG=C.UTF-8", false}, {"LANG=de_DE.utf8", false}, {"LANG=C", true},
		{"LC_ALL=POSIX LANG=en_US.UTF-8", true}, {"LC_CTYPE=en_US.UTF-8 LANG=C", false},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(c.env) {
			k, v, _ := strings.Cut(pair, "=")
			env[k] = v
		}
		s := StyleFor(&bytes.Buffer{}, func(k string) string { return env[k] })
		if s.ASCII != c.ascii || s.Color {
			t.Errorf("%s: %+v", c.env, s)
		}
	}
}

func TestExpiry(t *testing.T) {
	for _, c := range []struct {
		end  time.Time
		text string
		warn bool
	}{
		{time.Time{}, "never expires", false},
		{at.Add(-time.Minute), "expired 2026-11-28T15:59:00Z", true},
		{at.Add(3 * time.Hour), "(in 3 hours)", true},
		{at.Add(ExpiryWarning - time.Second), "(in 13 days)", true},
		{at.Add(ExpiryWarning), "(in 14 days)", false},
	} {
		var check Check
		check.WarnExpiry("x", c.end, at)
		if text := Until(c.end, at); !strings.Contains(text, c.text) || (len(check.Warnings) == 1) != c.warn {
			t.Errorf("%v: %q, warnings %q", c.end, text, check.Warnings)
		}
	}
}
