//go:build !unix

package record

import "os"

// lock does nothing on this system: one bridge alone may write to a directory.
func lock(*os.File) error { return nil }

// abandoned is not known on this system.
func abandoned(*os.File) bool { return false }

func lockWait(*os.File) error { return nil }
