package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"
)

// newKey makes a key pair, keeps its seed and returns its public key.
func (l *Layout) newKey(create func() (nkeys.KeyPair, error), path ...string) (public string, err error) {
	pair, err := create()
	if err != nil {
		return "", fmt.Errorf("new key: %w", err)
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	if err != nil {
		return "", fmt.Errorf("new key: %w", err)
	}
	defer clear(seed)
	if err := writeNew(l.KeyFile(path...), append(seed, '\n'), secretMode); err != nil {
		return "", fmt.Errorf("new key: %w", err)
	}
	return pair.PublicKey()
}

// writeNew writes a file that must not exist.
func writeNew(file string, content []byte, mode fs.FileMode) error {
	return writeFile(file, content, mode, os.O_CREATE|os.O_EXCL|os.O_WRONLY)
}

// replaceFile writes a file that another process may be reading: it sees the
// old content or the new, whole.
func replaceFile(file string, content []byte, mode fs.FileMode) error {
	next := file + ".new"
	if err := writeFile(next, content, mode, os.O_CREATE|os.O_TRUNC|os.O_WRONLY); err != nil {
		return err
	}
	return os.Rename(next, file)
}

func writeFile(file string, content []byte, mode fs.FileMode, flags int) error {
	if err := os.MkdirAll(filepath.Dir(file), dirMode); err != nil {
		return err
	}
	f, err := os.OpenFile(file, flags, mode)
	if err != nil {
		return err
	}
	// The umask may have taken bits that the reader needs.
	_, err = f.Write(content)
	return errors.Join(f.Chmod(mode), err, f.Close())
}
