package audit

import (
	"errors"
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
	if err := strictyaml.Decode(n, (*plain)(c)); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return strictyaml.Errorf(n, "audit: %w", err)
	}
	return nil
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *FileConfig) UnmarshalYAML(n *yaml.Node) error {
	type plain FileConfig
	if err := strictyaml.Decode(n, (*plain)(c)); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return strictyaml.Errorf(n, "file: %w", err)
	}
	return nil
}

func (c *Config) check() error {
	if c.Required && c.File == nil && !c.Stdout && c.JetStream == nil {
		return errors.New("required, but neither file, stdout nor jetStream is given")
	}
	return nil
}

func (c *FileConfig) check() error {
	switch {
	case c.Path == "":
		return errors.New("path: none given")
	case c.MaxSizeMiB < 0 || c.MaxSizeMiB > maxMaxSizeMiB:
		return errors.New("maxSizeMiB: want a number from 1 to 1048576; 0 is the default, 100")
	case c.MaxFiles < 0:
		return errors.New("maxFiles: want a positive number; 0 is the default, 10")
	case c.MaxAge != 0 && c.MaxAge < minMaxAge:
		return errors.New("maxAge: want a duration of at least 1m, such as 720h; 0 is no limit")
	}
	return nil
}

// reads reports whether reads that succeed have events.
func (c *Config) reads() bool { return c.Reads == nil || *c.Reads }
