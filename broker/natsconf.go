package broker

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/broker/trust"
)

// readNATSConfig reads a nats-server configuration file with an operator and a
// full resolver, which it opens.
func readNATSConfig(file, resolverDir string) (*server.Options, error) {
	settings, err := trust.ReadNATSConfig(file, resolverDir)
	if err != nil {
		return nil, err
	}
	resolver := settings.Resolver()
	resolver["interval"], resolver["timeout"] = ResyncInterval.String(), fetchTimeout.String()
	text, err := settings.Text()
	if err != nil {
		return nil, fmt.Errorf("nats-config: %s: %w", file, err)
	}
	o := &server.Options{}
	err = o.ProcessConfigString(text)
	if err == nil && len(o.TrustedOperators) == 0 {
		err = errors.New("has no operator; 'nsc generate config --nats-resolver' writes one")
	}
	if err != nil {
		if o.AccountResolver != nil {
			o.AccountResolver.Close()
		}
		return nil, fmt.Errorf("nats-config: %s: %w", file, err)
	}
	return o, nil
}
