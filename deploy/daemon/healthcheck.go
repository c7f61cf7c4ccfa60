package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	// healthcheckTimeout bounds one answer: more than three times what the
	// listener allows itself (checkTimeout), since the machine may be busy, and
	// less than the five seconds that a probe should allow.
	healthcheckTimeout = 3 * time.Second
	// maxReport bounds what is read of a report, in bytes: it has one line for
	// each of a handful of checks.
	maxReport = 64 << 10
	// healthcheckPause is the time from one answer to the next request: whatever
	// is waited for takes seconds.
	healthcheckPause = 500 * time.Millisecond
)

// healthPaths are the paths of the ops listener by the command's argument.
var healthPaths = map[string]string{"live": "/livez", "ready": "/readyz", "cluster": "/clusterz"}

// healthCheck is the command of that name.
type healthCheck struct {
	listen        string
	timeout, wait time.Duration
}

const healthcheckLong = `Asks the ops listener of the running process whether the process is live or
(without an argument) ready. If it is, the command prints the report and exits
with 0. Otherwise it prints the failing checks with their reasons and exits with
1, so that a container's health check and a pod's events say why. With 'cluster'
it asks a broker whether it is connected to all the other brokers.

The command finds the address as the process does, in the environment or the
configuration file. An address that the process got from its command line must be
given here too.`

// healthcheckCommand asks the ops listener of the process that the same binary,
// environment and configuration file run. It returns nil for a program that has
// no such listener.
func healthcheckCommand(root *cobra.Command) *cobra.Command {
	h := healthCheck{timeout: healthcheckTimeout}
	forEach(root, func(cmd *cobra.Command) {
		if f := cmd.Flags().Lookup(opsListenFlag); f != nil {
			h.listen = f.DefValue
		}
	})
	if h.listen == "" {
		return nil
	}
	cmd := &cobra.Command{
		Use:     "healthcheck [live|ready|cluster]",
		Short:   "Ask the running process whether it is healthy",
		Long:    healthcheckLong,
		Example: fmt.Sprintf("  %[1]s healthcheck\n  %[1]s healthcheck live --ops-listen 127.0.0.1:9000", root.Name()),
		Args:    cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []cobra.Completion{
			cobra.CompletionWithDesc("live", "would a restart help?"), cobra.CompletionWithDesc("ready", "can it do its work?"),
			cobra.CompletionWithDesc("cluster", "is a broker connected to all others?"),
		},
		RunE: h.run,
	}
	f := cmd.Flags()
	f.StringVar(&h.listen, opsListenFlag, h.listen, "`address` that the process listens on for /livez and /readyz")
	f.DurationVar(&h.timeout, "timeout", h.timeout, "bound for an answer")
	f.DurationVar(&h.wait, "wait", 0, "`time` during which to ask again until the process is healthy (default: ask once)")
	ConfigFlag(f)
	readPartly(f)
	return cmd
}

func (h *healthCheck) run(cmd *cobra.Command, args []string) error {
	path := "/readyz"
	if len(args) == 1 {
		path = healthPaths[args[0]]
	}
	address, err := AddressToAsk(h.listen)
	switch {
	case err != nil:
		return err
	case h.timeout <= 0:
		return Usagef("timeout: %v: must be positive", h.timeout)
	case h.wait < 0:
		return Usagef("wait: %v: must not be negative", h.wait)
	}
	healthy, report := awaitHealth(cmd.Context(), "http://"+address+path, h.timeout, h.wait)
	if _, err := io.WriteString(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	if !healthy {
		return &Exit{ExitFailure}
	}
	return nil
}

// AddressToAsk returns the address at which an ops listener on the address listen is
// reached from its own host. The error is a [UsageError].
func AddressToAsk(listen string) (string, error) {
	if listen == "" {
		return "", Usagef("%s: empty: the process has no ops listener to ask", opsListenFlag)
	}
	if err := CheckAddress(opsListenFlag, listen); err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err // CheckAddress has split it before
	}
	if port == "0" {
		return "", Usagef("%s: %q: with port 0 the system chooses a port, which is not known here", opsListenFlag, listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // also for "[::]": Go then listens for both families
	}
	return net.JoinHostPort(host, port), nil
}

// awaitHealth asks until a report is good, or until asking again would exceed
// wait. It returns the last report.
func awaitHealth(ctx context.Context, target string, timeout, wait time.Duration) (healthy bool, report string) {
	end := time.Now().Add(wait)
	for {
		one, cancel := context.WithTimeout(ctx, timeout)
		healthy, report = askHealth(one, target)
		cancel()
		if healthy || time.Until(end) < healthcheckPause {
			return healthy, report
		}
		select {
		case <-time.After(healthcheckPause):
		case <-ctx.Done():
			return healthy, report
		}
	}
}

// askHealth fetches a report. It returns all of a good report, and the failed
// checks of a bad one.
func askHealth(ctx context.Context, target string) (healthy bool, report string) {
	// No proxy from the environment: the listener is on this host.
	transport := &http.Transport{DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return false, fmt.Sprintf("ops listener: %v\n", err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false, noAnswer(ctx, req.URL, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReport))
	if err != nil {
		return false, noAnswer(ctx, req.URL, err)
	}
	switch res.StatusCode {
	case http.StatusOK:
		return true, string(body)
	case http.StatusServiceUnavailable:
		return false, failing(string(body))
	}
	return false, fmt.Sprintf("ops listener: %s answers %s: is another program listening there?\n", target, res.Status)
}

func noAnswer(ctx context.Context, target *url.URL, err error) string {
	if ctx.Err() != nil {
		return fmt.Sprintf("ops listener: no answer from %s in time\n", target.Host)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err // the text names the address already
	}
	return fmt.Sprintf("ops listener: no answer from %s: %v\n", target.Host, err)
}

// failing returns the reasons of a report's failed checks, or all of a report
// that has none.
func failing(report string) string {
	var b strings.Builder
	for line := range strings.Lines(report) {
		if reason, ok := strings.CutPrefix(line, "[-]"); ok {
			b.WriteString(reason)
		}
	}
	if b.Len() == 0 {
		return report
	}
	return b.String()
}
