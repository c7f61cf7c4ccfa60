package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/access/lint"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

type checkOptions struct {
	access, webhooks  string
	tenants, tokens   string
	elsewhere, strict bool
}

func checkConfigCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Check an access file or a file of webhooks, and explain each line at fault",
		Long: `Reads an access file as 'fairlead-bridge run --access' does, and a file of webhooks as
--webhooks does, and says all that is wrong with them, a line each. Nothing is started, and
no issuer or webhook is asked.

The files and folders that they name are looked at as the user that runs
the check, which should be the bridge's.

Warnings are about what can be used and is probably not meant: conditions that can
never hold, grants that are never asked, users of Kubernetes' own. With --tenants and
--tokens, clusters and callers that there are not are among them.`,
		Example: `  fairlead-bridge check-config --access access.yaml --tokens tokens.yaml --tenants tenants.yaml

  # in a repository's CI, where the bridge's files are not
  fairlead-bridge check-config --access access.yaml --elsewhere --strict`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.OutOrStdout(), cmd.ErrOrStderr()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.access, "access", "", "`file` to check")
	f.StringVar(&o.webhooks, "webhooks", "", "`file` of webhooks to check")
	f.StringVar(&o.tenants, "tenants", "", "`file` of tenants to check too, and to compare the patterns of clusters with (default: they are not)")
	f.StringVar(&o.tokens, "tokens", "", "`file` of tokens to check too, and to compare the names of callers with (default: they are not)")
	f.BoolVar(&o.elsewhere, "elsewhere", false, "do not look at the files and folders that the checked files name: they are on another machine")
	f.BoolVar(&o.strict, "strict", false, "fail for warnings too")
	return cmd
}

func (o *checkOptions) run(stdout, stderr io.Writer) error {
	var err, hooks error
	switch {
	case o.access == "" && o.webhooks == "":
		return daemon.Usagef("--access is required, or --webhooks")
	case o.access != "":
		err = o.checkAccess(stdout, stderr)
	case o.tenants != "" || o.tokens != "":
		return daemon.Usagef("--tenants and --tokens need --access, as they are compared with it")
	}
	if o.webhooks != "" {
		hooks = o.checkWebhooks(stdout, stderr)
	}
	if err == nil {
		err = hooks
	}
	return err
}

// checkAccess checks an access file, and what it is compared with.
func (o *checkOptions) checkAccess(stdout, stderr io.Writer) error {
	content, err := os.ReadFile(o.access)
	if err != nil {
		return daemon.Configf("access: %w", err)
	}
	tenants, tenantsFaults, err := o.clusters()
	if err != nil {
		return err
	}
	tokens, tokensFaults, err := o.names()
	if err != nil {
		return err
	}
	d, err := policy.Check(content, filepath.Dir(o.access), o.elsewhere)
	faults := strictyaml.Faults(err)
	warnings := strictyaml.Faults(d.At(lint.Warnings(d.Config, lint.Known{Tenants: tenants, Tokens: tokens, Faulty: faulty(faults)})...))
	o.tell(stderr, faults, warnings)
	for _, f := range tenantsFaults {
		fmt.Fprintf(stderr, "%s: %s\n", o.tenants, f)
	}
	for _, f := range tokensFaults {
		fmt.Fprintf(stderr, "%s: %s\n", o.tokens, f)
	}
	switch {
	case len(tenantsFaults) > 0:
		return daemon.Configf("%s cannot be used, for the reasons above", o.tenants)
	case len(tokensFaults) > 0:
		return daemon.Configf("%s cannot be used, for the reasons above", o.tokens)
	case len(faults) > 0:
		return daemon.Configf("%s cannot be used, for the reasons above", o.access)
	case len(warnings) > 0 && o.strict:
		return daemon.Configf("%s can be used, but has warnings, and --strict is given", o.access)
	}
	text := d.Config.Summary()
	if len(warnings) > 0 {
		text += fmt.Sprintf(", warnings: %d", len(warnings))
	}
	fmt.Fprintf(stdout, "%s can be used: %s\n", o.access, text)
	return nil
}

// clusters reads the tenants; nil: they are not known.
func (o *checkOptions) clusters() (all map[string][]string, faults []error, err error) {
	if o.tenants == "" {
		return nil, nil, nil
	}
	content, err := os.ReadFile(o.tenants)
	if err != nil {
		return nil, nil, daemon.Configf("tenants: %w", err)
	}
	list, err := tenant.ParseList(content)
	if err != nil {
		return nil, strictyaml.Faults(err), nil
	}
	all = make(map[string][]string)
	for name, entry := range list {
		all[name] = entry.Clusters
	}
	return all, nil, nil
}

// names reads the names of the tokens; nil: they are not known.
func (o *checkOptions) names() (names []string, faults []error, err error) {
	if o.tokens == "" {
		return nil, nil, nil
	}
	content, err := os.ReadFile(o.tokens)
	if err != nil {
		return nil, nil, daemon.Configf("tokens: %w", err)
	}
	if names, err = token.Names(content); err != nil {
		return nil, strictyaml.Faults(err), nil
	}
	return append([]string{}, names...), nil, nil
}

// faulty says which sections have faults.
func faulty(faults []error) func(section string) bool {
	return func(section string) bool {
		return slices.ContainsFunc(faults, func(f error) bool {
			e, ok := errors.AsType[*strictyaml.Error](f)
			return ok && (e.Path == section || strings.HasPrefix(e.Path, section+".") || strings.HasPrefix(e.Path, section+"["))
		})
	}
}

// tell writes faults and warnings in the order of their lines.
func (o *checkOptions) tell(to io.Writer, faults, warnings []error) {
	for _, f := range strictyaml.Faults(strictyaml.Join(append(slices.Clone(faults), warnings...)...)) {
		kind := ""
		if slices.Contains(warnings, f) {
			kind = "warning: "
		}
		fmt.Fprintf(to, "%s: %s%s\n", o.access, kind, strings.ReplaceAll(f.Error(), "\n", "\n    "))
	}
}
