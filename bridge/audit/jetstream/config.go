package jetstream

import (
	"errors"
	"os"
	"strings"

	"github.com/nats-io/nkeys"
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
	return strictyaml.Decode(n, (*plain)(c), c.faults)
}

func (c *Config) faults() (all []strictyaml.Fault) {
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

// CheckCredentials reports why a file does not have NATS credentials.
func CheckCredentials(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer clear(content)
	token, err := nkeys.ParseDecoratedJWT(content)
	if err == nil {
		_, err = nkeys.ParseDecoratedUserNKey(content)
	}
	if err != nil || !strings.HasPrefix(token, "eyJ") {
		return errors.New("not a NATS credentials file: it lacks the JWT or the seed of a user")
	}
	return nil
}

// Check returns the first fault of the configuration, nil if there is none.
func (c *Config) Check() error { return strictyaml.First(c.faults()) }
