package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats-server/v2/conf"
	"github.com/nats-io/nats-server/v2/server"
)

// readNATSConfig reads a nats-server configuration file with an operator and a
// full resolver. nats-server takes a relative resolver directory as relative to
// the working directory and creates it while parsing, so the directory is
// settled before: relative to the file, or resolverDir.
func readNATSConfig(file, resolverDir string) (*server.Options, error) {
	fail := func(err error) (*server.Options, error) {
		return nil, fmt.Errorf("nats-config: %s: %w", file, err)
	}
	settings, err := conf.ParseFile(file)
	if err != nil {
		return fail(err)
	}
	if err := settleResolver(settings, filepath.Dir(file), resolverDir); err != nil {
		return fail(err)
	}
	// The configuration language includes JSON, and variables and included
	// files have been resolved.
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // its \u escapes are not in the language
	if err := e.Encode(settings); err != nil {
		return fail(err)
	}
	o := &server.Options{}
	if err := o.ProcessConfigString(text.String()); err != nil {
		return fail(err)
	}
	if len(o.TrustedOperators) == 0 {
		o.AccountResolver.Close()
		return fail(errors.New("has no operator; 'nsc generate config --nats-resolver' writes one"))
	}
	return o, nil
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
