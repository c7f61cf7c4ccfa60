// Package rig starts the processes of a benchmark and reads their CPU time and
// memory from outside. Everything that is measured separately is a separate process.
//
// Invariants:
//
//   - [Rig.Close] ends every process that was started, and removes the working
//     folder. It returns when the processes have ended.
//   - Nothing waits for ever: a process that does not get ready, finish its job or
//     stop in time is killed, and the error contains the end of its output.
//   - The benchmark's own parts are the running executable, started again with
//     [RoleEnv] in the environment.
package rig
