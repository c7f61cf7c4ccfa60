package api

import "time"

// AgentSettings is the body of PUT /v1/clusters/{cluster}/settings: what the platform sets of
// the agents of a cluster. A field that is absent leaves the agents' own value.
type AgentSettings struct {
	// Labels are added to those of the agent's own configuration, which win.
	Labels   map[string]string  `json:"labels,omitempty"`
	LogLevel *AgentLogLevel     `json:"logLevel,omitempty"`
	Limits   *AgentLimits       `json:"limits,omitempty"`
	Restrict *AgentRestrictions `json:"restrict,omitempty"`
}

// AgentLogLevel is how much the agents log.
type AgentLogLevel struct {
	// Level is debug, info, warn or error.
	Level string `json:"level"`
	// Until is when the agent's own level counts again; nil: never.
	Until *time.Time `json:"until,omitempty"`
}

// AgentLimits bound what each agent instance takes.
type AgentLimits struct {
	// MaxStreams is the most concurrent requests.
	MaxStreams int `json:"maxStreams"`
}

// AgentRestrictions narrow what requests the agents execute. Each is nil or the one value
// that narrows.
type AgentRestrictions struct {
	ReadOnly *bool `json:"readOnly,omitempty"` // true
	Exec     *bool `json:"exec,omitempty"`     // false
	Secrets  *bool `json:"secrets,omitempty"`  // false
}

// ClusterSettings are the settings of a cluster's agents, and what has become of them.
type ClusterSettings struct {
	// Name is the cluster as everywhere, such as prod.acme.
	Name    string `json:"name"`
	Tenant  string `json:"tenant"`
	Cluster string `json:"cluster"`
	// Revision names these settings; the header ETag has it too.
	Revision string        `json:"revision"`
	Settings AgentSettings `json:"settings"`
	// ChangedBy is the caller who put them, and ChangedAt when.
	ChangedBy string    `json:"changedBy"`
	ChangedAt time.Time `json:"changedAt"`
	// State is that of all instances together, and Instances that of each. Lists leave
	// Instances out.
	State     SettingsState      `json:"state"`
	Instances []InstanceSettings `json:"instances,omitempty"`
}

// InstanceSettings is how one agent instance stands to the settings of its cluster.
type InstanceSettings struct {
	Name  string        `json:"name"`
	State SettingsState `json:"state"`
	// Revision is that of the settings that it uses, "" while there are none.
	Revision string `json:"revision,omitempty"`
	// Accepts are the fields that the cluster's owner lets the platform set.
	Accepts []string `json:"accepts,omitempty"`
	// Overridden are the fields of the settings in use that have no effect, as the
	// cluster's owner has fixed them.
	Overridden []string `json:"overridden,omitempty"`
	// Error is why it refused settings, and Refused which.
	Refused string `json:"refused,omitempty"`
	Error   string `json:"error,omitempty"`
}

// SettingsState is what has become of settings.
type SettingsState string

// The states.
const (
	// SettingsPending: they were not echoed yet.
	SettingsPending SettingsState = "pending"
	// SettingsApplied: all of them have an effect.
	SettingsApplied SettingsState = "applied"
	// SettingsPartly: they are applied, but for what the cluster's owner has fixed.
	SettingsPartly SettingsState = "partly"
	// SettingsRefused: they cannot be used, and the agent keeps what it had.
	SettingsRefused SettingsState = "refused"
	// SettingsUnsupported: the agent is older than settings.
	SettingsUnsupported SettingsState = "not-supported"
	// SettingsOffline: no agent is connected. They are sent when one is.
	SettingsOffline SettingsState = "offline"
	// SettingsUnknown: the bridge has no connection to the tenant's broker now.
	SettingsUnknown SettingsState = "unknown"
)

// SettingsList is the answer to GET /v1/settings.
type SettingsList struct {
	// Settings are by tenant and cluster.
	Settings []ClusterSettings `json:"settings"`
	// Continue is given as ?continue= for those that follow; "": there are none.
	Continue string `json:"continue,omitempty"`
}

// SettingsDeleted is the answer to DELETE /v1/clusters/{cluster}/settings.
type SettingsDeleted struct {
	// Revision is what the agents tell that have gone back to their own values.
	Revision string `json:"revision"`
}
