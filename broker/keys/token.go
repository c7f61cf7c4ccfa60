package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// newToken makes the first token of the bridge's callers: 256 random bits,
// which need no slow hash.
func (l *Layout) newToken() error {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails since Go 1.24
	token := "fl_" + base64.RawURLEncoding.EncodeToString(random[:])
	hash := sha256.Sum256([]byte(token))
	// In the form that 'fairlead-bridge token new --tokens' writes it.
	list := "# Who may call the bridge. Only hashes are kept; the first token is in the file token.\n" +
		"tokens:\n- name: admin\n  hash: \"sha256:" + hex.EncodeToString(hash[:]) + "\"\n  clusters: [\"*\"]\n"
	if err := writeNew(l.TokensFile(), []byte(list), secretMode); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	if err := writeNew(l.TokenFile(), []byte(token+"\n"), secretMode); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}
