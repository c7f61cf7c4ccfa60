package diagnosis

import (
	"slices"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// The hops of a bridge beside those of a connection to a broker.
const (
	Certificate cause.Hop = "certificate" // the certificate that it serves with
	AccessFile  cause.Hop = "access-file"
	Store       cause.Hop = "store"    // what bridges share on the brokers
	Issuer      cause.Hop = "issuer"   // of ID tokens
	Webhook     cause.Hop = "webhook"  // services that review tokens and requests
	Listener    cause.Hop = "listener" // the bridge itself, if it runs
	Front       cause.Hop = "front"    // the proxy in front of the bridge
)

// BridgeHops are all hops of a bridge, in the order of their codes.
func BridgeHops() []cause.Hop {
	return []cause.Hop{
		cause.DNS, cause.TCP, cause.Proxy, cause.TLS, cause.HTTPUpgrade, cause.NATS, cause.JWT, cause.Permission,
		Certificate, AccessFile, Store, Issuer, Webhook, Listener, Front,
	}
}

// codes are the exit codes of the hops of a connection. 0 to 2 are those of every
// command, and 3 to 9 are left for more of them.
var codes = map[cause.Hop]int{
	cause.DNS: 10, cause.TCP: 11, cause.Proxy: 12, cause.TLS: 13, cause.HTTPUpgrade: 14,
	cause.NATS: 15, cause.JWT: 16, cause.Permission: 17, cause.Kubernetes: 18,
	Certificate: 20, AccessFile: 21, Store: 22, Issuer: 23, Webhook: 24, Listener: 25, Front: 26,
}

// Code returns the exit code for a failure at a hop.
func Code(h cause.Hop) int { return codes[h] }

// Judge completes a report: whether each target is fine, whether all that is needed
// is, and the exit code. Of the alternatives in a group one has to work; if none does,
// the one that got farthest counts. Of several groups that fail, the first counts.
func (r *Report) Judge() {
	r.Schema, r.OK, r.ExitCode = Schema, true, 0
	for _, t := range r.Targets {
		t.OK = t.Failed() == nil
	}
	for _, t := range r.Targets {
		alternatives := r.group(t.Group)
		if r.ExitCode != 0 || slices.ContainsFunc(alternatives, func(a *Target) bool { return a.OK }) {
			continue
		}
		r.OK = false
		for _, a := range alternatives {
			r.ExitCode = max(r.ExitCode, Code(a.Failed().Hop))
		}
	}
}

// group returns the targets of a group.
func (r *Report) group(name string) (all []*Target) {
	for _, t := range r.Targets {
		if t.Group == name {
			all = append(all, t)
		}
	}
	return all
}
