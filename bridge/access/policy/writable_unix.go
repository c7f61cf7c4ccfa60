//go:build unix

package policy

import "golang.org/x/sys/unix"

// writable reports whether the user that runs this may write to a file, or make files in
// a folder.
func writable(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) == nil
}
