// Package webhook lets other services decide, by Kubernetes' own webhooks:
// [TokenReview] recognizes callers by their bearer tokens, and [AccessReview] decides
// what callers may do (SubjectAccessReview). The services, and the kubeconfig files
// that lead to them, are those of an API server's --authentication-token-webhook-config-file
// and --authorization-webhook-config-file.
//
// Invariants:
//
//   - Never open: without an answer of the service a new request gets a 503
//     (answer.ReviewUnreachable), and a running one ends within a stated time.
//   - Answers are kept for a configured time. After that, running requests need
//     another one: what the service takes back ends.
//   - A service is asked over TLS with a certificate that verifies, or on the same
//     host. At most 64 reviews run at once, each for 8 seconds at most with all its
//     repetitions; the same question is asked once.
//   - Caches are bounded and are keyed by SHA-256. Tokens are sent to the service
//     and nowhere else; they are kept only while their callers are in use, and are
//     neither logged nor shown.
//
// Goroutines: one for each review that runs; timers start them. They end with Close.
package webhook
