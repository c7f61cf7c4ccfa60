package approval

import "time"

// Bounds of what callers can make the bridge keep.
const (
	// maxKept bounds all requests: 2 MiB of the largest.
	maxKept = 1000
	// maxPending bounds those of one caller that nobody has decided: people ask for
	// a few things at a time.
	maxPending = 10
	// recentFor is for how long a request counts as one of maxPending after it was made,
	// though it has ended: each change writes the file, and one request more than maxKept
	// pushes out an ended one of somebody else.
	recentFor = 10 * time.Minute
	// MaxReason is the longest reason or note in bytes: a paragraph.
	MaxReason = 1 << 10
	// MaxDuration is the longest that an approval may last.
	MaxDuration = 7 * 24 * time.Hour
	// pendingFor is how long a request waits to be decided; then it has ended.
	pendingFor = 24 * time.Hour
	// keptFor is how long ended requests stay in the list. The audit log has them for
	// longer.
	keptFor = 7 * 24 * time.Hour
)
