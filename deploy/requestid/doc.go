// Package requestid puts the id of a request into the log lines about it. The
// id travels in the context: [With] puts it there, and the logger of a process,
// which [Handler] wraps, adds it to each line that is logged with that context.
// No other code names the attribute.
package requestid
