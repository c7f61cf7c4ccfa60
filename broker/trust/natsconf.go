package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats-server/v2/conf"
)

// NATSConfig is the settings of a nats-server configuration file, by their names
// there, with variables and included files resolved.
type NATSConfig map[string]any

// ReadNATSConfig reads a configuration file that has a full resolver. nats-server
// takes a relative resolver directory as relative to the working directory, and
// creates it while it reads the settings; so the directory is settled before:
// relative to the file, or resolverDir if that is given.
func ReadNATSConfig(file, resolverDir string) (NATSConfig, error) {
	settings, err := conf.ParseFile(file)
	if err != nil {
		return nil, fmt.Errorf("nats-config: %w", err)
	}
	c := NATSConfig(settings)
	if err := c.settleResolver(filepath.Dir(file), resolverDir); err != nil {
		return nil, fmt.Errorf("nats-config: %s: %w", file, err)
	}
	return c, nil
}

// isResolver reports whether a setting is the resolver, which has three names.
func isResolver(key string) bool {
	switch strings.ToLower(key) {
	case "resolver", "account_resolver", "accounts_resolver":
		return true
	}
	return false
}

// Resolver is the resolver's own settings. A change of them is one of c.
func (c NATSConfig) Resolver() map[string]any {
	for key, value := range c {
		if isResolver(key) {
			r, _ := value.(map[string]any)
			return r
		}
	}
	return nil
}

func (c NATSConfig) settleResolver(base, resolverDir string) error {
	found := false
	for key := range c {
		found = found || isResolver(key)
	}
	if !found {
		return errors.New("has no resolver; 'nsc generate config --nats-resolver' writes one")
	}
	r := c.Resolver()
	if kind, _ := r["type"].(string); !strings.EqualFold(kind, "full") {
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
	return nil
}

// Text writes the settings in nats-server's configuration language, which
// includes JSON.
func (c NATSConfig) Text() (string, error) {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // the \u escapes are not in the language
	err := e.Encode(c)
	return text.String(), err
}
