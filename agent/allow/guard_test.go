package allow

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guarded is a guard whose file a test writes, with what it logs.
type guarded struct {
	*Guard
	file     string
	log      bytes.Buffer
	registry *prometheus.Registry
}

// metric is the value of a counter, with that reason if it has one.
func (g *guarded) metric(t *testing.T, name, reason string) float64 {
	t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "fairlead_agent_allow_"+name && (reason == "" || m.GetLabel()[0].GetValue() == reason) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s of %q", name, reason)
	return 0
}

// newGuard makes a guard of a list, "" for a file that is not there, and runs it until
// the test ends. It is for a synctest bubble.
func newGuard(t *testing.T, list string) *guarded {
	t.Helper()
	g := &guarded{file: filepath.Join(t.TempDir(), "allow.yaml"), registry: prometheus.NewRegistry()}
	if list != "" {
		g.write(t, list)
	}
	g.Guard = New(Config{
		Path: g.file, Registry: g.registry, Logger: slog.New(slog.NewTextHandler(&g.log, nil)),
		Namespace: func() (string, error) { return ownNamespace, nil },
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return g
}

// write replaces the file, as a ConfigMap's volume does.
func (g *guarded) write(t *testing.T, list string) {
	t.Helper()
	if err := os.WriteFile(g.file+".new", []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	// The time of the bubble is not that of the file system.
	if err := os.Chtimes(g.file+".new", time.Time{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(g.file+".new", g.file); err != nil {
		t.Fatal(err)
	}
}

const get = "GET /api/v1/namespaces/shop/pods?watch=1"

// TestListThatCannotBeUsed: it allows nothing, until it can.
func TestListThatCannotBeUsed(t *testing.T) {
	for name, list := range map[string]string{"missing": "", "empty": " ", "damaged": "readOnly: [", "a typo": "readonly: true"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard(t, list)
				_, _, err := g.Admit(t.Context(), request(get, nil))
				if subjects.CodeRefused != fault.In(err).Code || !strings.Contains(err.Error(), "no list") {
					t.Errorf("without a list: %v", err)
				}
				select {
				case <-g.Ready():
					t.Error("ready without a list")
				default:
				}
				if text, err := g.Check(t.Context()); err == nil || !strings.Contains(err.Error(), g.file) {
					t.Errorf("check: %q, %v", text, err)
				}
				if s := g.Status(); s.Refused == nil || !s.Read.IsZero() {
					t.Errorf("status: %+v", s)
				}
				time.Sleep(time.Minute)
				g.write(t, "readOnly: true")
				<-g.Ready()
				if n := strings.Count(g.log.String(), "no usable allow-list"); n != 1 {
					t.Errorf("told %d times that there is no list, want once:\n%s", n, g.log.String())
				}
				_, done, err := g.Admit(t.Context(), request(get, nil))
				if err != nil {
					t.Fatal(err)
				}
				done()
				if _, err := g.Check(t.Context()); err != nil {
					t.Errorf("check: %v", err)
				}
				if s := g.Status(); s.Refused != nil || s.Read.IsZero() {
					t.Errorf("status: %+v", s)
				}
			})
		})
	}
}

// TestChangeEndsWhatRuns: within a second, with the rule as the reason, and nothing else.
func TestChangeEndsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, "as: {agent: true, users: [jane, joe]}")
		admit := func(line string, as *subjects.Identity) (context.Context, func()) {
			t.Helper()
			ctx, done, err := g.Admit(t.Context(), request(line, as))
			if err != nil {
				t.Fatal(err)
			}
			return ctx, done
		}
		stays, done1 := admit(get, &subjects.Identity{User: "jane"})
		exec, done2 := admit("GET /api/v1/namespaces/shop/pods/a/exec upgrade", nil)
		joe, done3 := admit(get, &subjects.Identity{User: "joe"})
		over, done4 := admit("GET /api/v1/namespaces/shop/pods/a/exec upgrade", nil)
		done4()
		if !errors.Is(context.Cause(over), context.Canceled) {
			t.Errorf("an ended request: %v", context.Cause(over))
		}
		time.Sleep(time.Minute)
		g.write(t, "as: {agent: true, users: [jane]}\nexec: false")
		began := time.Now()
		<-exec.Done()
		<-joe.Done()
		if took := time.Since(began); took > time.Second {
			t.Errorf("ended after %s", took)
		}
		for ctx, rule := range map[context.Context]string{exec: "rule exec: false", joe: `rule as.users: user "joe"`} {
			if f := fault.Interrupted(ctx); f == nil || f.Code != subjects.CodeRevoked || !strings.Contains(f.Error(), rule) {
				t.Errorf("ended with %v, want %s", context.Cause(ctx), rule)
			}
		}
		if stays.Err() != nil {
			t.Errorf("ended what is still allowed: %v", context.Cause(stays))
		}
		done1()
		done2()
		done3()
		if n := g.metric(t, "ended_total", ""); len(g.running) != 0 || n != 2 {
			t.Errorf("%d requests are still entered, %v were ended", len(g.running), n)
		}
	})
}

// TestBadChangeKeepsTheList: the last good list stays in force, and readiness and log
// say that the file is not in use.
func TestBadChangeKeepsTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, "readOnly: true")
		time.Sleep(time.Minute)
		for _, bad := range []string{"readOnly: true\nexec: nothing", ""} {
			g.write(t, bad)
			time.Sleep(time.Second)
			if text, err := g.Check(t.Context()); err != nil || !strings.Contains(text, "the changed file is not in use: ") {
				t.Errorf("check: %q, %v", text, err)
			}
			if !strings.Contains(g.log.String(), "cannot be used; keeping what was read before") {
				t.Errorf("log:\n%s", g.log.String())
			}
			if g.metric(t, "file_refused", "") != 1 {
				t.Error("no metric says that the file is refused")
			}
			_, done, err := g.Admit(t.Context(), request(get, nil))
			if err != nil {
				t.Fatalf("the list is gone: %v", err)
			}
			done()
			if _, _, err := g.Admit(t.Context(), request("POST /api/v1/namespaces/shop/pods", nil)); err == nil {
				t.Error("the list is open")
			}
		}
		g.write(t, "exec: false")
		time.Sleep(time.Second)
		if text, err := g.Check(t.Context()); err != nil || text != "in force" {
			t.Errorf("check: %q, %v", text, err)
		}
		if _, _, err := g.Admit(t.Context(), request("POST /api/v1/namespaces/shop/pods", nil)); err != nil {
			t.Errorf("the new list: %v", err)
		}
	})
}

// TestRefusalsAreCounted: by reason, each of which has a counter.
func TestRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, "readOnly: true")
		for _, line := range []string{"POST /x", "GET //x", "BREW /x"} {
			if _, _, err := g.Admit(t.Context(), request(line, nil)); fault.In(err) == nil || fault.In(err).Code != subjects.CodeRefused {
				t.Errorf("%s: %v", line, err)
			}
		}
		for _, reason := range []string{reasonReadOnly, reasonAmbiguous, reasonMethod} {
			if n := g.metric(t, "refusals_total", reason); n != 1 {
				t.Errorf("%s: %v", reason, n)
			}
		}
		if len(g.running) != 0 {
			t.Errorf("%d refused requests are still entered", len(g.running))
		}
	})
}

// TestUnknownNamespace: what guards the list itself must be known.
func TestUnknownNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "allow.yaml")
		if err := os.WriteFile(file, []byte("exec: false"), 0o600); err != nil {
			t.Fatal(err)
		}
		g := New(Config{
			Path: file, Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
			Namespace: func() (string, error) { return "", os.ErrNotExist },
		})
		if text, err := g.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "own namespace") {
			t.Errorf("check: %q, %v", text, err)
		}
	})
}

// TestNilGuard: without a list everything is as the credentials have it.
func TestNilGuard(t *testing.T) {
	var g *Guard
	ctx, done, err := g.Admit(t.Context(), request("POST /x", nil))
	if err != nil || ctx != t.Context() {
		t.Error(ctx, err)
	}
	done()
	<-g.Ready()
}
