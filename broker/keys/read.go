package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// ReadKey reads a seed. The caller wipes the pair.
func ReadKey(file string) (nkeys.KeyPair, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key: %w (if nsc has taken over the keys, use nsc)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	pair, err := nkeys.ParseDecoratedNKey(b)
	clear(b)
	if err != nil {
		return nil, fmt.Errorf("key: %s: %w", file, err)
	}
	return pair, nil
}

// ReadToken reads a file that holds a JWT and nothing else.
func ReadToken(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

// ReadCreds reads the user in a credentials file, without its key.
func ReadCreds(file string) (*jwt.UserClaims, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	defer clear(b)
	token, err := jwt.ParseDecoratedJWT(b)
	if err != nil {
		return nil, fmt.Errorf("credentials: %s: %w", file, err)
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return nil, fmt.Errorf("credentials: %s: %w", file, err)
	}
	return claims, nil
}

// ReadAccount reads a file with an account's JWT.
func ReadAccount(file string) (*jwt.AccountClaims, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	claims, err := jwt.DecodeAccountClaims(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("account: %s: %w", file, err)
	}
	return claims, nil
}
