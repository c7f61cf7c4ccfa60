package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/record/cast"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/reachflags"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// sessionsOptions say where the recordings are.
type sessionsOptions struct {
	dir    string
	broker reach.Config
	store  storeOptions
}

func sessionsCommand() *cobra.Command {
	var o sessionsOptions
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "List, show and play recorded sessions",
		Long: `Reads the recordings that section recording of an access file keeps: in a directory
(--dir), or in the shared store of the bridges (--store-account, --store-key and
--broker-url, as for 'fairlead-bridge run'). Nothing is changed.`,
	}
	f := cmd.PersistentFlags()
	f.StringVar(&o.dir, "dir", "", "`directory` with the recordings; the flags of the store then have no effect")
	reachflags.Add(f, "broker-", &o.broker)
	f.StringVar(&o.store.account, "store-account", "", "`public key` of the brokers' account for what bridges share")
	f.StringVar(&o.store.key, "store-key", "", "`file` with the seed of that account's signing key of role store")
	cmd.AddCommand(sessionsListCommand(o.open), sessionsShowCommand(o.open), sessionsPlayCommand(o.open))
	return cmd
}

// sessionsFilter is what sessions list leaves out.
type sessionsFilter struct {
	caller, cluster string
	since           time.Duration
}

func (f *sessionsFilter) match(e *record.Entry) bool {
	return strings.Contains(e.Caller, f.caller) && (f.cluster == "" || e.Cluster == f.cluster) &&
		(f.since == 0 || e.End.IsZero() || time.Since(e.End) <= f.since)
}

func sessionsListCommand(open func(context.Context) (*record.Archive, error)) *cobra.Command {
	var f sessionsFilter
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List sessions, the oldest first",
		Example: "  fairlead-bridge sessions list --dir /var/lib/fairlead/sessions --caller sre --since 24h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			all, err := a.List()
			if err != nil {
				return err
			}
			if len(all) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "there are no recordings")
			}
			return writeSessions(cmd.OutOrStdout(), all, &f, asJSON)
		},
	}
	cmd.Flags().StringVar(&f.caller, "caller", "", "only sessions of callers whose `name` contains this")
	cmd.Flags().StringVar(&f.cluster, "cluster", "", "only sessions of this `cluster`")
	cmd.Flags().DurationVar(&f.since, "since", 0, "only sessions that have ended in this time, or go on (default: all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the lines of the index, as they are")
	return cmd
}

func writeSessions(out io.Writer, all []record.Entry, f *sessionsFilter, asJSON bool) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(table, "ID\tSTART\tDURATION\tCALLER\tCLUSTER\tPOD\tCOMMAND\tEND")
	}
	for i := range all {
		e := &all[i]
		switch {
		case !f.match(e):
		case asJSON:
			b, err := json.Marshal(e)
			if err != nil {
				return err
			}
			fmt.Fprintln(out, printableJSON(b))
		default:
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s/%s\t%s\t%s\n", printable(e.ID), e.Start.Format(time.RFC3339), duration(e),
				printable(e.Caller), printable(e.Cluster), printable(e.Namespace), printable(e.Pod), command(e), ending(e))
		}
	}
	return table.Flush()
}

func duration(e *record.Entry) string {
	if e.End.IsZero() {
		return "-"
	}
	return e.End.Sub(e.Start).Round(time.Second).String()
}

// command is a session's command line, or attach, in one short piece.
func command(e *record.Entry) string {
	const most = 60
	if e.Kind != "exec" {
		return e.Kind
	}
	if s := []rune(strings.Join(e.Command, " ")); len(s) > most {
		return printable(string(s[:most])) + "..."
	}
	return printable(strings.Join(e.Command, " "))
}

// printable keeps what callers have chosen from commanding the terminal.
func printable(s string) string {
	q := fmt.Sprintf("%q", s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// printableJSON does so for an encoded value, which stays the same.
func printableJSON(b []byte) string {
	var out strings.Builder
	for _, r := range string(b) {
		if r == '\n' || unicode.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}

func ending(e *record.Entry) string {
	if e.Foreign {
		return outcome(e) + " (ignored what was written with a stolen key)"
	}
	return outcome(e)
}

func outcome(e *record.Entry) string {
	switch {
	case e.End.IsZero():
		return "goes on"
	case e.Interrupted:
		return "the bridge crashed"
	case e.Reason != "":
		return printable(e.Reason)
	}
	return "-"
}

func sessionsShowCommand(open func(context.Context) (*record.Archive, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show the index line of a session, and compare its file with it",
		Long:  "ID is the id of a session, or its beginning. The exit code is 1 if the file is not the one that was recorded, or if nothing shows that it is.",
		Args:  daemon.OneArg("the ID of a session, or its beginning"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			e, err := a.Find(args[0])
			if err != nil {
				return daemon.Configf("%w", err)
			}
			b, err := json.MarshalIndent(e, "", "  ")
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), printableJSON(b))
			if err := a.Verify(e); err != nil {
				return fmt.Errorf("%s: %w", e.File, err)
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "the file is the one that was recorded")
			return nil
		},
	}
}

func sessionsPlayCommand(open func(context.Context) (*record.Archive, error)) *cobra.Command {
	var speed float64
	var idle time.Duration
	cmd := &cobra.Command{
		Use:     "play ID",
		Short:   "Write a session's output to the terminal, in the time that it took",
		Long:    "ID is the id of a session, or its beginning. Escape sequences are written as the session's terminal got them.",
		Example: "  fairlead-bridge sessions play --dir /var/lib/fairlead/sessions --speed 2 --idle-limit 1s 20261128T094512Z",
		Args:    daemon.OneArg("the ID of a session, or its beginning"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if speed <= 0 {
				return daemon.Usagef("--speed: want a number above 0")
			}
			a, err := open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			e, err := a.Find(args[0])
			if err != nil {
				return daemon.Configf("%w", err)
			}
			f, err := a.Open(e)
			if err != nil {
				return err
			}
			defer f.Close()
			r, err := cast.NewReader(f, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", e.File, err)
			}
			return record.Play(r, cmd.OutOrStdout(), speed, idle, waiter(cmd.Context()))
		},
	}
	cmd.Flags().Float64Var(&speed, "speed", 1, "how much faster than it was")
	cmd.Flags().DurationVar(&idle, "idle-limit", 0, "the longest pause, before it is divided by --speed (default: as it was)")
	return cmd
}

// waiter waits until ctx ends.
func waiter(ctx context.Context) func(time.Duration) error {
	return func(d time.Duration) error {
		if !sleep.For(ctx, d) {
			return context.Cause(ctx)
		}
		return nil
	}
}
