// Package upstream reaches the cluster's API server: where it is, by which
// connections and with which credential, and how it is doing.
//
// A [Client] is made once, from a kubeconfig or the pod's service account, and
// sends requests that are complete but for the credential. A [Prober] makes the
// client when that has become possible and asks the API server how it is, for
// readiness and presence.
//
// Invariants:
//
//   - The API server's certificate is always verified. Plain HTTP goes to this
//     machine only.
//   - Every error of [Client.RoundTrip] is a fault.Fault, whose code says
//     whether the request can have been executed.
//   - The proxy that the environment names is never used.
//   - CA, token and client certificate are read again when their files change.
//     After that, requests use no connection that an old CA or certificate has authenticated.
//   - At most 32 connections are being opened at a time.
//   - The same failure is logged once; another one once a minute.
//
// Goroutines: those of net/http. [Prober.Run] runs in its caller's.
package upstream
