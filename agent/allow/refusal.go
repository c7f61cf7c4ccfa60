package allow

import "fmt"

// The reasons, which are the labels of a metric.
const (
	reasonAgent        = "agent"
	reasonIdentity     = "identity"
	reasonAmbiguous    = "ambiguous"
	reasonMethod       = "method"
	reasonExec         = "exec"
	reasonSecrets      = "secrets"
	reasonReadOnly     = "read-only"
	reasonOwnNamespace = "own-namespace"
	reasonRequests     = "requests"
	reasonNoList       = "no-list"
)

var reasons = []string{
	reasonAgent, reasonIdentity, reasonAmbiguous, reasonMethod, reasonExec, reasonSecrets, reasonReadOnly,
	reasonOwnNamespace, reasonRequests, reasonNoList,
}

// Refusal is why a list does not allow a request.
type Refusal struct {
	reason string // one of reasons
	rule   string // the key of the list
	text   string
	// platform: it is not the owner's list but a restriction that the platform has set.
	platform bool
}

// refuse makes a refusal. What comes from a request is quoted and cut.
func refuse(reason, rule, format string, args ...any) *Refusal {
	return &Refusal{reason: reason, rule: rule, text: fmt.Sprintf(format, args...)}
}

// Error names the rule of the list, for the caller and for the owner of the cluster.
func (r *Refusal) Error() string {
	if r.platform {
		return "refused by a restriction that the platform has set for this cluster: " + r.rule + ": " + r.text
	}
	return "refused by the allow-list of the cluster's owner: rule " + r.rule + ": " + r.text
}
