package jetstream

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
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
}

const defaultSubject = "fairlead.audit"

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	if err := strictyaml.Decode(n, (*plain)(c)); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return strictyaml.Errorf(n, "jetStream: %w", err)
	}
	return nil
}

// Check returns what is wrong with the configuration, nil if nothing is.
func (c *Config) Check() error {
	if len(c.Servers) == 0 {
		return errors.New("servers: none given")
	}
	for _, s := range c.Servers {
		if _, err := natslink.CheckServer(s); err != nil {
			return fmt.Errorf("servers: %w", err)
		}
	}
	if c.Subject == "" {
		return nil
	}
	for token := range strings.SplitSeq(c.Subject, ".") {
		if token == "" || strings.ContainsAny(token, " \t\r\n*>") || token[0] == '$' {
			return fmt.Errorf("subject: %q is not a subject such as %s", c.Subject, defaultSubject)
		}
	}
	return nil
}
