// Package store keeps what the plugin remembers from one run to the next: the
// settings of each bridge in the user's configuration directory, and the session
// with its tokens in the user's cache directory.
//
// Directories are 0700 and files 0600. A file is replaced as a whole, so a reader
// sees the old one or the new one. A writer holds the file lock of what it writes:
// processes that find a token about to expire refresh it once, not once each. That
// matters, because an issuer may revoke the whole session when a refresh token is
// used twice.
package store
