package audit

import (
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
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
// the container and the ports. Nothing else of a query is ever read. The ports of a
// forward over SPDY are those of its stream.
func (e *encoder) session(rec *answer.Record) {
	var containers, command, ports []string
	for name, value := range pairs(rec.Target) {
		switch name {
		case "container":
			containers = append(containers, value)
		case "command":
			command = append(command, value)
		case "ports":
			ports = append(ports, value)
		}
	}
	e.open("session")
	if len(containers) > 0 {
		e.str("container", containers[0]) // the first counts for an API server
	}
	e.command(command)
	e.ports(ports, rec.Ports)
	e.close()
}

// pairs are those of a target's query. What [url.ParseQuery] would leave out is left
// out, but it has no bound on their number as that has: a server without one would
// execute a command that is not in the event.
func pairs(target string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		_, query, _ := strings.Cut(target, "?")
		for pair := range strings.SplitSeq(query, "&") {
			if pair == "" || strings.Contains(pair, ";") {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			name, badName := url.QueryUnescape(name)
			value, badValue := url.QueryUnescape(value)
			if badName == nil && badValue == nil && !yield(name, value) {
				return
			}
		}
	}
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

// ports appends the ports of a forward, each once: those that the query names, and those
// of the stream.
func (e *encoder) ports(values []string, opened []uint16) {
	var ports []uint64
	for _, v := range values {
		for p := range strings.SplitSeq(v, ",") {
			n, err := strconv.ParseUint(strings.TrimSpace(p), 10, 16)
			if err == nil && !slices.Contains(ports, n) && len(ports) < maxList {
				ports = append(ports, n)
			}
		}
	}
	for _, p := range opened {
		if n := uint64(p); !slices.Contains(ports, n) && len(ports) < maxList {
			ports = append(ports, n)
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
