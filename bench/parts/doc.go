// Package parts is what the benchmark brings of its own, each to run as a
// process apart, so that its CPU time can be told from that of others: the
// upstream that all targets lead to, a plain reverse proxy, the two ends of a
// bare NATS round trip, a crowd of idle agents, and the load generator.
//
// A part says where it listens in one line of JSON on its standard output,
// then does the jobs that arrive on its standard input, and ends when that
// ends: parts never outlive the benchmark.
package parts
