package parting

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/record/wire"
)

// SPDY follows an exec or attach over SPDY. Of the client it reads the first frames, to
// know which stream is the error channel; of the server the head of each frame.
type SPDY struct{ outcome *wire.Outcome }

// NewSPDY returns nil where the connection is not an exec or attach, as by the
// X-Stream-Protocol-Version of the 101.
func NewSPDY(h http.Header) *SPDY {
	if o := wire.NewOutcome(h); o != nil {
		return &SPDY{o}
	}
	return nil
}

// FromClient implements [Framing].
func (s *SPDY) FromClient(b []byte) { s.outcome.FromClient(b) }

// Pass implements [Framing].
func (s *SPDY) Pass(b []byte) { s.outcome.ToClient(b) }

// Between implements [Framing].
func (s *SPDY) Between() bool { return s.outcome.Open() }

// Patience implements [Framing].
func (s *SPDY) Patience() time.Duration { return 0 }

// Last implements [Framing]: a frame on the error channel, which it ends. kubectl shows
// it.
func (s *SPDY) Last(reason *answer.Failure, requestID string) []byte {
	status, err := json.Marshal(reason.AsStatus(requestID))
	if err != nil {
		return nil
	}
	return s.outcome.Frame(status, strings.TrimSpace(reason.Detail))
}
