package dial

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// dialTCP connects to one of a name's addresses, which it tries in random order,
// so that agents spread over brokers behind one name. hop is [cause.TCP], or
// [cause.Proxy] if a proxy is there.
func (d *Dialer) dialTCP(ctx context.Context, hop cause.Hop, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses := []string{host}
	if net.ParseIP(host) == nil {
		began := time.Now()
		if addresses, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
			err = classify.Error(hop, "resolve "+host, err)
		}
		d.trace(began, Step{Hop: cause.DNS, Target: host, Addresses: addresses, Err: err})
		if err != nil {
			return nil, err
		}
		rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	}
	var failures []*cause.Failure
	for i, a := range addresses {
		dialer := net.Dialer{Timeout: time.Until(d.deadline) / time.Duration(len(addresses)-i)}
		began, target := time.Now(), net.JoinHostPort(a, port)
		conn, err := dialer.DialContext(ctx, "tcp", target)
		if err == nil {
			d.trace(began, Step{Hop: cause.TCP, Target: target})
			return hearingConn{conn}, d.track(conn)
		}
		f := classify.Error(hop, "connect to "+address, err)
		d.trace(began, Step{Hop: cause.TCP, Target: target, Err: f})
		failures = append(failures, f)
	}
	return nil, joined(failures)
}

// joined is the failure to connect to any address of a name: the same one, whatever the
// order in which they were tried.
func joined(failures []*cause.Failure) *cause.Failure {
	slices.SortFunc(failures, func(a, b *cause.Failure) int { return strings.Compare(a.Got, b.Got) })
	f := *failures[0]
	for _, other := range failures[1:] {
		f.Got += "; " + other.Got
	}
	f.Got = cause.Plain(f.Got)
	return &f
}
