// Package actas has the flags that name a Kubernetes user to act as: --as, --as-group,
// --as-uid and --as-extra, as those of kubectl. The commands that explain a decision
// share them.
//
// Invariants:
//
//   - Groups, a UID and extra values belong to a user: without --as they are refused.
//   - Nothing is asked and nothing is read.
package actas
