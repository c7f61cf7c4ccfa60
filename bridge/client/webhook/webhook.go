package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// ErrNotSent is wrapped where a request is not one that a bridge sent a moment ago.
var ErrNotSent = errors.New("not a request of a bridge's webhook")

// tolerance is how old a request may be, or how far ahead the bridge's clock.
const tolerance = 5 * time.Minute

// Parse verifies a request of a bridge's webhook, and returns its event. secret is
// the content of the webhook's secret file (whsec_...), and body all of the request's, as it
// came. One event may come more than once: it has the same ID then. Errors wrap [ErrNotSent].
func Parse(secret string, header http.Header, body []byte) (*api.Event, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(secret), "whsec_"))
	if err != nil || len(key) == 0 {
		return nil, errors.New("the secret of the webhook is not whsec_ and base64")
	}
	id, at := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if age := time.Since(time.Unix(seconds, 0)); err != nil || age > tolerance || age < -tolerance {
		return nil, fmt.Errorf("%w: its time is not within %v", ErrNotSent, tolerance)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	signed := false
	for signature := range strings.FieldsSeq(header.Get("Webhook-Signature")) { // one for each secret
		signed = signed || hmac.Equal([]byte(signature), want)
	}
	if !signed {
		return nil, fmt.Errorf("%w: it is not signed with the secret", ErrNotSent)
	}
	var message struct {
		Data *api.Event `json:"data"`
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&message); err != nil || message.Data == nil {
		return nil, fmt.Errorf("%w: it has no event", ErrNotSent)
	}
	return message.Data, nil
}
