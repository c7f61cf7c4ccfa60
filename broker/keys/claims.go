package keys

import (
	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// maxTenantConns bounds the connections of one tenant on the whole cluster
	// of brokers.
	maxTenantConns = 20_000
	// MaxAgentSubs bounds the subscriptions of one agent connection; an agent
	// needs two.
	MaxAgentSubs = 256
	// maxStoreStreams and maxStoreConsumers bound the platform's account. Bridges make
	// eight streams; consumers are those of systems that read the audit stream.
	maxStoreStreams   = 16
	maxStoreConsumers = 64
)

// confined is an account whose users have the permissions of their role and no others,
// without bearer tokens, and which shares nothing with other accounts.
func confined(name, account string) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(account)
	c.Name = name
	c.DefaultPermissions.Pub.Deny.Add(">")
	c.DefaultPermissions.Sub.Deny.Add(">")
	c.Limits.DisallowBearer = true
	c.Limits.Conn = maxTenantConns
	c.Limits.LeafNodeConn = 0
	c.Limits.Imports = 0
	c.Limits.Exports = 0
	c.Limits.WildcardExports = false
	return c
}

// TenantClaims is a tenant's account. Users that are not signed by one of the two
// roles have no permissions. There are no bearer tokens, no JetStream, and nothing is
// shared with other accounts.
func TenantClaims(name, account, agentKey, bridgeKey string) *jwt.AccountClaims {
	c := confined(name, account)
	c.SigningKeys.AddScopedSigner(AgentScope(agentKey))
	c.SigningKeys.AddScopedSigner(BridgeScope(bridgeKey))
	return c
}

func AgentScope(key string) *jwt.UserScope {
	s := jwt.NewUserScope()
	s.Key = key
	s.Role = subjects.RoleAgent
	s.Description = "agents: the user's name is the cluster's name"
	s.Template.Sub.Allow.Add(subjects.AgentAllowSub)
	s.Template.Sub.Deny.Add(subjects.AgentDenySub)
	s.Template.Pub.Allow.Add(subjects.AgentAllowPub)
	s.Template.Pub.Deny.Add(subjects.AgentDenyPub, subjects.AgentDenyNoResponders)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket)
	s.Template.Subs = MaxAgentSubs
	return s
}

func BridgeScope(key string) *jwt.UserScope {
	s := jwt.NewUserScope()
	s.Key = key
	s.Role = subjects.RoleBridge
	s.Description = "bridges: the user's name is the bridge's id"
	s.Template.Pub.Allow.Add(subjects.BridgeAllowPub)
	s.Template.Sub.Allow.Add(subjects.BridgeAllowSub, subjects.BridgeAllowSubPresence)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeInProcess, jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket)
	return s
}

// PlatformClaims is the account in which bridges keep what they share. Each stream
// must have a bound, and each node bounds all of them: a bound of the account above
// that of a single node would keep it from using JetStream at all.
func PlatformClaims(account, storeKey, stewardKey string) *jwt.AccountClaims {
	c := confined(subjects.StoreAccount, account)
	c.Limits.JetStreamLimits = jwt.JetStreamLimits{
		DiskStorage: jwt.NoLimit, Streams: maxStoreStreams, Consumer: maxStoreConsumers, MaxBytesRequired: true,
	}
	c.SigningKeys.AddScopedSigner(StoreScope(storeKey))
	c.SigningKeys.AddScopedSigner(StewardScope(stewardKey))
	return c
}

// StewardScope is the role of those who administer the streams of [PlatformClaims].
func StewardScope(key string) *jwt.UserScope {
	s := jwt.NewUserScope()
	s.Key = key
	s.Role = subjects.RoleSteward
	s.Description = "people who administer streams: the user's name is theirs"
	s.Template.Pub.Allow.Add(subjects.StewardAllowPub()...)
	s.Template.Sub.Allow.Add(subjects.StewardAllowSub()...)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeStandard)
	return s
}

// StoreScope is the role of bridges in the account of [PlatformClaims].
func StoreScope(key string) *jwt.UserScope {
	s := jwt.NewUserScope()
	s.Key = key
	s.Role = subjects.RoleStore
	s.Description = "bridges: the user's name is the bridge's id"
	s.Template.Pub.Allow.Add(subjects.StoreAllowPub()...)
	s.Template.Sub.Allow.Add(subjects.StoreAllowSub()...)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeInProcess, jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket)
	return s
}

// systemClaims is the system account, with the exports that nsc gives it.
func systemClaims(account, signingKey string) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(account)
	c.Name = "SYS"
	c.SigningKeys.Add(signingKey)
	c.Exports = jwt.Exports{
		{
			Name: "account-monitoring-services", Subject: "$SYS.REQ.ACCOUNT.*.*",
			Type: jwt.Service, ResponseType: jwt.ResponseTypeStream, AccountTokenPosition: 4,
			Info: jwt.Info{
				Description: "Request account specific monitoring services for: SUBSZ, CONNZ, LEAFZ, JSZ and INFO",
				InfoURL:     "https://docs.nats.io/nats-server/configuration/sys_accounts",
			},
		},
		{
			Name: "account-monitoring-streams", Subject: "$SYS.ACCOUNT.*.>",
			Type: jwt.Stream, AccountTokenPosition: 3,
			Info: jwt.Info{
				Description: "Account specific monitoring stream",
				InfoURL:     "https://docs.nats.io/nats-server/configuration/sys_accounts",
			},
		},
	}
	return c
}
