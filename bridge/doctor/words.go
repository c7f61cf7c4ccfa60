package doctor

import (
	"strings"

	"github.com/fairlead-io/fairlead/deploy/diagnosis"
)

// The catalogue's cures are written for agents. These tables say what a bridge has
// instead of an agent's flags; sentences about flags that it lacks name the alternative.
var (
	brokerWords = strings.NewReplacer(
		"with --ca.", "with --broker-ca.",
		"with --ca,", "with --broker-ca,",
		"as --server,", "as --broker-url,",
		"in the URL, have a certificate with this name made, or give the name that it does have with --tls-server-name.",
		"in --broker-url, or have a certificate with this name made.",
		"Give one with --client-cert and --client-key, and check its issuer and its time of validity.",
		"Bridges have no client certificates: have the bridge exempted.",
		" (--client-cert)", ", which bridges do not have",
		", or send what it wants with --header.", ": bridges send no headers of their own.",
		"Compare the account in the credentials with", "Compare the tenant's account in --tenants, and the key of --bridge-key, with",
	)
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

// inWordsOfBridge replaces an agent's flags in what a target says.
func inWordsOfBridge(t *diagnosis.Target) {
	for _, c := range t.Checks {
		if c.Failure == nil || c.Failure.Cause == "" {
			continue
		}
		words := brokerWords
		switch c.Hop {
		case diagnosis.Issuer:
			words = issuerWords
		case diagnosis.Webhook:
			words = webhookWords
		}
		c.Failure.Do = words.Replace(c.Failure.Do)
	}
}
