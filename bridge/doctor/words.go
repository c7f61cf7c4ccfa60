package doctor

import (
	"strings"

	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// The catalogue's cures are written for agents. These tables say what a bridge's access
// file has instead of an agent's flags; sentences about flags that it lacks name the
// alternative.
var (
	issuerWords  = fileWords("certificateAuthority of the issuer in the access file")
	webhookWords = fileWords("certificate-authority in the service's kubeconfig")
)

// fileWords are those for a service whose CA a file names.
func fileWords(ca string) *strings.Replacer {
	return strings.NewReplacer(
		"with --ca.", "as "+ca+".",
		"with --ca,", "as "+ca+",",
		", have a certificate with this name made, or give the name that it does have with --tls-server-name.",
		", or have a certificate with this name made.",
		"Give one with --client-cert and --client-key, and check", "Check the client certificate,",
		" (--client-cert)", "",
		"Check --kubeconfig, or whether the pod", "Check the kubeconfig, or whether the pod",
	)
}

// inWordsOfBridge replaces an agent's flags in what a target says of a service.
func inWordsOfBridge(t *diagnosis.Target) {
	words := map[cause.Hop]*strings.Replacer{diagnosis.Issuer: issuerWords, diagnosis.Webhook: webhookWords}
	for _, c := range t.Checks {
		if w := words[c.Hop]; w != nil && c.Failure != nil && c.Failure.Cause != "" {
			c.Failure.Do = w.Replace(c.Failure.Do)
		}
	}
}
