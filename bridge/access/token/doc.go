// Package token authenticates callers by bearer tokens whose hashes are in a file.
//
// Invariants:
//
//   - A token is never kept, logged or shown: the file holds SHA-256 digests.
//     Tokens are 256 random bits, so that no slow hash is needed.
//   - What is known about a caller is never changed. When the file says something
//     else, the caller's [access.Lease] ends, and running requests with it.
//   - A file that cannot be read changes nothing: the last good one counts.
//   - [Tokens.Run] has one goroutine; Add locks the file against other processes.
package token
