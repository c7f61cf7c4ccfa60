// Package reconnect makes connections to the API server of a cluster that outlive the
// network of their client: an exec or a followed log goes on when a laptop has changed its
// network or slept for a moment. The bridge keeps such a connection for two minutes, and
// both ends keep what has not arrived, so that nothing is lost and nothing comes twice.
//
//	d := &reconnect.Dialer{Client: c, Cluster: "prod.acme"}
//	h := http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
//	res, err := h.Get(d.URL() + "/api/v1/namespaces/default/pods/web/log?follow=true")
//
// For exec and attach see package client/kube.
//
// Invariants:
//
//   - A request is never sent twice: a connection that the bridge does not have any more
//     has broken, and is never begun again.
//   - A bridge that another has taken the place of, or that was restarted, cannot go on
//     with a connection. The client asks for [UnknownFor], as a load balancer may lead to
//     the right one, and then says so.
//   - The token is asked of the client for each attachment.
//   - Each connection has one goroutine, and those of its attachment. They end with the
//     connection: at most some seconds after Close, which waits for [CloseTime] of them.
package reconnect
