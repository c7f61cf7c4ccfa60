// Package reload keeps values in step with the files they are read from:
// tokens, the list of tenants, certificates with their keys, sets of CAs.
//
// [File] is the mechanism, for one file or for several that belong together.
// [KeyPair] and [CertPool] are Files of TLS material, and [ServerTLS] and
// [ClientTLS] make configurations of them that follow the files.
//
// # What counts as a change
//
// The content counts. The files' times, sizes and identities only decide
// whether the content is read again. All common ways to replace a file are
// seen: writing it in place, renaming another file over it, and moving a link
// on its path, as Kubernetes does with mounted Secrets and ConfigMaps.
//
// A change is applied once the files have been unchanged for [settleTime], so that a
// file that is still being written is not read. An empty file, which a writer may
// only have truncated so far, must be unchanged for [emptyTime]. A writer that pauses
// longer within one file should write another file and rename it.
//
// # Invariants
//
//   - There is always a value: a File that cannot be read or parsed at the start
//     is not opened, and later the last good value stays.
//   - Each change is logged once: that it was read, or why it cannot be used.
//     Contents are never logged; what a parser's error may show is for the
//     parser to decide.
//   - Files are polled when the value is asked for, at most once every
//     [PollInterval]. The package starts no goroutine; [File.Run] uses its
//     caller's.
package reload
