package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// copyOf is a file or folder that a volume holds a copy of, by the same name
// unless as says another.
type copyOf struct {
	name, as string
	// optional: it may be missing, because 'cluster revoke' sets it aside.
	optional bool
}

// volumes lists the files that each volume gets. The operator's keys, those of the
// tenants and of the CA, and the token stay where they are.
var volumes = map[string][]copyOf{
	"broker-1": broker, "broker-2": broker, "broker-3": broker,
	"bridge": {
		{name: "tls/ca.crt"}, {name: "tls/server.crt"}, {name: "tls/server.key"},
		{name: "keys/bridge.nk"}, {name: "keys/store.nk"}, {name: "tenants.yaml"}, {name: "tokens.yaml"},
	},
	"nginx": {{name: "tls/ca.crt"}, {name: "tls/server.crt"}, {name: "tls/server.key"}},
	"agent": {{name: "tls/ca.crt", as: "ca.crt"}, {name: "creds/prod.default.creds", as: "agent.creds", optional: true}},
}

var broker = []copyOf{
	{name: "operator.jwt"}, {name: "jwt"}, {name: "guard.creds"},
	{name: "tls/ca.crt"}, {name: "tls/server.crt"}, {name: "tls/server.key"},
}

// handOut copies from the folder that init made into the volumes below root.
// Unchanged files are not touched.
func handOut(from, root string, log io.Writer) error {
	for volume, copies := range volumes {
		for _, c := range copies {
			as := c.as
			if as == "" {
				as = c.name
			}
			source := filepath.Join(from, c.name)
			if _, err := os.Stat(source); c.optional && errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintf(log, "setup: there is no %s: %s keeps what it has\n", c.name, volume)
				continue
			}
			if err := copyTree(source, filepath.Join(root, volume, as)); err != nil {
				return fmt.Errorf("hand out %s to %s: %w", c.name, volume, err)
			}
		}
	}
	return writeStore(from, filepath.Join(root, "bridge", "store.yaml"))
}

// writeStore writes the part of the bridges' configuration that is known only once there
// are keys.
func writeStore(from, to string) error {
	account, err := os.ReadFile(filepath.Join(from, "store.account"))
	if err != nil {
		return fmt.Errorf("configuration of bridges: %w", err)
	}
	content := fmt.Appendf(nil, "store-account: %s\nstore-key: keys/store.nk\n", bytes.TrimSpace(account))
	if err := replace(to, content); err != nil {
		return fmt.Errorf("configuration of bridges: %w", err)
	}
	return nil
}

// copyTree copies a file, or a folder with everything in it.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return replace(to, content)
}

// replace writes a file in one step, since its owner may be reading it.
func replace(to string, content []byte) error {
	if old, err := os.ReadFile(to); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	next := to + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, to)
}
