package jetstream

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nkeys"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// Config says where the stream is.
type Config struct {
	// Servers are URLs of NATS servers: tls:// or wss://, or nats:// on loopback.
	Servers []string `yaml:"servers"`
	// Credentials is a NATS credentials file, read at each connect; "": none.
	Credentials string `yaml:"credentials"`
	// CertificateAuthority is a file with the CA certificates that verify the servers;
	// "": those of the system.
	CertificateAuthority string `yaml:"certificateAuthority"`
	// Subject is what events are published to. Default fairlead.audit.
	Subject string `yaml:"subject"`
	// Shared publishes to the bridges' shared store instead; the other fields are then
	// empty, but for those that follow.
	Shared bool `yaml:"shared"`
	// MaxSizeMiB and MaxAge are limits that the store's stream is created with: its size
	// in MiB on each broker that keeps a copy, and the age at which events are removed.
	// Default 1024 and 0, which is no limit.
	MaxSizeMiB int           `yaml:"maxSizeMiB"`
	MaxAge     time.Duration `yaml:"maxAge"`
}

// Bounds of the limits: a stream keeps for a while what was published twice, and no
// message for less.
const (
	maxMaxSizeMiB = 1 << 30
	minMaxAge     = time.Hour
)

const defaultSubject = "fairlead.audit"

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	return strictyaml.Decode(n, (*plain)(c), c.faults)
}

func (c *Config) faults() (all []strictyaml.Fault) {
	if c.Shared {
		return c.sharedFaults()
	}
	if c.MaxSizeMiB != 0 || c.MaxAge != 0 {
		all = append(all, strictyaml.Faultf("maxSizeMiB and maxAge are those of the shared store's stream; of another one they are its operator's"))
	}
	if len(c.Servers) == 0 {
		all = append(all, strictyaml.Faultf("none given").At("servers"))
	}
	for i, s := range c.Servers {
		if _, err := natslink.CheckServer(s); err != nil {
			all = append(all, strictyaml.Faultf("%w", err).At("servers", i))
		}
	}
	for token := range strings.SplitSeq(c.Subject, ".") {
		if c.Subject != "" && (token == "" || strings.ContainsAny(token, " \t\r\n*>") || token[0] == '$') {
			return append(all, strictyaml.Faultf("%q is not a subject such as %s", c.Subject, defaultSubject).At("subject"))
		}
	}
	return all
}

func (c *Config) sharedFaults() (all []strictyaml.Fault) {
	if len(c.Servers) > 0 || c.Credentials != "" || c.CertificateAuthority != "" || c.Subject != "" {
		all = append(all, strictyaml.Faultf("the shared store is reached as the bridge is told: leave out servers, credentials, certificateAuthority and subject").At("shared"))
	}
	if c.MaxSizeMiB < 0 || c.MaxSizeMiB > maxMaxSizeMiB {
		all = append(all, strictyaml.Faultf("want a number from 1 to %d; 0 is the default, %d", maxMaxSizeMiB, subjects.StoreAuditBytes>>20).At("maxSizeMiB"))
	}
	if c.MaxAge != 0 && c.MaxAge < minMaxAge {
		all = append(all, strictyaml.Faultf("want a duration of at least 1h, such as 720h; 0 is no limit").At("maxAge"))
	}
	return all
}

// maxBytes is the size of the shared store's stream.
func (c *Config) maxBytes() int64 {
	if c.MaxSizeMiB == 0 {
		return subjects.StoreAuditBytes
	}
	return int64(c.MaxSizeMiB) << 20
}

// CheckCredentials reports why a file does not have NATS credentials.
func CheckCredentials(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer clear(content)
	return checkCredentials(content)
}

var errNoCredentials = errors.New("not a NATS credentials file: it lacks the JWT or the seed of a user")

func checkCredentials(content []byte) error {
	token, err := nkeys.ParseDecoratedJWT(content)
	if err == nil {
		_, err = nkeys.ParseDecoratedUserNKey(content)
	}
	if err != nil || !strings.HasPrefix(token, "eyJ") {
		return errNoCredentials
	}
	return nil
}

// Check returns the first fault of the configuration, nil if there is none.
func (c *Config) Check() error { return strictyaml.First(c.faults()) }
