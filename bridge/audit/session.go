package audit

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

// isSession reports whether a request opens a session in a pod.
func isSession(info *requestinfo.Info) bool {
	if info == nil || !info.IsResource || info.Resource != "pods" {
		return false
	}
	switch info.Subresource {
	case "exec", "attach", "portforward":
		return true
	}
	return false
}

// session appends what a session is for, from the query of its target: the command,
// the container and the ports. Nothing else of a query is ever read.
func (e *encoder) session(target string) {
	_, raw, _ := strings.Cut(target, "?")
	query, _ := url.ParseQuery(raw) // what can be read counts, as for an API server
	e.open("session")
	e.str("container", query.Get("container"))
	e.command(query["command"])
	e.ports(query["ports"])
	e.close()
}

// command appends a command line, which has a bound of its own.
func (e *encoder) command(args []string) {
	if len(args) == 0 {
		return
	}
	left := maxCommand
	e.key("command")
	e.b = append(e.b, '[')
	for _, arg := range args {
		if left <= 0 {
			e.cut = true
			break
		}
		e.comma()
		e.text(arg, left)
		left -= max(len(arg), 1)
	}
	e.b = append(e.b, ']')
}

// ports appends the ports of a forward over WebSocket, each once. Those of SPDY are in
// the stream and not known here.
func (e *encoder) ports(values []string) {
	var ports []uint64
	for _, v := range values {
		for p := range strings.SplitSeq(v, ",") {
			n, err := strconv.ParseUint(strings.TrimSpace(p), 10, 16)
			if err == nil && !slices.Contains(ports, n) && len(ports) < maxList {
				ports = append(ports, n)
			}
		}
	}
	if len(ports) == 0 {
		return
	}
	e.key("ports")
	e.b = append(e.b, '[')
	for _, p := range ports {
		e.comma()
		e.b = strconv.AppendUint(e.b, p, 10)
	}
	e.b = append(e.b, ']')
}
