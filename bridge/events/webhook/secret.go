package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Bounds of a secret, in bytes, as the specification has them.
const (
	minSecret = 24
	maxSecret = 64
)

var errSecret = errors.New("want whsec_ and 24 to 64 random bytes as base64, as by: echo whsec_$(openssl rand -base64 32)")

// parseSecret reads the content of a file with a secret. Its error does not show it.
func parseSecret(content []byte) ([]byte, error) {
	text, ok := bytes.CutPrefix(bytes.TrimSpace(content), []byte("whsec_"))
	key, err := base64.StdEncoding.DecodeString(string(text))
	if !ok || err != nil || len(key) < minSecret || len(key) > maxSecret {
		return nil, errSecret
	}
	return key, nil
}

// parseSecrets reads the contents of all files with secrets of a webhook.
func parseSecrets(contents [][]byte) (keys [][]byte, err error) {
	for _, content := range contents {
		key, err := parseSecret(content)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// sign returns the value of webhook-signature: one signature for each secret.
func sign(keys [][]byte, id string, at time.Time, body []byte) string {
	signatures := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}
