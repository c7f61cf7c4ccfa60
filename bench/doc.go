// Command bench measures Fairlead beside its own yardsticks and beside other
// tunnels that lead to its upstream. README.md says what is measured and how to
// read the results.
//
// The steps of a run: main.go reads flags. Package rig starts a separate process
// for everything whose cost is measured separately. rounds.go measures in short
// rounds in shuffled order; memory.go and idle.go measure what needs more time.
// aims.go compares the figures with Fairlead's aims, and report.go writes the
// report.
//
// Invariants:
//
//   - Machines get faster and slower: only figures of the same round are compared,
//     as ratios, and the median ratio is reported with its spread.
//   - Everything runs on loopback, bounded in time and number.
//   - All processes end with the benchmark, however it ends.
package main
