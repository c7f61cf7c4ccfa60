package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/access/oidc"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/deploy/actas"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

type explainOptions struct {
	access, cluster, namespace string
	issuer, claims, caller     string
	as                         actas.Flags
}

func explainCommand() *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain VERB RESOURCE [NAME] | METHOD PATH",
		Short: "Say which grant decides about a request, and why others do not",
		Long: `Reads an access file and says what each grant makes of a request: which one decides,
and of every other which condition is false or which rule is missing. The exit code is
1 for a request that is refused.

The caller is that of an ID token with the claims in --claims (JSON), made by the
issuer --issuer of the access file, or the one that --caller describes:

  {"name": "ci", "method": "token", "clusters": ["prod.acme"]}

with the keys name, groups, uid, method, issuer, claims and clusters. --as is the user
as whom the caller itself asks to act, as with kubectl --as. No signature is checked and nobody is asked: neither the cluster's allow-list nor its RBAC. For all
locks, POST /v1/clusters/{cluster}/access-reviews to a running bridge.`,
		Example: `  fairlead-bridge explain --access access.yaml --issuer gitlab --claims job.json \
    --cluster prod.acme --namespace shop patch deployments.apps web
  fairlead-bridge explain --access access.yaml --caller ci.json --cluster prod.acme GET /version
  fairlead-bridge explain --access access.yaml --caller ann.json --cluster prod.acme --as jane --as-group dev list pods`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.access, "access", "", "access `file`")
	f.StringVar(&o.cluster, "cluster", "", "`cluster` of the request, such as prod.acme")
	f.StringVarP(&o.namespace, "namespace", "n", "", "`namespace` of the request (default: none, that is all namespaces)")
	f.StringVar(&o.issuer, "issuer", "", "`name` of the issuer in the access file whose ID token the caller has")
	f.StringVar(&o.claims, "claims", "", "`file` with the claims of that token as JSON, or - for standard input")
	f.StringVar(&o.caller, "caller", "", "`file` with a caller as JSON, or - for standard input")
	o.as.Add(f, "`user` as whom the caller asks to act by headers of its own (default: it does not)")
	return cmd
}

func (o *explainOptions) run(ctx context.Context, stdin io.Reader, stdout io.Writer, words []string) error {
	q, err := requestinfo.ParseQuestion(words, o.namespace)
	if err != nil {
		return &daemon.UsageError{Err: err}
	}
	if o.cluster == "" {
		return daemon.Usagef("--cluster is required, such as --cluster prod.acme")
	}
	ref, err := subjects.ParseClusterRef(o.cluster)
	if err != nil {
		return daemon.Usagef("--cluster: %w", err)
	}
	as, err := o.as.Identity()
	if err != nil {
		return err
	}
	d, err := o.file()
	if err != nil {
		return err
	}
	caller, err := o.who(ctx, d.Config, stdin)
	if err != nil {
		return err
	}
	grants, err := d.Grants()
	if err != nil {
		return &daemon.ConfigError{Err: err}
	}
	defer grants.Close()
	e := grants.Explain(ctx, caller, &access.Request{Cluster: ref, Method: q.Method, Target: q.Target, As: as}, q.Upgrade)
	if e.Recorded && !d.Config.Recording.Given() {
		e.Allowed, e.Reason = false, fmt.Sprintf("grant %q demands a recording, and the access file has no section recording; nothing was executed", e.Grant)
	}
	tell(stdout, caller, &e)
	if e.Allowed {
		return nil
	}
	if e.Undecided && as == nil && d.Config.Authorization.SubjectAccessReview != nil {
		fmt.Fprintln(stdout, "no grant decides: the service of authorization.subjectAccessReview would be asked")
	}
	return errors.New(strings.TrimSuffix(e.Reason, "; nothing was executed"))
}

// file reads the access file.
func (o *explainOptions) file() (*policy.Document, error) {
	if o.access == "" {
		return nil, daemon.Usagef("--access is required")
	}
	content, err := os.ReadFile(o.access)
	if err != nil {
		return nil, daemon.Configf("--access: %w", err)
	}
	d, err := policy.Check(content, filepath.Dir(o.access), true)
	if err != nil {
		return nil, daemon.Configf("%s cannot be used: 'fairlead-bridge check-config' says why", o.access)
	}
	return d, nil
}

// who is the caller that the flags describe.
func (o *explainOptions) who(ctx context.Context, c *policy.Config, stdin io.Reader) (*access.Caller, error) {
	if (o.caller == "") == (o.claims == "") || (o.claims == "") != (o.issuer == "") {
		return nil, daemon.Usagef("give either --issuer and --claims, or --caller")
	}
	if o.caller != "" {
		c, err := callerOf(o.caller, stdin)
		if err != nil {
			return nil, daemon.Configf("--caller: %w", err)
		}
		return c, nil
	}
	i := slices.IndexFunc(c.Authentication.OIDC, func(i oidc.Issuer) bool { return i.Name == o.issuer })
	if i < 0 {
		return nil, daemon.Usagef("--issuer: the access file has no issuer %q", o.issuer)
	}
	var claims map[string]any
	if err := readJSON(o.claims, stdin, &claims); err != nil {
		return nil, daemon.Configf("--claims: %w", err)
	}
	caller, err := c.Authentication.OIDC[i].Caller(ctx, claims)
	if err != nil {
		return nil, daemon.Configf("--claims: %w", err)
	}
	return caller, nil
}

// callerOf reads a caller that is described as JSON.
func callerOf(file string, stdin io.Reader) (*access.Caller, error) {
	var described struct {
		Name, UID, Method, Issuer string
		Groups, Clusters          []string
		Claims                    map[string]any
	}
	if err := readJSON(file, stdin, &described); err != nil {
		return nil, err
	}
	c := &access.Caller{Name: described.Name, Groups: described.Groups, UID: described.UID, Issuer: described.Issuer,
		Method: access.Method(described.Method), Claims: described.Claims}
	switch {
	case c.Name == "":
		return nil, errors.New("name: none given")
	case c.Method == "" && c.Claims != nil:
		c.Method = access.MethodOIDC
	case c.Method == "":
		c.Method = access.MethodToken
	}
	for _, text := range described.Clusters {
		p, err := access.ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("clusters: %w", err)
		}
		c.Clusters = append(c.Clusters, p)
	}
	return c, nil
}

// readJSON reads a file, or standard input for -, into v, and refuses keys that v does
// not have.
func readJSON(file string, stdin io.Reader, v any) error {
	var content []byte
	var err error
	if file == "-" {
		content, err = io.ReadAll(stdin)
	} else {
		content, err = os.ReadFile(file)
	}
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s is not the JSON that is wanted: %s", file, strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// tell writes what each grant says.
func tell(to io.Writer, c *access.Caller, e *grant.Explanation) {
	fmt.Fprintf(to, "caller: %s\n", describeCaller(c))
	decided := false
	for _, g := range e.Grants {
		switch {
		case len(g.Reasons) > 0:
			fmt.Fprintf(to, "grant %s: no\n", g.Grant)
			for _, r := range g.Reasons {
				fmt.Fprintf(to, "    %s\n", r)
			}
		case decided:
			fmt.Fprintf(to, "grant %s: would be for this too, but an earlier one decides\n", g.Grant)
		case g.Approval:
			fmt.Fprintf(to, "grant %s: would decide, once somebody has approved it%s\n", g.Grant, demand(g.Records))
		default:
			decided = true
			fmt.Fprintf(to, "grant %s: decides%s\n", g.Grant, demand(g.Records))
		}
	}
	if !e.Allowed {
		return
	}
	by := fmt.Sprintf("by grant %q", e.Grant)
	if !decided {
		by = "by the clusters of the caller's own token"
	}
	if e.Recorded {
		by += ", which has the session recorded"
	}
	fmt.Fprintf(to, "allowed %s, %s\n", by, describeUser(e.As))
}

// demand says that a grant demands recordings.
func demand(records bool) string {
	if !records {
		return ""
	}
	return "; it demands that sessions are recorded"
}

func describeCaller(c *access.Caller) string {
	text := fmt.Sprintf("%q by method %s", c.Name, c.Method)
	if c.Issuer != "" {
		text += fmt.Sprintf(" of issuer %q", c.Issuer)
	}
	text += inGroups(c.Groups)
	if c.CountBy != "" {
		text += fmt.Sprintf(", counted by %q", c.CountBy)
	}
	return text
}

func describeUser(as *subjects.Identity) string {
	if as == nil {
		return "as the agent itself"
	}
	return fmt.Sprintf("as user %q", as.User) + inGroups(as.Groups)
}

func inGroups(groups []string) string {
	if len(groups) == 0 {
		return ", without groups"
	}
	return fmt.Sprintf(", in groups %q", groups)
}
