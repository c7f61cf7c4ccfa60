package api

import (
	"fmt"
	"log/slog"
)

// PullSecret is the body of PUT
// /v1/clusters/{cluster}/namespaces/{namespace}/pull-secrets/{name}: one registry, or
// Registries.
type PullSecret struct {
	RegistryLogin
	Registries []RegistryLogin `json:"registries,omitempty"`
	// ServiceAccounts are those of the namespace whose pods shall use the pull secret.
	ServiceAccounts []string `json:"serviceAccounts,omitempty"`
}

// RegistryLogin is a user name and a token of a registry.
type RegistryLogin struct {
	// Registry is a host, perhaps with a port and a path, such as registry.example.com/team.
	Registry string `json:"registry,omitempty"`
	Username string `json:"username,omitempty"`
	// Token or Password, which mean the same.
	Token    Secret `json:"token,omitempty"`
	Password Secret `json:"password,omitempty"`
	Email    string `json:"email,omitempty"`
}

// Secret is a text that JSON has and that is not shown when it is printed.
type Secret string

// Format implements [fmt.Formatter].
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// PullSecretReport says what a pull secret is worth. It has no user name and no token, nor
// anything about them but what is wrong.
type PullSecretReport struct {
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// WellFormed says that the kubelet can use every entry: no finding is an error.
	WellFormed bool `json:"wellFormed"`
	// Type is the type of the Secret.
	Type      string `json:"type"`
	Immutable bool   `json:"immutable,omitempty"`
	// ResourceVersion is that of the Secret; the header ETag has it too.
	ResourceVersion string               `json:"resourceVersion"`
	Registries      []PullSecretRegistry `json:"registries"`
	// RegistriesOmitted is how many entries are not in Registries, which has the first 1,000.
	// WellFormed is about them too.
	RegistriesOmitted int `json:"registriesOmitted,omitempty"`
	// Findings are about the Secret as a whole.
	Findings []PullSecretFinding `json:"findings,omitempty"`
	// ServiceAccounts are those that use the pull secret; in the answer to PUT, those that
	// its body names.
	ServiceAccounts []string `json:"serviceAccounts,omitempty"`
	// ServiceAccountsProblem is why the service accounts are not known; nil: they are.
	ServiceAccountsProblem *Problem `json:"serviceAccountsProblem,omitempty"`
}

// PullSecretRegistry is an entry of a pull secret.
type PullSecretRegistry struct {
	// Registry is as the names of its images begin, and Key as it is written in the Secret;
	// both are "" if the key does not look like a registry.
	Registry string `json:"registry,omitempty"`
	Key      string `json:"key,omitempty"`
	// Complete says that the kubelet finds a user name and a token for the registry.
	Complete bool                `json:"complete"`
	Findings []PullSecretFinding `json:"findings,omitempty"`
}

// PullSecretFinding is something that is wrong with a pull secret.
type PullSecretFinding struct {
	Code string `json:"code"`
	// Severity is error or warning.
	Severity string `json:"severity"`
	// Hint says what is wrong and what to do.
	Hint string `json:"hint"`
}

// PullSecretDeleted is the answer to DELETE.
type PullSecretDeleted struct {
	// Deleted says that there was a Secret.
	Deleted bool `json:"deleted"`
	// Detached are the service accounts that no longer use it.
	Detached []string `json:"detached"`
}
