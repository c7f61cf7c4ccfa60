package record

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Config is section recording of the access file. The zero value records nothing, so
// that sessions whose grant demands it are refused.
type Config struct {
	// Directory gets the recordings. It must exist: a volume that is not mounted must
	// not look like an empty one.
	Directory string `yaml:"directory"`
	// Shared keeps them in the bridges' shared store instead.
	Shared bool `yaml:"shared"`
	// MaxTotal and Retention are what the shared store's stream is created with. Default
	// 2GiB.
	MaxTotal Size `yaml:"maxTotal"`
	// Input records what the client types too, passwords among it.
	Input bool `yaml:"input"`
	// MaxSession is the size of a recording at which its session ends. Default 1GiB.
	MaxSession Size `yaml:"maxSession"`
	// Retention is the time after its end at which a recording is removed. Default 0:
	// never.
	Retention time.Duration `yaml:"retention"`
}

// Bounds and defaults.
const (
	defaultMaxSession Size = 1 << 30
	minMaxSession     Size = 1 << 20
	minRetention           = time.Hour
)

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	return strictyaml.Decode(n, (*plain)(c), c.faults)
}

// Given reports whether the section says where recordings are kept.
func (c *Config) Given() bool { return c.Directory != "" || c.Shared }

func (c *Config) faults() (all []strictyaml.Fault) {
	switch {
	case c.Directory == "" && !c.Shared:
		all = append(all, strictyaml.Faultf("none given, and no shared: true").At("directory"))
	case c.Directory != "" && c.Shared:
		all = append(all, strictyaml.Faultf("the section has a directory too: recordings are kept in one of both").At("shared"))
	}
	if c.MaxTotal != 0 && (!c.Shared || c.MaxTotal < minMaxSession) {
		all = append(all, strictyaml.Faultf("want at least 1MiB, and only with shared: true; a directory has what its disk has").At("maxTotal"))
	}
	if c.MaxSession != 0 && c.MaxSession < minMaxSession {
		all = append(all, strictyaml.Faultf("want at least 1MiB; 0 is the default, 1GiB").At("maxSession"))
	}
	if c.Retention < 0 || c.Retention != 0 && c.Retention < minRetention {
		all = append(all, strictyaml.Faultf("want a duration of at least 1h, such as 720h; 0 is no limit").At("retention"))
	}
	return all
}

func (c *Config) maxSession() int64 {
	if c.MaxSession == 0 {
		return int64(defaultMaxSession)
	}
	return int64(c.MaxSession)
}

// Size is a number of bytes, written as 500MiB or 1GiB.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"", 1}}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(n.Value, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || v > uint64(math.MaxInt64/u.bytes) {
			break
		}
		*s = Size(int64(v) * u.bytes)
		return nil
	}
	return strictyaml.Errorf(n, "want a size such as 500MiB or 1GiB, not %q", n.Value)
}

// String returns the size in the largest unit that it is a multiple of.
func (s Size) String() string {
	for i := len(units) - 2; i >= 0; i-- {
		if u := units[i]; s != 0 && int64(s)%u.bytes == 0 {
			return fmt.Sprintf("%d%s", int64(s)/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
