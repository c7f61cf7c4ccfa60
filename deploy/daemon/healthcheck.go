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
	// healthcheckTimeout bounds a whole health check: more than three times what
	// the listener gives itself (checkTimeout), for a machine that is busy, and
	// less than the five seconds that a probe should be given.
	healthcheckTimeout = 3 * time.Second
	// maxReport bounds what is read of a report, in bytes: one has a line for
	// each of a handful of checks.
	maxReport = 64 << 10
	// healthcheckPause is the time from one answer to the next question: a wait
	// is for what takes seconds.
	healthcheckPause = 500 * time.Millisecond
)

// healthPaths are where a health check asks, by its argument.
var healthPaths = map[string]string{"live": "/livez", "ready": "/readyz", "cluster": "/clusterz"}

// errUnhealthy ends a health check whose output says all that there is to say.
var errUnhealthy = errors.New("not healthy")

// healthcheckCommand asks the ops listener of the process that the same binary,
// environment and configuration file run. It returns nil for a program that has
// no such listener.
func healthcheckCommand(root *cobra.Command) *cobra.Command {
	listen := ""
	forEach(root, func(cmd *cobra.Command) {
		if f := cmd.Flags().Lookup(opsListenFlag); f != nil {
			listen = f.DefValue
		}
	})
	if listen == "" {
		return nil
	}
	timeout, wait := healthcheckTimeout, time.Duration(0)
	cmd := &cobra.Command{
		Use:   "healthcheck [live|ready|cluster]",
		Short: "Ask the running process whether it is well",
		Long: `Asks the ops listener of the process that runs beside it whether the process is
live or (without an argument) ready. It prints the report and exits with 0, or
prints only the checks that fail, with their reasons, and exits with 1: so that a
container's health check and a pod's events say why. With 'cluster' it asks a
broker whether it is connected to all the nodes that it should be.

The address is found as the process itself finds it, from the environment or the
configuration file. One that the process has from its own command line must be
given here too.`,
		Example: fmt.Sprintf("  %[1]s healthcheck\n  %[1]s healthcheck live --ops-listen 127.0.0.1:9000", root.Name()),
		Args:    cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []cobra.Completion{
			cobra.CompletionWithDesc("live", "would a restart help?"), cobra.CompletionWithDesc("ready", "can it do its work?"),
			cobra.CompletionWithDesc("cluster", "is a broker connected to all others?"),
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/readyz"
			if len(args) == 1 {
				path = healthPaths[args[0]]
			}
			address, err := addressToAsk(listen)
			switch {
			case err != nil:
				return err
			case timeout <= 0:
				return Usagef("timeout: %v is no time at all", timeout)
			case wait < 0:
				return Usagef("wait: %v is less than no time", wait)
			}
			well, report := awaitHealth(cmd.Context(), "http://"+address+path, timeout, wait)
			if _, err := io.WriteString(cmd.OutOrStdout(), report); err != nil {
				return err
			}
			if !well {
				return errUnhealthy
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, opsListenFlag, listen, "`address` that the process listens on for /livez and /readyz")
	f.DurationVar(&timeout, "timeout", timeout, "bound for an answer")
	f.DurationVar(&wait, "wait", 0, "`time` during which to ask again until all is well (default: ask once)")
	ConfigFlag(f)
	readPartly(f)
	return cmd
}

// addressToAsk is where a listener on an address is reached from its own host.
func addressToAsk(listen string) (string, error) {
	if listen == "" {
		return "", Usagef("%s: empty: the process has no ops listener that could be asked", opsListenFlag)
	}
	if err := CheckAddress(opsListenFlag, listen); err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err // CheckAddress has split it before
	}
	if port == "0" {
		return "", Usagef("%s: %q: port 0 lets the system choose one, which cannot be known here", opsListenFlag, listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // also where "[::]" is listened on: Go listens for both families
	}
	return net.JoinHostPort(host, port), nil
}

// awaitHealth asks until a report is good or the next one would be later than
// wait allows. It returns the last one.
func awaitHealth(ctx context.Context, target string, timeout, wait time.Duration) (well bool, report string) {
	end := time.Now().Add(wait)
	for {
		one, cancel := context.WithTimeout(ctx, timeout)
		well, report = askHealth(one, target)
		cancel()
		if well || time.Until(end) < healthcheckPause {
			return well, report
		}
		select {
		case <-time.After(healthcheckPause):
		case <-ctx.Done():
			return well, report
		}
	}
}

// askHealth fetches a report. It returns the whole of a good one, and of a bad
// one what is bad.
func askHealth(ctx context.Context, target string) (well bool, report string) {
	// No proxy of the environment: this is for the own host.
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
		err = op.Err // without the address once more
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
