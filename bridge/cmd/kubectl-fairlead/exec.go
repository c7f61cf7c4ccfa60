package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/client/kube"
	"github.com/fairlead-io/fairlead/bridge/client/reconnect"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/terminal"
)

// podOptions name a container of a cluster.
type podOptions struct{ cluster, namespace, container string }

func (o *podOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.cluster, "cluster", "", "`name` of the cluster, such as prod.acme (default: that of the current context, if kubectl fairlead use made it)")
	f.StringVarP(&o.namespace, "namespace", "n", "", "`namespace` of the pod (default: that of the current context, or default)")
	f.StringVarP(&o.container, "container", "c", "", "`name` of the container (default: as the API server has it)")
}

// holdText is reconnect.Hold as people say it.
func holdText() string { return fmt.Sprintf("%.0f minutes", reconnect.Hold.Minutes()) }

func (p *plugin) execInPod() *cobra.Command {
	var o podOptions
	var stdin, tty bool
	cmd := &cobra.Command{
		Use:   "exec POD [flags] -- COMMAND [ARG...]",
		Short: "Execute a command in a container, and go on when the network was lost",
		Long: "Execute a command in a container, as kubectl exec does, over a connection that goes on when your network is back within " +
			holdText() + ". kubectl exec works as well, and ends with its connection.",
		Example: "  kubectl fairlead exec -it web-0 -- sh",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 1 {
				return errors.New("give one pod, then -- and the command")
			}
			q := url.Values{"command": args[1:], "stdout": {"true"}}
			if stdin {
				q.Set("stdin", "true")
			}
			return p.exec(cmd.Context(), o, args[0], q, stdin, tty)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVarP(&stdin, "stdin", "i", false, "pass your input on")
	cmd.Flags().BoolVarP(&tty, "tty", "t", false, "give the command a terminal")
	return cmd
}

// exec runs a command with the user's input and output.
func (p *plugin) exec(ctx context.Context, o podOptions, pod string, q url.Values, stdin, tty bool) error {
	streams := remotecommand.StreamOptions{Stdout: p.stdout}
	if stdin {
		streams.Stdin = p.stdin
	}
	d, err := p.lasting(&o)
	if err != nil {
		return err
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	if tty && stdin {
		t, err := terminal.Open(p.stdin, p.stdout)
		switch {
		case err == nil:
			defer t.Close()
			keys := terminal.ReadKeys(p.stdin, func() { giveUp(errGivenUp) })
			defer keys.Close()
			d.typing(keys)
			streams.TerminalSizeQueue, streams.Stdin = t, keys
		case errors.Is(err, terminal.ErrNone):
			fmt.Fprintln(p.stderr, "Your input is not a terminal: the command gets none.")
			tty = false
		default:
			return fmt.Errorf("terminal: %w", err)
		}
	}
	if streams.Tty = tty; tty {
		q.Set("tty", "true") // a terminal has no separate stderr
	} else {
		q.Set("stderr", "true")
		streams.Stderr = p.stderr
	}
	u, err := o.target(&d.Dialer, pod, "exec", q)
	if err != nil {
		return err
	}
	executor, err := kube.Executor(&d.Dialer, u)
	if err != nil {
		return err
	}
	if err = executor.StreamWithContext(ctx, streams); err != nil && context.Cause(ctx) == errGivenUp {
		return errGivenUp
	}
	return d.explain(err)
}

// errGivenUp is of a user who has pressed Ctrl-C while nothing else could get it.
var errGivenUp = fmt.Errorf("given up; a command that has begun in the container ends within %v: %w", reconnect.Hold, &signalError{syscall.SIGINT})

// typing makes the words and keys of d those of a terminal in raw mode.
func (d *dialer) typing(keys *terminal.Keys) {
	lost, back := d.Lost, d.Back
	d.newline = "\r\n"
	d.hint = " Press Ctrl-C to give up."
	d.Lost = func(err error) {
		lost(err)
		keys.Lost()
	}
	d.Back = func(lasted time.Duration) {
		keys.Back()
		back(lasted)
	}
}

// target is the URL of a subresource of a pod.
func (o *podOptions) target(d *reconnect.Dialer, pod, subresource string, q url.Values) (*url.URL, error) {
	if o.container != "" {
		q.Set("container", o.container)
	}
	u, err := url.Parse(d.URL())
	if err != nil {
		return nil, err
	}
	for _, name := range []string{o.namespace, pod} {
		if name == "" || strings.ContainsAny(name, "/?#%") || strings.Trim(name, ".") == "" {
			return nil, fmt.Errorf("%q is not a name of Kubernetes", name)
		}
	}
	u = u.JoinPath("api/v1/namespaces", o.namespace, "pods", pod, subresource)
	u.RawQuery = q.Encode()
	return u, nil
}

// dialer makes connections for a command, and tells the user of losses.
type dialer struct {
	reconnect.Dialer
	bridge  string
	newline string // of a terminal in raw mode
	hint    string // for who waits for a connection to come back
}

// lasting makes a dialer for the cluster that the user means, and completes o.
func (p *plugin) lasting(o *podOptions) (*dialer, error) {
	bridge, err := p.bridgeURL()
	if err != nil {
		return nil, err
	}
	if err := o.complete(bridge); err != nil {
		return nil, err
	}
	options := client.Options{UserAgent: "kubectl-fairlead/" + version, Token: client.TokenFunc(func(ctx context.Context) (string, error) {
		s, err := p.session(ctx, bridge)
		if err != nil {
			return "", err
		}
		return s.IDToken, nil
	})}
	s, err := p.session(context.Background(), bridge)
	if err != nil {
		return nil, err
	}
	if s.Login.BridgeCA != "" {
		if options.TLS.CA, err = os.ReadFile(s.Login.BridgeCA); err != nil {
			return nil, fmt.Errorf("--bridge-ca: %w", err)
		}
	}
	c, err := client.New(bridge, options)
	if err != nil {
		return nil, err
	}
	d := &dialer{Dialer: reconnect.Dialer{Client: c, Cluster: o.cluster}, bridge: bridge, newline: "\n"}
	d.Lost = func(err error) {
		d.tell(p.stderr, fmt.Sprintf("The connection was lost, and is tried again for %v: %s", reconnect.Hold, reason(err))+"."+d.hint)
	}
	d.Back = func(lasted time.Duration) {
		d.tell(p.stderr, "The connection is back after "+lasted.Round(time.Second/10).String()+".")
	}
	return d, nil
}

func (d *dialer) tell(w io.Writer, what string) { _, _ = io.WriteString(w, d.newline+what+d.newline) }

// reason is why a connection was lost, without the steps of the program that noticed it.
func reason(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it was closed on the way, or by the bridge"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return signin.Printable(err.Error())
}

// explain says in words of the user what ended a command.
func (d *dialer) explain(err error) error {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return explain(d.bridge, e)
	}
	if err == nil || exitCode(err) != 1 {
		return err
	}
	return errors.New(signin.Printable(err.Error())) // the bridge's texts may be in it
}

// complete takes what was not given from the context that kubectl fairlead use made.
func (o *podOptions) complete(bridge string) error {
	config, err := clientcmd.NewDefaultPathOptions().GetStartingConfig()
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	cluster, ours := strings.CutSuffix(config.CurrentContext, "@"+hostOf(bridge))
	if o.cluster == "" {
		if !ours {
			return errors.New("which cluster? Give --cluster, or make a context: kubectl fairlead use CLUSTER")
		}
		o.cluster = cluster
	}
	if o.namespace == "" && ours && cluster == o.cluster && config.Contexts[config.CurrentContext] != nil {
		o.namespace = config.Contexts[config.CurrentContext].Namespace
	}
	if o.namespace == "" {
		o.namespace = "default"
	}
	return nil
}
