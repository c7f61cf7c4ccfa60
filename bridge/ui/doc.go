// Package ui serves the fleet page: what the platform API tells of clusters, for people with
// a browser, below /ui/.
//
// A page asks the platform API of its own bridge as its visitor, with the visitor's
// credential, and shows the answer. So a visitor sees what the API would tell the same
// caller, and nothing else.
//
// Invariants:
//
//   - It knows no callers and no grants: each page goes through the door of package access,
//     by way of the API. A cluster that the visitor may not know of looks like one that does
//     not exist.
//   - The token of a session is in a cookie of the browser: HttpOnly, SameSite=Strict, for
//     paths below /ui only, and Secure wherever the browser came by HTTPS. It is never in a
//     URL, in a page, or kept by the bridge; below /ui it is taken out of the Cookie header
//     before anything else sees the request.
//   - What changes something is a POST, and is refused where the browser says that it comes
//     from another origin.
//   - Pages are of html/template: names, labels and errors that agents tell are text. The
//     Content-Security-Policy lets nothing run or load but the page's own script and style.
//   - The pages work without JavaScript. The script only repeats their requests, and puts the
//     new text in the place of the old.
//   - It has no goroutines.
package ui
