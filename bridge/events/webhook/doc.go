// Package webhook sends events to other systems, as the Standard Webhooks specification
// has it. [File] is the configuration, which is followed while the bridge runs, and
// [Sender] sends.
//
// Invariants:
//
//   - At least once, in order: a webhook gets one event after the other, and the next one
//     when the last was accepted or given up. It gets an event again, with the same id, if
//     a bridge ends before it has written down how far it was.
//   - Of all bridges one sends to a webhook: the one that has its lease. Another one goes on
//     from its cursor, which nobody else can write meanwhile.
//   - What is refused is sent again, with pauses that grow, until it is a day old. What is
//     given up is counted and logged.
//   - Where requests go is the operator's decision alone: by https with a verified
//     certificate, or to a loopback address. No redirect is followed, and of a response only
//     the status counts, so that nobody learns what another service answers.
//   - Secrets and queries of URLs are neither logged nor in metrics.
//
// Goroutines: [Sender.Run] has one for each webhook, which it waits for.
package webhook
