package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	clientauth "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/tools/clientcmd"
	kubeapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

// execCommand is what kubeconfigs run; docs and the bridge say the same.
const execCommand = "kubectl-fairlead"

func (p *plugin) useCommand() *cobra.Command {
	var hostStyle bool
	var kubeconfig, namespace string
	cmd := &cobra.Command{
		Use:     "use CLUSTER",
		Short:   "Make a context for a cluster in your kubeconfig, and switch to it",
		Example: "  kubectl fairlead use prod.acme\n  kubectl get pods",
		Args:    oneCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			o := client.KubeconfigOptions{Auth: "exec"}
			if hostStyle {
				o.Style = "host"
			}
			never, err := p.unheard(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			body, s, err := ask(cmd.Context(), p, func(ctx context.Context, c *client.Client) ([]byte, error) {
				return c.Kubeconfig(ctx, args[0], o)
			})
			if err != nil {
				return p.meant(cmd.Context(), args[0], err)
			}
			cluster, err := clusterOf(body, s)
			if err != nil {
				return fmt.Errorf("kubeconfig of the bridge: %w", err)
			}
			name := args[0] + "@" + hostOf(s.Bridge)
			access := clientcmd.NewDefaultPathOptions()
			access.LoadingRules.ExplicitPath = kubeconfig
			if err := merge(access, contextOf{name, s.Bridge, namespace, p.tokenFile}, cluster); err != nil {
				return err
			}
			fmt.Fprintf(p.stderr, "Switched to context %q.\n", name)
			if never {
				fmt.Fprintf(p.stderr, "The bridge has never heard of cluster %s: check its name, or whether its agent runs.\n", args[0])
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&hostStyle, "host-style", false, "use the cluster's own host name, for clients that lose the path of a server's URL")
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "", "`namespace` of the context (default: that which it has, or none)")
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "`file` to change (default: $KUBECONFIG, or ~/.kube/config)")
	return cmd
}

// unheard reports whether no agent of a cluster has ever connected, as with a name that is
// not quite one. The error is that there can be no such cluster; where the bridge does not
// tell, the kubeconfig counts.
func (p *plugin) unheard(ctx context.Context, cluster string) (bool, error) {
	c, _, err := ask(ctx, p, func(ctx context.Context, c *client.Client) (*api.Cluster, error) { return c.Cluster(ctx, cluster) })
	if e, ok := errors.AsType[*refusedError](err); ok && e.status == http.StatusNotFound {
		return false, p.meant(ctx, cluster, err)
	}
	return err == nil && c.State == "never-connected", nil
}

// oneCluster refuses a command line without one cluster.
func oneCluster(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("give a cluster, such as prod.acme; kubectl fairlead clusters lists those that you may use")
	case 1:
		return nil
	}
	return fmt.Errorf("give one cluster and nothing else: %q is too much", args[1])
}

// meant adds to a refusal by the bridge the clusters that the user may have meant:
// those of that name in any tenant.
func (p *plugin) meant(ctx context.Context, cluster string, err error) error {
	if _, ok := errors.AsType[*refusedError](err); !ok {
		return err
	}
	list, _, failed := ask(ctx, p, clusters)
	if failed != nil {
		return err
	}
	wanted, _, _ := strings.Cut(cluster, ".")
	var names []string
	for _, c := range list.Clusters {
		if name, _, _ := strings.Cut(c.Name, "."); strings.EqualFold(name, wanted) && c.Name != cluster && len(names) < maxMeant {
			names = append(names, signin.Printable(c.Name))
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%w; kubectl fairlead clusters lists those that you may use", err)
	}
	return fmt.Errorf("%w; did you mean %s?", err, strings.Join(names, " or "))
}

// maxMeant bounds how many clusters are proposed.
const maxMeant = 3

// clusterOf takes the server and its CA from the bridge's kubeconfig, and nothing
// else: the bridge must not decide which command runs on the user's computer, nor
// which of the user's contexts changes.
func clusterOf(kubeconfig []byte, s *store.Session) (*kubeapi.Cluster, error) {
	theirs, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, err
	}
	if len(theirs.Clusters) != 1 {
		return nil, fmt.Errorf("it has %d clusters, want 1", len(theirs.Clusters))
	}
	cluster := kubeapi.NewCluster()
	for _, c := range theirs.Clusters {
		cluster.Server, cluster.CertificateAuthorityData = c.Server, c.CertificateAuthorityData
	}
	u, err := url.Parse(cluster.Server)
	if err != nil || u.Host == "" || !confidential(u) {
		return nil, fmt.Errorf("its server is %q, want an https URL", signin.Printable(cluster.Server))
	}
	if len(cluster.CertificateAuthorityData) == 0 && s.Login.BridgeCA != "" {
		if cluster.CertificateAuthorityData, err = os.ReadFile(s.Login.BridgeCA); err != nil {
			return nil, err
		}
	}
	return cluster, nil
}

// contextOf says which context is made.
type contextOf struct {
	name, bridge string
	namespace    string // "": the one that it has
	tokenFile    string // "": there is a login
}

// merge adds the context, or replaces the one that an earlier run made. One user
// serves all clusters of a bridge.
func merge(access clientcmd.ConfigAccess, of contextOf, cluster *kubeapi.Cluster) error {
	name, bridge := of.name, of.bridge
	config, err := access.GetStartingConfig()
	if err != nil {
		return err
	}
	user := "fairlead@" + hostOf(bridge)
	auth := kubeapi.NewAuthInfo()
	if old := config.AuthInfos[user]; old != nil {
		if old.Exec == nil || old.Exec.Command != execCommand {
			return fmt.Errorf("the kubeconfig has a user %q that this command did not make: rename it", user)
		}
		auth.LocationOfOrigin = old.LocationOfOrigin
	}
	args := []string{"token", "--bridge=" + bridge}
	if of.tokenFile != "" {
		file, err := absolute(of.tokenFile)
		if err != nil {
			return err
		}
		args = append(args, "--token-file="+file)
	}
	auth.Exec = &kubeapi.ExecConfig{
		APIVersion: clientauth.SchemeGroupVersion.String(), Command: execCommand,
		Args:            args,
		InteractiveMode: kubeapi.NeverExecInteractiveMode,
		InstallHint:     "kubectl-fairlead is not in your PATH. It is a kubectl plugin of Fairlead.",
	}
	context := kubeapi.NewContext()
	if old := config.Contexts[name]; old != nil {
		context = old.DeepCopy() // keep the user's namespace
	}
	if old := config.Clusters[name]; old != nil {
		cluster.LocationOfOrigin = old.LocationOfOrigin
	}
	context.Cluster, context.AuthInfo = name, user
	if of.namespace != "" {
		context.Namespace = of.namespace
	}
	config.AuthInfos[user], config.Clusters[name], config.Contexts[name] = auth, cluster, context
	config.CurrentContext = name
	return clientcmd.ModifyConfig(access, *config, false)
}
