package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauth "k8s.io/client-go/pkg/apis/clientauthentication/v1"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

func (p *plugin) tokenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "token",
		Short: "Print the token as an ExecCredential, for the exec section of a kubeconfig",
		Long: "Print the ID token of a login as an ExecCredential. kubectl and other clients run this command when a kubeconfig says so. " +
			"It refreshes a token that expires within a minute, and never asks anything. With --token-file it prints the token of that file.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkExecInfo(os.Getenv("KUBERNETES_EXEC_INFO")); err != nil {
				return err
			}
			bridge := "" // a file has the token for one
			if p.tokenFile == "" {
				var err error
				if bridge, err = p.bridgeURL(); err != nil {
					return err
				}
			}
			s, err := p.session(cmd.Context(), bridge)
			if err != nil {
				return err
			}
			return json.NewEncoder(p.stdout).Encode(p.credential(s))
		},
	}
}

// checkExecInfo refuses clients that read another version; they would say less about
// the cause. info is "" if the user runs the command.
func checkExecInfo(info string) error {
	var c metav1.TypeMeta
	if info == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(info), &c); err != nil {
		return fmt.Errorf("KUBERNETES_EXEC_INFO: %w", err)
	}
	if want := clientauth.SchemeGroupVersion.String(); c.APIVersion != want {
		return fmt.Errorf("the client wants a credential of %q: write apiVersion: %s in the exec section of the kubeconfig", c.APIVersion, want)
	}
	return nil
}

// credential has the token, and when the client is to ask again: as soon as it can
// be refreshed.
func (p *plugin) credential(s *store.Session) *clientauth.ExecCredential {
	c := &clientauth.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: clientauth.SchemeGroupVersion.String(), Kind: "ExecCredential"},
		Status:   &clientauth.ExecCredentialStatus{Token: s.IDToken},
	}
	expires := s.Expires
	if expires.IsZero() { // a token that does not say
		return c
	}
	if s.RefreshToken != "" && p.left(s) > renewBefore {
		expires = expires.Add(-renewBefore)
	}
	at := metav1.NewTime(expires)
	c.Status.ExpirationTimestamp = &at
	return c
}
