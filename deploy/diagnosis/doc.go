// Package diagnosis is what the doctor commands report: each step of a path, in
// order, with what was found or why it failed, as a table for people and as JSON for
// programs.
//
// A [Report] has targets, such as one server of a broker. A [Target] has checks, one
// for each hop; those behind one that failed are not reached. Targets of one group
// are alternatives, of which one has to work.
//
// Invariants:
//
//   - The JSON shape is [Schema], documented in docs/doctor.md. Fields are added to
//     it, and never removed or given another meaning.
//   - The exit code of a hop never changes ([Code]).
//   - Everything shown is one line without control characters, of a bounded length:
//     some of it comes from servers that nobody has verified.
//   - It shows what it is given. That no secret is among it is the callers' duty.
//
// It does no I/O but writing, and starts no goroutines.
package diagnosis
