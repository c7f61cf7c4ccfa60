package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

// maxSecret bounds the secret of a client, in bytes: the longest of the issuers that
// are in use has some hundred.
const maxSecret = 4096

// clientSecret reads the secret of the client of a login; "" if it is a public one. It
// is read each time that it is needed, so that it is kept in one place and can change
// there. No flag takes it: every user of a computer can read command lines.
func clientSecret(l store.Login) (string, error) {
	switch {
	case l.SecretFile != "":
		return secretOfFile(l.SecretFile)
	case l.SecretEnv != "":
		secret := strings.TrimSpace(os.Getenv(l.SecretEnv))
		if err := checkSecret(secret); err != nil {
			return "", fmt.Errorf("the client's secret, in the variable %s of the environment: %w", l.SecretEnv, err)
		}
		return secret, nil
	}
	return "", nil
}

func secretOfFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("the client's secret: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+2)) // with an end of line
	if err != nil {
		return "", fmt.Errorf("the client's secret: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	if err := checkSecret(secret); err != nil {
		return "", fmt.Errorf("the client's secret, in %s: %w", file, err)
	}
	return secret, nil
}

// checkSecret finds the faults of a file or variable that holds something else. Its
// errors quote nothing.
func checkSecret(secret string) error {
	switch {
	case secret == "":
		return errors.New("there is nothing")
	case len(secret) > maxSecret:
		return fmt.Errorf("it has more than %d bytes", maxSecret)
	case strings.ContainsFunc(secret, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("it has more than one line, or control characters")
	}
	return nil
}
