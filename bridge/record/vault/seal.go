package vault

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/bridge/record"
)

// sealHeader has, of each message about a recording, its number, when its bridge wrote it
// (Unix milliseconds), and a signature: "7 1795858512345 <base64>".
const sealHeader = "Fairlead-Seal"

// What a sealed message is.
const (
	about = "about" // what the object is
	part  = "part"  // bytes of the recording, numbered from 1 on
	alive = "alive" // the bridge still has the session; numbered from 1 on, with gaps
)

// newKey makes the key that seals one recording, and the entry's id of it: whoever has
// another key has another id. Nobody keeps the key but the bridge that records, and it
// only for as long as the session lasts.
func newKey(e *record.Entry) ed25519.PrivateKey {
	public, private, _ := ed25519.GenerateKey(rand.Reader) // it never fails
	e.Key = base64.RawURLEncoding.EncodeToString(public)
	e.Name(fingerprint(public))
	return private
}

func fingerprint(k ed25519.PublicKey) [16]byte {
	sum := sha256.Sum256(k)
	return [16]byte(sum[:])
}

// keyOf returns the key that seals a recording; nil: the entry does not have the one that
// its id is made of.
func keyOf(e *record.Entry) ed25519.PublicKey {
	k, err := base64.RawURLEncoding.DecodeString(e.Key)
	if err != nil || len(k) != ed25519.PublicKeySize {
		return nil
	}
	if sum := fingerprint(k); !strings.HasSuffix(e.ID, "-"+hex.EncodeToString(sum[:])) {
		return nil
	}
	return k
}

// statement is what is signed.
func statement(kind, id string, number, at int64, data []byte) []byte {
	return fmt.Appendf(nil, "fairlead-recording\n%s\n%s\n%d\n%d\n%x", kind, id, number, at, sha256.Sum256(data))
}

// seal signs a message.
func seal(m *nats.Msg, k ed25519.PrivateKey, kind, id string, number int64) {
	at := time.Now().UnixMilli()
	signature := ed25519.Sign(k, statement(kind, id, number, at, m.Data))
	m.Header.Set(sealHeader, fmt.Sprintf("%d %d %s", number, at, base64.RawURLEncoding.EncodeToString(signature)))
}

// unseal returns the number of a message, and when it was written. It reports whether the
// bridge that had the key has written it.
func unseal(h nats.Header, data []byte, k ed25519.PublicKey, kind, id string) (number int64, at time.Time, ok bool) {
	var ms int64
	var text string
	if n, err := fmt.Sscanf(h.Get(sealHeader), "%d %d %s", &number, &ms, &text); err != nil || n != 3 || k == nil {
		return 0, at, false
	}
	signature, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !ed25519.Verify(k, statement(kind, id, number, ms, data), signature) {
		return 0, at, false
	}
	return number, time.UnixMilli(ms).UTC(), true
}
