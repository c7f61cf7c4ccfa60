// Command kubectl-fairlead is a kubectl plugin for people: it logs them in at their
// OpenID Connect issuer, gives kubectl their ID token, and makes contexts for the
// clusters of a bridge. Its login is the issuer's; the bridge has none.
//
// No token is ever written to its output, but by the command token, which exists for
// that.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"k8s.io/client-go/util/exec"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := untilSignal(os.Interrupt, syscall.SIGTERM)
	s, err := store.Open()
	if err == nil {
		p := &plugin{store: s, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, open: findBrowser(), now: time.Now}
		err = p.run(ctx, os.Args[1:])
	}
	stop()
	if by, ended := errors.AsType[*signalError](context.Cause(ctx)); ended && err != nil {
		os.Exit(by.exitCode()) // whoever sent it knows
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %s\n", lines(err.Error()))
		os.Exit(exitCode(err))
	}
}

// signalError is a signal that ended the program.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string { return "ended by signal " + e.signal.String() }

// exitCode is that of shells and of kubectl, such as 130 after Ctrl-C.
func (e *signalError) exitCode() int { return 128 + int(e.signal) }

// untilSignal returns a context that ends, with a [signalError], by the first of the signals.
// The second one ends the program at once. stop ends what it started.
func untilSignal(signals ...os.Signal) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	came := make(chan os.Signal, 1)
	signal.Notify(came, signals...)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case s := <-came:
			signal.Stop(came)
			number, _ := s.(syscall.Signal) // it always is
			cancel(&signalError{number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(came)
		cancel(nil)
		<-ended
	}
}

// maxExit is the largest exit code that a process can have everywhere: of a larger one, Unix
// takes the last 8 bits, which may be 0.
const maxExit = 255

// exitCode is that of a command in a container that ended with one, or of who was ended by the
// user, else 1.
func exitCode(err error) int {
	if by, ended := errors.AsType[*signalError](err); ended {
		return by.exitCode()
	}
	if e, ok := errors.AsType[exec.CodeExitError](err); ok && e.Code > 0 && e.Code <= maxExit {
		return e.Code
	}
	return 1
}

// lines makes the text of an error one that cannot control a terminal: parts of it may come
// from a bridge, a cluster or a proxy.
func lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// plugin is one run of the command.
type plugin struct {
	store          *store.Store
	stdin          io.Reader
	stdout, stderr io.Writer
	open           func(url string) error // nil: there is no browser
	now            func() time.Time
	bridge         string // --bridge
	bridgeCA       string // --bridge-ca, "": that of the login
	tokenFile      string // --token-file, "": there is a login
}

func (p *plugin) run(ctx context.Context, args []string) error {
	cmd := &cobra.Command{
		Use:           "kubectl-fairlead",
		Short:         "Log in to a Fairlead bridge and use its clusters",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl fairlead"},
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	cmd.PersistentFlags().StringVar(&p.bridge, "bridge", "", "`URL` of the bridge (default: $FAIRLEAD_BRIDGE, or that of the last login)")
	cmd.PersistentFlags().StringVar(&p.bridgeCA, "bridge-ca", os.Getenv("FAIRLEAD_BRIDGE_CA"), "`file` with the CA certificates of the bridge, beside the system's (default: $FAIRLEAD_BRIDGE_CA, or that of the login)")
	cmd.PersistentFlags().StringVar(&p.tokenFile, "token-file", os.Getenv("FAIRLEAD_TOKEN_FILE"), "`file` with a token for the bridge, in place of a login: for programs (default: $FAIRLEAD_TOKEN_FILE)")
	for _, name := range []string{"bridge-ca", "token-file"} {
		cmd.PersistentFlags().Lookup(name).DefValue = "" // the text says where it is from
	}
	cmd.AddCommand(p.loginCommand(), p.logoutCommand(), p.tokenCommand(), p.clustersCommand(), p.useCommand(), p.whoamiCommand(),
		p.clusterProfilesCommand(), p.execInPod(), p.logsCommand())
	cmd.SetArgs(args)
	cmd.SetOut(p.stdout)
	cmd.SetErr(p.stderr)
	return cmd.ExecuteContext(ctx)
}

// discover reads the discovery document of the issuer of a login.
func discover(ctx context.Context, l store.Login) (*signin.Client, error) {
	secret, err := clientSecret(l)
	if err != nil {
		return nil, err
	}
	return signin.Discover(ctx, signin.Config{Issuer: l.Issuer, ClientID: l.ClientID, Secret: secret, Scopes: l.Scopes, CAFile: l.IssuerCA})
}
