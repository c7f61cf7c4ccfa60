package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/broker/keys"
)

// sources is what a broker believes when it starts, as [Check] judges it.
type sources struct {
	operators []*jwt.OperatorClaims
	system    string            // the system account's public key
	accounts  map[string]string // account JWTs by public key
	where     map[string]string // where each came from, for people
	users     []user            // none with a NATS configuration file
	ways      []string          // settings of that file that let others in
	guard     *user             // nil without credentials for it that can be read
	fixUser   string            // what to do about a user, as Finding.Fix
}

// list returns the public keys of all accounts, in order.
func (t *sources) list() []string { return slices.Sorted(maps.Keys(t.accounts)) }

func (s Source) read() (*sources, error) {
	t := &sources{accounts: map[string]string{}, where: map[string]string{}}
	if claims, err := keys.ReadCreds(s.GuardCreds); err == nil { // otherwise the start will say so
		t.guard = &user{file: s.GuardCreds, claims: claims}
	}
	if s.NATSConfig != "" {
		return t, t.fromNATSConfig(s.NATSConfig, s.ResolverDir)
	}
	l, err := keys.OpenLayout(s.Dir)
	if err != nil {
		return nil, err
	}
	operator, err := l.Operator()
	if err != nil {
		return nil, err
	}
	t.operators = []*jwt.OperatorClaims{operator}
	t.system = operator.SystemAccount
	if err := t.readCredsDir(l.CredsDir()); err != nil {
		return nil, err
	}
	if err := t.readDir(l.ResolverDir()); err != nil || s.ResolverDir == "" || s.ResolverDir == l.ResolverDir() {
		return t, err
	}
	return t, t.readDir(s.ResolverDir)
}

func (t *sources) fromNATSConfig(file, resolverDir string) error {
	settings, err := ReadNATSConfig(file, resolverDir)
	if err != nil {
		return err
	}
	// Everything but the resolver, since to configure it is to open it.
	rest := maps.Clone(settings)
	dir := ""
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value := settings[key]
		if isResolver(key) {
			delete(rest, key)
			dir, _ = value.(map[string]any)["dir"].(string)
		}
		switch strings.ToLower(key) {
		case "leaf", "leafnodes", "gateway", "mqtt":
			t.ways = append(t.ways, key)
		case "resolver_preload":
			preload, _ := value.(map[string]any)
			for account, token := range preload {
				t.accounts[account], _ = token.(string)
				t.where[account] = file + ": resolver_preload"
			}
		}
	}
	text, err := rest.Text()
	if err != nil {
		return fmt.Errorf("nats-config: %s: %w", file, err)
	}
	var o server.Options
	if err := o.ProcessConfigString(text); err != nil {
		return fmt.Errorf("nats-config: %s: %w", file, err)
	}
	t.operators, t.system = o.TrustedOperators, o.SystemAccount
	return t.readDir(dir)
}

// readDir adds the accounts of a resolver's directory. Where two sources have
// the same account the newer counts, as the resolver does it.
func (t *sources) readDir(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.jwt"))
	if err != nil {
		return fmt.Errorf("resolver directory: %w", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			return fmt.Errorf("resolver directory: %w", err)
		}
		account := strings.TrimSuffix(filepath.Base(f), ".jwt")
		token := strings.TrimSpace(string(b))
		if known, ok := t.accounts[account]; ok && issuedAt(known) > issuedAt(token) {
			continue
		}
		t.accounts[account], t.where[account] = token, f
	}
	return nil
}

func issuedAt(token string) int64 {
	claims, err := jwt.DecodeGeneric(token)
	if err != nil {
		return 0
	}
	return claims.IssuedAt
}
