// Command bench measures Fairlead beside yardsticks that it brings itself, and
// beside any other tunnel that somebody points at its upstream. README.md says
// what is measured and how to read it.
//
// The way of a run: main.go reads flags, package rig starts one process for
// each thing whose cost is to be told apart, rounds.go measures them in short
// rounds in shuffled order, memory.go and idle.go what needs more time,
// aims.go compares with what Fairlead aims at, report.go writes.
//
// Invariants:
//
//   - Machines drift: only ratios of figures of the same round are compared,
//     and their median is reported with its spread.
//   - Everything runs on loopback, bounded in time and number.
//   - All processes end with the benchmark, however it ends.
package main
