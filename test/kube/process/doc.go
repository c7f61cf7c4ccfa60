// Package process runs the programs that make up a cluster.
//
// Invariants:
//   - A child never outlives this process: the kernel kills it when we die,
//     however we die (Linux; elsewhere only an orderly Stop ends it).
//   - A child has its own process group, so Ctrl-C reaches only us and we choose
//     the order in which things stop.
//   - A child's output goes to its log file; an error about a child that ended
//     contains the tail of that file.
//   - Every wait has a deadline, names its condition, and ends at once when the
//     child that it waits for is gone.
//
// Goroutines: one per child waits for its end and closes Done; one for the
// whole process is pinned to a thread and does all the starting (see starter).
package process
