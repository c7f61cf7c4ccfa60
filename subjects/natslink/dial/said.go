package dial

import (
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Bounds of what is read of a server in order to show it.
const (
	maxBody  = 512         // bytes of the body of a refusal
	bodyTime = time.Second // the wait for it
	maxFirst = 160         // bytes of the beginning of another protocol
)

// statusOf shows a status as HTTP names it.
func statusOf(resp *http.Response) string { return cause.Status(resp.StatusCode) }

// said shows what a server has sent.
func said(b []byte) string { return cause.Said(b) }
