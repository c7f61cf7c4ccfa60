package e2e

import "testing"

// protocol is one of the two ways in which kubectl upgrades a connection.
type protocol struct {
	name string
	env  []string
}

var protocols = []protocol{
	{"WebSocket", []string{"KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true", "KUBECTL_PORT_FORWARD_WEBSOCKETS=true"}},
	{"SPDY", []string{"KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false", "KUBECTL_PORT_FORWARD_WEBSOCKETS=false"}},
}

// overEach runs a test once per protocol.
func (sp *space) overEach(f func(sp *space, p protocol)) {
	for _, p := range protocols {
		sp.t.Run(p.name, func(t *testing.T) { f(&space{suite: sp.suite, t: t, name: sp.name}, p) })
	}
}
