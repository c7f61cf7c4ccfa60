package limit

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Config is the part of the access file with the limits that hold for everyone. The
// zero value has no limits. Values can be compared with ==.
type Config struct {
	// Bridges is the number of bridges that share the limits; each allows its
	// part. 0 stands for 1.
	Bridges Count `yaml:"bridges"`
	// Caller limits each caller, over all clusters.
	Caller Limits `yaml:"caller"`
	// Cluster limits each cluster, over all callers.
	Cluster Limits `yaml:"cluster"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	return strictyaml.Decode(n, (*plain)(c))
}

// Limits are those of one caller, grant or cluster. A field that is zero limits
// nothing. Values can be compared with ==.
type Limits struct {
	RequestsPerSecond Rate `yaml:"requestsPerSecond"`
	// Burst is how many requests may come at once after a pause; 0 stands for what
	// a second allows.
	Burst Count `yaml:"burst"`
	// ConcurrentRequests bounds the requests that run, other than streams.
	ConcurrentRequests Count `yaml:"concurrentRequests"`
	// Streams bounds watches, followed logs and upgraded connections.
	Streams Count `yaml:"streams"`
	// BytesPerSecond bounds the bytes of bodies and upgraded connections, in both
	// directions together.
	BytesPerSecond Bytes `yaml:"bytesPerSecond"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (l *Limits) UnmarshalYAML(n *yaml.Node) error {
	type plain Limits
	return strictyaml.Decode(n, (*plain)(l), func() []strictyaml.Fault {
		if l.Burst != 0 && l.RequestsPerSecond == 0 {
			return []strictyaml.Fault{strictyaml.Faultf("it needs requestsPerSecond").At("burst")}
		}
		return nil
	})
}

// none reports whether nothing is limited.
func (l *Limits) none() bool { return *l == Limits{} }

// share is the part of the limits that one of several bridges allows. Whole numbers
// are rounded up, so that each bridge allows something.
func (l Limits) share(bridges Count) Limits {
	if bridges <= 1 {
		return l
	}
	if l.RequestsPerSecond > 0 && l.Burst == 0 {
		l.Burst = defaultBurst(l.RequestsPerSecond)
	}
	part := func(c Count) Count { return (c + bridges - 1) / bridges }
	l.RequestsPerSecond /= Rate(bridges)
	l.Burst, l.ConcurrentRequests, l.Streams = part(l.Burst), part(l.ConcurrentRequests), part(l.Streams)
	l.BytesPerSecond = (l.BytesPerSecond + Bytes(bridges) - 1) / Bytes(bridges)
	return l
}

func defaultBurst(r Rate) Count { return Count(max(1, math.Ceil(float64(r)))) }

// Bounds of configured values. The upper ones are beyond what a bridge can do, so
// that a value above them is a mistake.
const (
	maxRate  = 1_000_000 // requests a second
	minRate  = 1.0 / 3600
	maxCount = 1_000_000
	minBytes = 1 << 10 // a second: a message of the tunnel has up to 64 KiB
	maxBytes = 1 << 40
)

// Rate is a number of requests a second, which may have a fraction.
type Rate float64

// UnmarshalYAML implements [yaml.Unmarshaler].
func (r *Rate) UnmarshalYAML(n *yaml.Node) error {
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || !(f >= minRate && f <= maxRate) {
		return strictyaml.Errorf(n, "want a number of requests a second, such as 50 or 0.5, of at most %d, not %q; without the key there is no limit", maxRate, n.Value)
	}
	*r = Rate(f)
	return nil
}

// Count is a number of requests, streams or bridges.
type Count int

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Count) UnmarshalYAML(n *yaml.Node) error {
	i, err := strconv.Atoi(n.Value)
	if err != nil || i < 1 || i > maxCount {
		return strictyaml.Errorf(n, "want a whole number from 1 to %d, not %q; without the key there is no limit", maxCount, n.Value)
	}
	*c = Count(i)
	return nil
}

// Bytes is a number of bytes a second. In a file it may have a unit, as 50MiB or
// 400MB.
type Bytes int64

var units = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error {
	number, factor := n.Value, 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if f *= factor; err != nil || !(f >= minBytes && f <= maxBytes) {
		return strictyaml.Errorf(n, "want a number of bytes a second, such as 50MiB (KiB, MiB, GiB, kB, MB, GB), of 1KiB to 1TiB, not %q; without the key there is no limit", n.Value)
	}
	*b = Bytes(f)
	return nil
}

// String writes the number with the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range []int{2, 1, 0} {
		if f := Bytes(units[u].factor); b >= f && b%f == 0 {
			return fmt.Sprintf("%d%s", b/f, units[u].suffix)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}
