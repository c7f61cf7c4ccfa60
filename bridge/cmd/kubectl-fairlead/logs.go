package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
)

// maxStatus bounds a refusal of an API server that is read, in bytes.
const maxStatus = 64 << 10

func (p *plugin) logsCommand() *cobra.Command {
	var o podOptions
	var follow, previous, timestamps bool
	var since time.Duration
	var tail int64
	cmd := &cobra.Command{
		Use:   "logs POD",
		Short: "Print the log of a container, and go on when the network was lost",
		Long: "Print the log of a container, as kubectl logs does, over a connection that goes on when your network is back within " +
			holdText() + ".",
		Example: "  kubectl fairlead logs -f web-0",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{}
			for name, set := range map[string]bool{"follow": follow, "previous": previous, "timestamps": timestamps} {
				if set {
					q.Set(name, "true")
				}
			}
			if since < 0 || tail < -1 {
				return fmt.Errorf("--since and --tail cannot be negative")
			}
			if since > 0 {
				q.Set("sinceSeconds", strconv.FormatInt(int64((since+time.Second-1)/time.Second), 10))
			}
			if tail >= 0 {
				q.Set("tailLines", strconv.FormatInt(tail, 10))
			}
			return p.logs(cmd.Context(), o, args[0], q)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "go on with what is written")
	f.BoolVarP(&previous, "previous", "p", false, "of the container's last run")
	f.BoolVar(&timestamps, "timestamps", false, "begin each line with its time")
	f.DurationVar(&since, "since", 0, "how old lines may be, such as 5m (default: any age)")
	f.Int64Var(&tail, "tail", -1, "how many of the last `lines` to print (default: all)")
	f.Lookup("tail").DefValue = "0" // else the help has -1 as a second default
	return cmd
}

// logs copies a log to the user's output.
func (p *plugin) logs(ctx context.Context, o podOptions, pod string, q url.Values) error {
	d, err := p.lasting(&o)
	if err != nil {
		return err
	}
	u, err := o.target(&d.Dialer, pod, "log", q)
	if err != nil {
		return err
	}
	t := &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", d.Client.UserAgent())
	res, err := t.RoundTrip(req)
	if err != nil {
		return d.explain(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return refusedByServer(res)
	}
	_, err = io.Copy(p.stdout, res.Body)
	return d.explain(err)
}

// refusedByServer reads a Status, of the API server or of the bridge.
func refusedByServer(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxStatus))
	var status metav1.Status
	if json.Unmarshal(text, &status) != nil || status.Message == "" {
		return fmt.Errorf("the API server answered %s", signin.Printable(res.Status))
	}
	return fmt.Errorf("%s (%d %s)", signin.Printable(status.Message), res.StatusCode, signin.Printable(string(status.Reason)))
}
