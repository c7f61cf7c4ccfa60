package parts

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"github.com/fairlead-io/fairlead/bench/load"
)

// Ready is the first line of a part's standard output.
type Ready struct {
	// Addr is the address on which the part listens: host:port, or a URL for
	// NATS; "" if it does not listen.
	Addr string `json:"addr"`
}

// IO is a part's standard input and output.
type IO struct {
	In  io.Reader
	Out io.Writer
}

// ready reports that the part is ready to the process that started it.
func (p IO) ready(addr string) error {
	if err := json.NewEncoder(p.Out).Encode(Ready{Addr: addr}); err != nil {
		return fmt.Errorf("say ready: %w", err)
	}
	return nil
}

// wait returns when the standard input has ended.
func (p IO) wait() error {
	_, err := io.Copy(io.Discard, p.In)
	return err
}

// The roles.
const (
	RoleUpstream = "upstream"
	RoleProxy    = "proxy"
	RoleLoad     = "load"
	RoleNATS     = "nats" // broker and requester
	RoleEcho     = "echo" // answers the requester
	RoleIdle     = "idle" // a crowd of agents without work
)

// Run runs a role until its standard input ends.
func Run(ctx context.Context, role string, args []string, p IO) error {
	run, ok := map[string]func(context.Context, []string, IO) error{
		RoleUpstream: runUpstream, RoleProxy: runProxy, RoleLoad: runLoad,
		RoleNATS: runNATS, RoleEcho: runEcho, RoleIdle: runIdle,
	}[role]
	if !ok {
		return fmt.Errorf("role %q is not known", role)
	}
	if err := run(ctx, args, p); err != nil {
		return fmt.Errorf("%s: %w", role, err)
	}
	return nil
}

func runLoad(_ context.Context, _ []string, p IO) error {
	c := load.NewClient()
	defer c.Close()
	if err := p.ready(""); err != nil {
		return err
	}
	return load.Serve(p.In, p.Out, c.Do)
}

// parse parses flags that the benchmark itself wrote.
func parse(name string, args []string, declare func(*flag.FlagSet)) error {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	declare(fs)
	return fs.Parse(args)
}
