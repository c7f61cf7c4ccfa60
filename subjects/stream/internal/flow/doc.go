// Package flow is the arithmetic of credit: how far a sender may send
// ([SendWindow]), and how far a receiver lets it ([RecvWindow]). It has no locks
// and no clock; the caller guards each value.
//
// Invariants, for a sender that asks [SendWindow.Credit] before it sends:
//
//   - Credit is never taken back: neither limit ever falls.
//   - A sender never sends beyond the limit that its receiver gave.
//   - A limit lies at most subjects.MaxWindow after what was read, and a sender
//     believes no limit further than that after what it has sent.
//   - The frames in flight number at most one for each FrameCredit bytes of
//     unacknowledged credit, and one if there is less.
package flow
