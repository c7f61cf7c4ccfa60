// Package parts holds the benchmark's own processes: the upstream of all targets, a
// plain reverse proxy, the two ends of a bare NATS round trip, a crowd of idle
// agents, and the load generator. Each runs as a separate process, so that its CPU
// time can be measured separately.
//
// A part writes its address as one line of JSON to its standard output, then does
// the jobs that arrive on its standard input. It ends with its standard input, so
// parts never outlive the benchmark.
package parts
