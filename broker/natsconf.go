package broker

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats-server/v2/conf"
	"github.com/nats-io/nats-server/v2/server"
)

// readNATSConfig reads a nats-server configuration file with an operator and a
// full resolver, which it opens.
func readNATSConfig(file, resolverDir string) (*server.Options, error) {
	settings, err := parseNATSConfig(file, resolverDir)
	if err != nil {
		return nil, err
	}
	text, err := configText(settings)
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

// parseNATSConfig returns the file's settings, with variables and included
// files resolved. nats-server takes a relative resolver directory as relative
// to the working directory and creates it while it reads the settings, so the
// directory is settled before: relative to the file, or resolverDir.
func parseNATSConfig(file, resolverDir string) (map[string]any, error) {
	settings, err := conf.ParseFile(file)
	if err != nil {
		return nil, fmt.Errorf("nats-config: %w", err)
	}
	if err := settleResolver(settings, filepath.Dir(file), resolverDir); err != nil {
		return nil, fmt.Errorf("nats-config: %s: %w", file, err)
	}
	return settings, nil
}

func settleResolver(settings map[string]any, base, resolverDir string) error {
	for key, value := range settings {
		switch strings.ToLower(key) {
		case "resolver", "account_resolver", "accounts_resolver":
			r, ok := value.(map[string]any)
			if kind, _ := r["type"].(string); !ok || !strings.EqualFold(kind, "full") {
				return errors.New("the resolver must be of type full, as 'nsc generate config --nats-resolver' writes it")
			}
			dir, _ := r["dir"].(string)
			switch {
			case resolverDir != "":
				dir = resolverDir
			case dir == "":
				return errors.New("the resolver has no dir")
			case !filepath.IsAbs(dir):
				dir = filepath.Join(base, dir)
			}
			r["dir"] = dir
			r["interval"] = ResyncInterval.String()
			r["timeout"] = fetchTimeout.String()
			return nil
		}
	}
	return errors.New("has no resolver; 'nsc generate config --nats-resolver' writes one")
}
