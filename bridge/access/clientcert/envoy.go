package clientcert

import (
	"errors"
	"fmt"
	"strings"
)

var errSeveral = errors.New("has several elements; the proxy must replace what its caller sends (SANITIZE_SET)")

// envoyCertificate returns the chain, or else the certificate, of the one element of
// Envoy's x-forwarded-client-cert:
//
//	Hash=...;Cert="-----BEGIN%20CERTIFICATE...";Subject="CN=alice;O=\"a,b\""
//
// Several elements are refused: all but the last may be the caller's.
func envoyCertificate(value string) (string, error) {
	found := map[string]string{}
	for rest := value; rest != ""; {
		key, after, ok := strings.Cut(rest, "=")
		if key = strings.ToLower(strings.TrimSpace(key)); !ok || strings.ContainsAny(key, ";,\"") {
			return "", errors.New("is not of Envoy's form")
		}
		v, after, err := envoyValue(after)
		if err != nil {
			return "", err
		}
		if found[key] != "" && (key == "cert" || key == "chain") {
			return "", fmt.Errorf("has %q twice", key)
		}
		found[key], rest = v, after
	}
	switch {
	case found["chain"] != "":
		return found["chain"], nil
	case found["cert"] != "":
		return found["cert"], nil
	}
	return "", errors.New("has neither Cert nor Chain; the proxy must be told to send one")
}

// envoyValue cuts one value, quoted or not, and the semicolon after it.
func envoyValue(s string) (value, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		value, rest, err = quoted(s[1:])
		if err != nil {
			return "", "", err
		}
	} else {
		end := strings.IndexAny(s, ";,")
		if end < 0 {
			end = len(s)
		}
		value, rest = s[:end], s[end:]
	}
	switch {
	case rest == "":
		return value, "", nil
	case rest[0] == ';':
		return value, rest[1:], nil
	case rest[0] == ',':
		return "", "", errSeveral
	}
	return "", "", errors.New("is not of Envoy's form")
}

// quoted reads up to the closing quote. A backslash quotes the next byte.
func quoted(s string) (value, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			if i++; i == len(s) {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", errors.New("has a quoted value without an end")
}
