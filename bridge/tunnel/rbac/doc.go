// Package rbac says to whom a cluster's own access control refused a request, and
// which command would allow it. Only the bridge knows both as whom the request was
// executed and which cluster that is.
//
// Invariants:
//
//   - A warning is one line of at most [MaxWarning] bytes without control characters,
//     written as Kubernetes clients read it.
//   - Only a refusal by authorization is explained: admission, quotas and proxied
//     servers also answer 403, and no binding would help.
//   - A command is right or absent. Names are quoted for a POSIX shell.
//   - The package has no state and no goroutines.
package rbac
