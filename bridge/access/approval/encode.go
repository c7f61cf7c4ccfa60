package approval

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// Encode writes a value as JSON. What is special in HTML is not escaped: a reason of such
// characters would have six times its length.
func Encode(v any) ([]byte, error) {
	var data bytes.Buffer
	e := json.NewEncoder(&data)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(data.Bytes()), err
}

// fits returns [ErrBad] if a caller's name is too long to be kept.
func fits(c *access.Caller) error {
	if b, err := Encode(who(c)); err != nil || len(b) > maxWho {
		return fmt.Errorf("%w: the user name of the caller takes more than %d bytes", ErrBad, maxWho)
	}
	return nil
}

// checkSize returns [ErrBad] if a request is too large to be kept.
func (r *Request) checkSize() error {
	b, err := Encode(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBad, err)
	}
	if len(b) > maxRequest {
		return fmt.Errorf("%w: it would take %d bytes, and at most %d are kept of each; nothing was changed", ErrBad, len(b), maxRequest)
	}
	return nil
}
