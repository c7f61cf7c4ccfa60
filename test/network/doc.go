// Package network holds the whole-system tests of hostile networks: agents and bridges that
// have no way out but a forward proxy, and brokers behind a web server. The proxies and the web
// server are the real programs of Debian (nginx, squid, cntlm, tinyproxy, microsocks, dante),
// Kubernetes and kubectl are real, and so are the binaries.
//
// The machines are network namespaces:
//
//	inside      an agent, or a bridge. It reaches the perimeter by the interface perimeter, and its API
//	            server through a forwarder of the test. Everything else it sends leaves by
//	            the interface trap, which leads nowhere and counts. Each test has its own.
//	perimeter   the forward proxies. Only here the broker's names are known, and only
//	            from here the outside is reached. All tests share it.
//	outside     the machine's own namespace: broker, bridge, nginx, kubectl.
//
// Invariants:
//   - At the end of each test the trap has counted nothing: no program inside has tried
//     to go past the proxy, not even with a question to a DNS server.
//   - All tests share one Kubernetes, one Fairlead and the programs that a test does not
//     break. A test that breaks something has its own.
//   - When this process dies, its programs die; what is left of the namespaces is removed
//     when the tests are run again.
//
// The tests run with FAIRLEAD_E2E=1, as 'make test' sets it, and are skipped where this
// machine lacks something. FAIRLEAD_E2E=require turns that into a failure.
package network
