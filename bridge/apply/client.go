package apply

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	k8snet "k8s.io/apimachinery/pkg/util/net"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
)

// client makes the requests of one apply. All of them can be repeated: a GET, a server-side
// apply, and a deletion of one object by its UID. It is safe for concurrent use.
type client struct {
	session *call.Session
	visit   access.Visit
}

// Bounds of repeated requests.
const (
	// maxTries is for a fault on the way, which a new agent or connection ends.
	maxTries = 5
	// maxWait is the longest wait for a limit, of the bridge or of the API server. How
	// often it is waited for is bounded by the time of the whole apply only.
	maxWait = 30 * time.Second
)

// do makes a request, again if that may help.
func (c *client) do(ctx context.Context, req *call.Request) (*call.Response, *answer.Failure) {
	for try := 1; ; try++ {
		res, f := c.session.Do(ctx, c.visit, req)
		wait := again(res, f, try)
		if wait == 0 || ctx.Err() != nil {
			return res, f
		}
		if !sleep.For(ctx, wait) {
			return res, f
		}
	}
}

// again is after which time a request is made again; 0: it is not.
func again(res *call.Response, f *answer.Failure, try int) time.Duration {
	if f == nil {
		if res.Status != http.StatusTooManyRequests {
			return 0
		}
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if err != nil {
			seconds = 1
		}
		return min(max(time.Duration(seconds)*time.Second, time.Second), maxWait)
	}
	switch f.Kind {
	case answer.RateLimited, answer.Overloaded:
		return min(max(time.Duration(f.Problem("").RetryAfterSeconds)*time.Second, time.Second), maxWait)
	case answer.Draining, answer.Reconnecting, answer.UpstreamRefused, answer.UpstreamLost, answer.OutcomeUnknown:
		if try < maxTries {
			return time.Duration(try) * time.Second
		}
	}
	return 0
}

// general reports whether a failure would be that of every other request too.
func general(f *answer.Failure) bool {
	switch k := f.Kind; k {
	case answer.Unauthenticated, answer.ClientGone, answer.UnknownCluster, answer.RateLimited, answer.Overloaded:
		return true
	case answer.ResponseTooLarge, answer.TimedOut, answer.OutcomeUnknown, answer.UpstreamLost:
		return false
	default:
		return k.Status >= http.StatusInternalServerError
	}
}

// maxMessage bounds what is shown of an API server's message, in bytes.
const maxMessage = 2 << 10

// rejected is the failure of a request that the API server did not fulfil.
func rejected(res *call.Response) *answer.Failure {
	var status struct{ Kind, Message string }
	if json.Unmarshal(res.Body, &status) != nil || status.Kind != "Status" || status.Message == "" {
		status.Message = http.StatusText(res.Status)
	}
	if len(status.Message) > maxMessage {
		status.Message = status.Message[:maxMessage] + "..."
	}
	return answer.Failf(answer.APIServerRejected, "the API server answered %d: %s", res.Status, status.Message).Of(res.ID)
}

// warnings are those of a response.
func warnings(h http.Header) (texts []string) {
	all, _ := k8snet.ParseWarningHeaders(h["Warning"])
	for _, w := range all[:min(len(all), maxWarnings)] {
		texts = append(texts, w.Text)
	}
	return texts
}

// maxWarnings bounds those of one object; each is bounded by the head that it came in.
const maxWarnings = 20
