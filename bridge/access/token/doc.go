// Package token authenticates callers by bearer tokens whose hashes are in a file.
//
// Invariants:
//
//   - A token is never kept, logged or shown: the file holds SHA-256 digests.
//     Tokens are 256 random bits, so that no slow hash is needed.
//   - A caller is never modified. When the file changes what it says about one,
//     the caller's [access.Lease] ends, and its running requests with it.
//   - A file that cannot be read changes nothing: the last good version stays in
//     use.
//   - [Tokens.Run] needs one goroutine. [Add] locks the file against other
//     processes.
package token
