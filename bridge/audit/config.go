package audit

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/audit/jetstream"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Config is section audit of the access file. The zero value writes nothing.
type Config struct {
	// File is where events go; nil: to no file.
	File *FileConfig `yaml:"file"`
	// Stdout writes events to standard output.
	Stdout bool `yaml:"stdout"`
	// JetStream is a stream of NATS where events go; nil: to none.
	JetStream *jetstream.Config `yaml:"jetStream"`
	// Required fails requests whose events cannot be written.
	Required bool `yaml:"required"`
	// Reads says whether there are events for reads that succeed; nil: there are.
	Reads *bool `yaml:"reads"`
}

// FileConfig is a file that is rotated.
type FileConfig struct {
	Path string `yaml:"path"`
	// MaxSizeMiB is the size at which the file is rotated, in MiB. Default 100.
	MaxSizeMiB int `yaml:"maxSizeMiB"`
	// MaxFiles bounds the files that are kept, the current one among them. Default 10.
	MaxFiles int `yaml:"maxFiles"`
	// MaxAge is the age of its first event at which the file is rotated, and the age
	// of its last event at which a rotated file is removed. Default 0: neither.
	MaxAge time.Duration `yaml:"maxAge"`
}

// The defaults of a file, and the shortest age: files are looked at once a minute.
const (
	defaultMaxSizeMiB = 100
	maxMaxSizeMiB     = 1 << 20
	defaultMaxFiles   = 10
	minMaxAge         = time.Minute
)

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	return strictyaml.Decode(n, (*plain)(c), c.faults)
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *FileConfig) UnmarshalYAML(n *yaml.Node) error {
	type plain FileConfig
	return strictyaml.Decode(n, (*plain)(c), c.faults)
}

func (c *Config) faults() (all []strictyaml.Fault) {
	if c.Required && c.File == nil && !c.Stdout && c.JetStream == nil {
		all = append(all, strictyaml.Faultf("it is true, but neither file, stdout nor jetStream is given").At("required").Unless("file", "stdout", "jetStream"))
	}
	return all
}

func (c *FileConfig) faults() (all []strictyaml.Fault) {
	add := func(key, text string) { all = append(all, strictyaml.Faultf("%s", text).At(key)) }
	if c.Path == "" {
		add("path", "none given")
	}
	if c.MaxSizeMiB < 0 || c.MaxSizeMiB > maxMaxSizeMiB {
		add("maxSizeMiB", "want a number from 1 to 1048576; 0 is the default, 100")
	}
	if c.MaxFiles < 0 {
		add("maxFiles", "want a positive number; 0 is the default, 10")
	}
	if c.MaxAge != 0 && c.MaxAge < minMaxAge {
		add("maxAge", "want a duration of at least 1m, such as 720h; 0 is no limit")
	}
	return all
}

// check returns the first fault of a configuration that was not read from a file.
func (c *Config) check() error { return strictyaml.First(c.faults()) }

func (c *FileConfig) check() error { return strictyaml.First(c.faults()) }

// reads reports whether reads that succeed have events.
func (c *Config) reads() bool { return c.Reads == nil || *c.Reads }
