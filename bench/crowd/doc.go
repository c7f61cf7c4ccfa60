// Package crowd takes brokers away from a thousand agents, and from ten thousand. It has
// only tests.
//
// Invariants:
//
//   - Agents that lose their only broker all come back within a bound, and never more a
//     second than it admits.
//   - Where one of three brokers is killed, each bridge lists every cluster as it is, and
//     where it is, within 5 s. No cluster whose agent only moved is called offline, and no
//     event tells of it. An agent that was killed beside the broker is told once.
//   - An agent that hangs is not called connected for longer than that either.
//   - One broker has as many agents as [TestScale] is told, in less than 1 GiB; a request
//     among them takes as long as among ten, measured in turns at two systems.
//   - Brokers and bridges of that are real processes. Agents are in the test's: an agent's
//     own connector and side of the link, with no API server behind it.
package crowd
