package subjects

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The subject tree. Position 2 of both branches is what scoped signing keys
// pin to the user's name; see PROTOCOL.md, "Subjects".
//
//	down.<cluster>.<instance>.<bridge>  bridge -> one agent instance: frames
//	down.<cluster>._.<bridge>           bridge -> every instance: presence query
//	up.<bridge>.<cluster>.<instance>    agent instance -> one bridge: frames
//	up._.<cluster>.<instance>           agent instance -> every bridge: presence
//	up.<bridge>._.<cluster>.<instance>.<stream>
//	                                    reply subject that only NATS itself
//	                                    writes to (no responders)
//	down.<cluster>.<instance>._<bridge> the same for an instance's questions
//
// "_" is not a DNS label, so it cannot be the name of a cluster, an instance or
// a bridge.
const (
	rootDown = "down."
	rootUp   = "up."
	anyone   = "_"
)

// Templates for nsc's scoped signing keys (role permissions). NATS replaces
// {{name()}} by the user's name when it connects.
const (
	// AgentAllowSub and AgentAllowPub confine an agent to its own cluster:
	// the user's name is the cluster's name. They end in a fixed number of
	// tokens rather than in ">", so that a name with dots in it leads to unused
	// subjects and not to those of an instance.
	AgentAllowSub = "down.{{name()}}.*.*"
	AgentAllowPub = "up.*.{{name()}}.*"
	// AgentDenySub and AgentDenyPub take everything from a user whose name is
	// a wildcard, and cost any other user only the instances that have the name
	// of its cluster. AgentDenyNoResponders keeps a name that begins with "_."
	// away from the subjects on which NATS alone answers.
	AgentDenySub          = "down.*.{{name()}}.*"
	AgentDenyPub          = "up.*.*.{{name()}}"
	AgentDenyNoResponders = "up.*._.>"
	// BridgeAllowPub, BridgeAllowSub and BridgeAllowSubPresence confine a
	// bridge to its own inbox: the user's name is the bridge's id.
	BridgeAllowPub         = "down.*.*.{{name()}}"
	BridgeAllowSub         = "up.{{name()}}.>"
	BridgeAllowSubPresence = "up._.*.*"
)

// RoleAgent and RoleBridge are the role names of the two scoped signing keys
// that every tenant account lists.
const (
	RoleAgent  = "agent"
	RoleBridge = "bridge"
)

// DefaultTenant is the tenant of a cluster written without one ("prod").
const DefaultTenant = "default"

// ErrName is wrapped by every error about a name that is not a DNS label.
var ErrName = errors.New("not a DNS label (1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit)")

// CheckName reports whether s is a DNS label (RFC 1123), the only form that
// cluster, tenant, instance and bridge names may have. A dot, a wildcard or an
// underscore in a name would move it to another subject.
func CheckName(s string) error {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return fmt.Errorf("name %s: %w", quoteShort(s), ErrName)
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("name %s: %w", quoteShort(s), ErrName)
		}
	}
	return nil
}

func quoteShort(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%q...", s[:80])
	}
	return fmt.Sprintf("%q", s)
}

// ClusterRef names a cluster of a tenant.
type ClusterRef struct {
	Tenant  string
	Cluster string
}

// ParseClusterRef reads "prod" (the default tenant's) or "prod.acme" (cluster
// prod of tenant acme). The error wraps [ErrName].
func ParseClusterRef(s string) (ClusterRef, error) {
	cluster, tenant, found := strings.Cut(s, ".")
	if !found {
		tenant = DefaultTenant
	}
	if err := CheckName(cluster); err != nil {
		return ClusterRef{}, fmt.Errorf("cluster %w", err)
	}
	if err := CheckName(tenant); err != nil {
		return ClusterRef{}, fmt.Errorf("tenant %w", err)
	}
	return ClusterRef{Tenant: tenant, Cluster: cluster}, nil
}

// String is the inverse of [ParseClusterRef].
func (r ClusterRef) String() string {
	if r.Tenant == DefaultTenant {
		return r.Cluster
	}
	return r.Cluster + "." + r.Tenant
}

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID returns a fresh random name (a DNS label of 17 characters, 80 random
// bits) for one process's lifetime: kind 'a' for an agent instance, 'b' for a
// bridge. A restarted process is another instance, which is what lets its
// peers tell a lost request from one executed before the restart.
func NewID(kind byte) string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return string(kind) + idEncoding.EncodeToString(b[:])
}

// Down is the subject of frames from bridge to one agent instance.
func Down(cluster, instance, bridge string) string {
	return rootDown + cluster + "." + instance + "." + bridge
}

// DownAll is the subject of a presence query from bridge to every instance.
func DownAll(cluster, bridge string) string { return Down(cluster, anyone, bridge) }

// AgentFrames and AgentQueries are an agent instance's two subscriptions.
func AgentFrames(cluster, instance string) string { return Down(cluster, instance, "*") }

// AgentQueries is where presence queries to every instance arrive.
func AgentQueries(cluster string) string { return Down(cluster, anyone, "*") }

// Up is the subject of frames from an agent instance to one bridge.
func Up(bridge, cluster, instance string) string {
	return rootUp + bridge + "." + cluster + "." + instance
}

// UpAll is the subject of an agent instance's presence, to which every bridge
// subscribes.
func UpAll(cluster, instance string) string { return Up(anyone, cluster, instance) }

// BridgeFrames and BridgePresence are a bridge's two subscriptions.
func BridgeFrames(bridge string) string { return rootUp + bridge + ".>" }

// BridgePresence is where the presence of every agent instance arrives.
func BridgePresence() string { return Up(anyone, "*", "*") }

// NoResponders is the reply subject of a frame from bridge to an instance: of the
// one that opens stream, or of a question, with stream 0. NATS itself answers
// there, at once, if the frame has no subscriber. No agent may publish to it, since
// "_" is not the name of any user. For a query to every instance of a cluster,
// instance is "" and stream 0.
func NoResponders(bridge, cluster, instance string, stream uint64) string {
	var buf [256]byte // holds any three DNS labels
	b := append(buf[:0], rootUp...)
	b = append(b, bridge...)
	b = append(b, "."+anyone+"."...)
	b = append(b, cluster...)
	b = append(b, '.')
	if instance == "" {
		instance = anyone
	}
	b = append(b, instance...)
	b = append(b, '.')
	return string(strconv.AppendUint(b, stream, 36))
}

// NoRespondersOf is [NoResponders] for a frame sent to the subject down, which
// [Down] has made: its names are not checked again.
func NoRespondersOf(down string, stream uint64) string {
	cluster, instance, bridge, _ := cutDown(down)
	return NoResponders(bridge, cluster, instance, stream)
}

// NoBridge is the reply subject of a question from an instance to a bridge, whose
// subject up [Up] has made: its names are not checked again. NATS itself answers
// there, at once, if the bridge has no subscriber. Nobody may publish to it, since no
// bridge's name begins with "_".
func NoBridge(up string) string {
	bridge, cluster, instance, _ := cut3(strings.TrimPrefix(up, rootUp))
	return Down(cluster, instance, anyone+bridge)
}

// ParseNoBridge splits a subject made by [NoBridge].
func ParseNoBridge(subject string) (cluster, instance, bridge string, ok bool) {
	cluster, instance, bridge, ok = cutDown(subject)
	if !ok {
		return "", "", "", false
	}
	bridge, ok = strings.CutPrefix(bridge, anyone)
	if !ok || CheckName(cluster) != nil || CheckName(instance) != nil || CheckName(bridge) != nil {
		return "", "", "", false
	}
	return cluster, instance, bridge, true
}

// ParseDown splits the subject of a frame or query that reached an agent.
// instance is "" for a query to every instance.
func ParseDown(subject string) (cluster, instance, bridge string, ok bool) {
	cluster, instance, bridge, ok = cutDown(subject)
	if !ok || CheckName(cluster) != nil || CheckName(bridge) != nil {
		return "", "", "", false
	}
	if instance == anyone {
		return cluster, "", bridge, true
	}
	return cluster, instance, bridge, CheckName(instance) == nil
}

// ParseUp splits the subject of a frame or presence that reached a bridge.
// bridge is "" for presence.
func ParseUp(subject string) (bridge, cluster, instance string, ok bool) {
	rest, ok := strings.CutPrefix(subject, rootUp)
	if !ok {
		return "", "", "", false
	}
	bridge, cluster, instance, ok = cut3(rest)
	if !ok || CheckName(cluster) != nil || CheckName(instance) != nil {
		return "", "", "", false
	}
	if bridge == anyone {
		return "", cluster, instance, true
	}
	return bridge, cluster, instance, CheckName(bridge) == nil
}

// ParseNoResponders splits a subject made by [NoResponders]. instance is "" for
// a query to every instance.
func ParseNoResponders(subject string) (bridge, cluster, instance string, stream uint64, ok bool) {
	rest, ok := strings.CutPrefix(subject, rootUp)
	if !ok {
		return "", "", "", 0, false
	}
	bridge, rest, _ = strings.Cut(rest, ".")
	rest, ok = strings.CutPrefix(rest, anyone+".")
	if !ok || CheckName(bridge) != nil {
		return "", "", "", 0, false
	}
	cluster, instance, id, ok := cut3(rest)
	if !ok || CheckName(cluster) != nil {
		return "", "", "", 0, false
	}
	stream, err := strconv.ParseUint(id, 36, 64)
	if err != nil {
		return "", "", "", 0, false
	}
	if instance == anyone {
		return bridge, cluster, "", stream, stream == 0
	}
	return bridge, cluster, instance, stream, CheckName(instance) == nil
}

// cutDown splits a subject made by [Down] without checking the names in it.
func cutDown(subject string) (cluster, instance, bridge string, ok bool) {
	rest, ok := strings.CutPrefix(subject, rootDown)
	if !ok {
		return "", "", "", false
	}
	return cut3(rest)
}

// cut3 splits a string of exactly three tokens.
func cut3(s string) (a, b, c string, ok bool) {
	a, s, ok = strings.Cut(s, ".")
	if !ok {
		return "", "", "", false
	}
	b, c, ok = strings.Cut(s, ".")
	return a, b, c, ok && !strings.Contains(c, ".")
}
