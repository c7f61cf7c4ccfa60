package approval

import "time"

// Bounds of what callers can make the bridges keep.
const (
	// MaxKept bounds all requests: less than 16 MiB with maxRequest.
	MaxKept = 1000
	// maxRequest bounds a request as it is kept, in bytes of JSON. It has room for the
	// longest reason and note, and for three callers and five names of the longest, where
	// each character must be escaped.
	maxRequest = 16 << 10
	// maxWho bounds a caller in bytes of JSON: the name of an ID token has up to 1 KiB.
	maxWho = 2<<10 + 256
	// maxPending bounds those of one caller that nobody has decided: people ask for
	// a few things at a time.
	maxPending = 10
	// recentFor is for how long a request counts as one of maxPending after it was made,
	// though it has ended: each change is written, and one request more than MaxKept
	// pushes out an ended one of somebody else.
	recentFor = 10 * time.Minute
	// MaxReason is the longest reason or note in bytes: a paragraph.
	MaxReason = 1 << 10
	// MinDuration is the shortest that an approval may last: somebody must use it.
	MinDuration = time.Minute
	// MaxDuration is the longest that an approval may last.
	MaxDuration = 7 * 24 * time.Hour
	// Durations says both in the texts of errors.
	Durations = "1m and 168h"
	// pendingFor is how long a request waits to be decided; then it has ended.
	pendingFor = 24 * time.Hour
	// KeptFor is how long ended requests stay in the list. The audit log has them for
	// longer.
	KeptFor = 7 * 24 * time.Hour
	// maxAttempts bounds how often a change is tried that other bridges keep overtaking.
	maxAttempts = 10
	// maxWait bounds the wait for other changes of the same desk.
	maxWait = 10 * time.Second
)
