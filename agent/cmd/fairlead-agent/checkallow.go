package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/agent/allow"
	"github.com/fairlead-io/fairlead/deploy/actas"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

type allowOptions struct {
	namespace string
	own       string
	as        actas.Flags
	strict    bool
}

func checkAllowCommand() *cobra.Command {
	var o allowOptions
	cmd := &cobra.Command{
		Use:   "check-allow FILE [VERB RESOURCE [NAME] | METHOD PATH]",
		Short: "Check an allow-list, and ask whether it would allow a request",
		Long: `Reads a list as 'fairlead-agent --allow' does, and says all that is wrong with it, a
line each. Warnings are about what can be used and is probably not meant: rules that
never match or add nothing, and what opens more than it seems to. Given a request, it says whether the list allows it, and by which rule. The
exit code is then 1 for a request that is refused.

Kubernetes RBAC is not asked: what the list allows can still be refused by the API
server.`,
		Example: `  fairlead-agent check-allow allow.yaml
  fairlead-agent check-allow allow.yaml create pods/exec web --namespace shop --as jane --as-group developers
  fairlead-agent check-allow allow.yaml patch deployments.apps --namespace shop --as gitlab:acme/shop
  fairlead-agent check-allow allow.yaml GET /version`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return daemon.Usagef("give the FILE of an allow-list")
			}
			return o.run(cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0], args[1:])
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.namespace, "namespace", "n", "", "`namespace` of the request (default: none, that is all namespaces)")
	o.as.Add(f, "`user` as whom the platform wants the request executed (default: as the agent itself)")
	f.StringVar(&o.own, "agent-namespace", "", "`namespace` of the agent, in which changes need a rule that names it (default: none)")
	f.BoolVar(&o.strict, "strict", false, "fail for warnings too")
	return cmd
}

func (o *allowOptions) run(stdout, stderr io.Writer, file string, words []string) error {
	if len(words) == 0 && (o.as.Given() || o.namespace != "") {
		return daemon.Usagef("--as and --namespace are about a request, and none is given")
	}
	as, err := o.as.Identity()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return daemon.Configf("allow-list: %w", err)
	}
	list, err := allow.Parse(content, o.own)
	if err != nil {
		for _, f := range strictyaml.Faults(err) {
			fmt.Fprintf(stderr, "%s: %s\n", file, f)
		}
		return daemon.Configf("%s cannot be used, for the reasons above", file)
	}
	warnings := allow.Warnings(content, o.own)
	if len(words) == 0 || o.strict {
		for _, w := range warnings {
			fmt.Fprintf(stderr, "%s: warning: %s\n", file, w)
		}
	}
	if len(warnings) > 0 && o.strict {
		return daemon.Configf("%s can be used, but has warnings, and --strict is given", file)
	}
	if len(words) == 0 {
		text := list.Summary()
		if len(warnings) > 0 {
			text += fmt.Sprintf(", warnings: %d", len(warnings))
		}
		fmt.Fprintf(stdout, "%s can be used: %s\n", file, text)
		return nil
	}
	q, err := requestinfo.ParseQuestion(words, o.namespace)
	if err != nil {
		return &daemon.UsageError{Err: err}
	}
	allowed, refusal := list.Explain(&allow.Request{Method: q.Method, Target: q.Target, Upgrade: q.Upgrade, As: as})
	if refusal != nil {
		return errors.New(refusal.Error())
	}
	fmt.Fprintf(stdout, "allowed: %s\n", allowed)
	return nil
}
