package daemon

import "time"

// MaxDrain is the longest --drain-timeout of any process. Whatever still runs
// after a day was not meant to be waited for.
const MaxDrain = 24 * time.Hour

// CheckDuration returns a [UsageError] that names the flag if d is not between
// least and most, both included.
func CheckDuration(flag string, d, least, most time.Duration) error {
	if d < least || d > most {
		return Usagef("%s: %v is not between %v and %v", flag, d, least, most)
	}
	return nil
}
