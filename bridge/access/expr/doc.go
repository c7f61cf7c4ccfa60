// Package expr compiles and evaluates the CEL expressions of the bridge's
// configuration: conditions of grants, and users and groups made from claims.
//
// Invariants:
//
//   - An expression is compiled once. Syntax, the names of variables and the types
//     are checked then, and an error says the column.
//   - Whatever an expression and its input are, an evaluation ends within a bounded
//     number of steps: [MaxCost] bounds those whose number is not known to be small
//     when they are compiled. Regular expressions are RE2.
//   - An evaluation does not depend on time or on earlier ones, so that results may
//     be kept for as long as the input stays the same.
//   - What fails has no value: a claim that is missing makes a condition false, with
//     that as the reason, and never true.
package expr
