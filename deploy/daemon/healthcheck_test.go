package daemon

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/cobra"
)

// healthcheck runs the command line of a program whose daemon is the
// subcommand run, as the broker's and the bridge's are.
func healthcheck(args ...string) (code int, out string) {
	var b bytes.Buffer
	root := &cobra.Command{Use: "fairlead-sample"}
	run := &cobra.Command{Use: "run", RunE: func(*cobra.Command, []string) error { return nil }}
	var o OpsOptions
	o.Flags(run.Flags(), "127.0.0.1:1")
	run.Flags().String("name", "", "name")
	ConfigFlag(run.Flags())
	root.AddCommand(run)
	root.SetOut(&b)
	root.SetErr(&b)
	code = Main(root, append([]string{"healthcheck"}, args...))
	return code, b.String()
}

func TestHealthcheckPrintsTheReportOrWhatFails(t *testing.T) {
	ops, url := startOps(t, OpsOptions{})
	address := strings.TrimPrefix(url, "http://")
	var broker error
	ops.Live("progress", func(context.Context) (string, error) { return "", nil })
	ops.Ready("broker", func(context.Context) (string, error) { return "connected", broker })
	ops.Ready("api-server", func(context.Context) (string, error) { return "", broker })

	code, out := healthcheck("--ops-listen", address)
	if want := "[+]broker connected\n[+]api-server ok\nreadyz check passed\n"; code != ExitOK || out != want {
		t.Errorf("well: got %d %q, want %d %q", code, out, ExitOK, want)
	}
	broker = errors.New("not connected: revoked\ntwice")
	code, out = healthcheck("ready", "--ops-listen", address)
	if want := "broker: not connected: revoked; twice\napi-server: not connected: revoked; twice\n"; code != ExitFailure || out != want {
		t.Errorf("not well: got %d %q, want %d %q", code, out, ExitFailure, want)
	}
	code, out = healthcheck("live", "--ops-listen", address)
	if want := "[+]progress ok\nlivez check passed\n"; code != ExitOK || out != want {
		t.Errorf("live: got %d %q, want %d %q", code, out, ExitOK, want)
	}
}

// The health check for the cluster fails for a process without such checks.
func TestHealthcheckOfACluster(t *testing.T) {
	ops, url := startOps(t, OpsOptions{})
	address := strings.TrimPrefix(url, "http://")
	if code, out := healthcheck("cluster", "--ops-listen", address); code != ExitFailure || !strings.Contains(out, "404 Not Found") {
		t.Errorf("without checks: got %d %q, want %d with 404", code, out, ExitFailure)
	}
	ops.Ready("broker", func(context.Context) (string, error) { return "", errors.New("not asked for") })
	ops.Cluster("nodes", func(context.Context) (string, error) { return "all", nil })
	code, out := healthcheck("cluster", "--ops-listen", address)
	if want := "[+]nodes all\nclusterz check passed\n"; code != ExitOK || out != want {
		t.Errorf("got %d %q, want %d %q", code, out, ExitOK, want)
	}
}

func TestHealthcheckWaits(t *testing.T) {
	ops, url := startOps(t, OpsOptions{})
	address := strings.TrimPrefix(url, "http://")
	var asked atomic.Int32
	ops.Ready("broker", func(context.Context) (string, error) {
		if asked.Add(1) < 3 {
			return "", errors.New("not yet")
		}
		return "", nil
	})
	if code, out := healthcheck("--ops-listen", address, "--wait", "1m"); code != ExitOK || asked.Load() != 3 {
		t.Errorf("got %d %q after %d questions, want %d after 3", code, out, asked.Load(), ExitOK)
	}
	asked.Store(-100)
	if code, out := healthcheck("--ops-listen", address, "--wait", "950ms"); code != ExitFailure || out != "broker: not yet\n" || asked.Load() != -98 {
		t.Errorf("got %d %q after %d questions, want %d with one reason after 2", code, out, asked.Load()+100, ExitFailure)
	}
	if code, out := healthcheck("--ops-listen", address, "--wait", "-1s"); code != ExitUsage || !strings.Contains(out, "wait: -1s") {
		t.Errorf("got %d %q, want %d that names wait", code, out, ExitUsage)
	}
}

// The health check gets the address from the same places as the process. The
// configuration file is the process's: its other keys are ignored here.
func TestHealthcheckFindsTheAddressAsTheProcessDoes(t *testing.T) {
	_, url := startOps(t, OpsOptions{})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("file", func(t *testing.T) {
		t.Setenv("FAIRLEAD_CONFIG", writeFile(t, "c.yaml", "name: x\nops-listen: 0.0.0.0:"+port+"\n"))
		if code, out := healthcheck(); code != ExitOK {
			t.Errorf("exit code %d: %s", code, out)
		}
	})
	t.Run("environment", func(t *testing.T) {
		t.Setenv("FAIRLEAD_OPS_LISTEN", ":"+port)
		if code, out := healthcheck(); code != ExitOK {
			t.Errorf("exit code %d: %s", code, out)
		}
	})
	t.Run("default", func(t *testing.T) {
		if code, out := healthcheck(); code != ExitFailure || out != "ops listener: no answer from 127.0.0.1:1: connect: connection refused\n" {
			t.Errorf("exit code %d: %q", code, out)
		}
	})
}

func TestHealthcheckTellsWhatDoesNotAnswer(t *testing.T) {
	// The kernel's backlog accepts connections, and no answer ever comes.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	code, out := healthcheck("--ops-listen", silent.Addr().String(), "--timeout", "50ms")
	if code != ExitFailure || !strings.HasPrefix(out, "ops listener: no answer from 127.0.0.1:") || !strings.HasSuffix(out, " in time\n") {
		t.Errorf("a silent listener: exit code %d, %q", code, out)
	}

	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	code, out = healthcheck("--ops-listen", other.Listener.Addr().String())
	if code != ExitFailure || !strings.Contains(out, "404 Not Found: is another program listening there?") {
		t.Errorf("another program: exit code %d, %q", code, out)
	}
}

func TestHealthcheckRefusesMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		`invalid argument "alive"`:   {"alive"},
		"no ops listener":            {"--ops-listen", ""},
		"is not host:port":           {"--ops-listen", "nonsense"},
		"with port 0 the system":     {"--ops-listen", "127.0.0.1:0"},
		"must be positive":           {"--timeout", "0s"},
		"must not be negative":       {"--wait", "-1s"},
		"configuration file: open":   {"--config", "/does/not/exist"},
		"accepts at most 1 arg(s)":   {"live", "ready"},
		"ops-listen: want string":    {"--config", writeFile(t, "c.yaml", "ops-listen: [a]\n")},
		"ops-listen\" was already":   {"--config", writeFile(t, "c.yaml", "ops-listen: :1\nops-listen: :2\n")},
		"more than one YAML documen": {"--config", writeFile(t, "c.yaml", "a: b\n---\na: b\n")},
	} {
		if code, out := healthcheck(args...); code != ExitUsage || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, %q, want %d and %q", args, code, out, ExitUsage, want)
		}
	}
}

func TestAddressToAsk(t *testing.T) {
	for listen, want := range map[string]string{
		":8080": "127.0.0.1:8080", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1",
		"[::1]:1": "[::1]:1", "10.0.0.7:1": "10.0.0.7:1", "localhost:1": "localhost:1",
	} {
		if got, err := AddressToAsk(listen); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", listen, got, err, want)
		}
	}
}

func TestProgramWithoutOpsListenerHasNoHealthcheck(t *testing.T) {
	var s sample
	if code := s.run(t, "healthcheck"); code != ExitUsage || !strings.Contains(s.out.String(), "unknown command") {
		t.Errorf("exit code %d: %s", code, &s.out)
	}
}
