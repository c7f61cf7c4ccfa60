package bridge

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/browser"
)

// hostilePage is what a compromised cluster answers: it acts in the platform's name as
// soon as one line of it runs in the platform's origin.
const hostilePage = `<!DOCTYPE html><title>quiet</title><p id="shown">a page</p>
<form id="f" action="stolen"></form>
<script>
document.title = "ran"
try { localStorage.setItem("stolen", "yes") } catch (e) {}
try { navigator.serviceWorker.register("sw.js") } catch (e) {}
document.getElementById("f").submit()
</script>`

// hostileCluster serves the page with each header that could speak for the origin.
func hostileCluster(head *subjects.RequestHead, s *stream.Stream) {
	switch path, header := head.Target, []string{"Cache-Control", "max-age=600"}; path {
	case "/sw.js":
		reply(s, 200, "self.addEventListener('fetch', () => {})", append(header, "Content-Type", "text/javascript", "Service-Worker-Allowed", "/")...)
	case "/image.svg":
		reply(s, 200, `<svg xmlns="http://www.w3.org/2000/svg"><title>quiet</title><script>document.title = "ran"; localStorage.setItem("stolen", "yes")</script></svg>`,
			append(header, "Content-Type", "image/svg+xml")...)
	case "/own-policy":
		reply(s, 200, hostilePage, append(header, "Content-Type", "text/html",
			"Content-Security-Policy", "sandbox allow-scripts allow-same-origin allow-forms allow-top-navigation; script-src *")...)
	case "/password":
		reply(s, 401, hostilePage, "Content-Type", "text/html", "Www-Authenticate", `Basic realm="Fairlead"`)
	case "/away":
		reply(s, 200, "<title>quiet</title>", append(header, "Content-Type", "text/html", "Refresh", "0; url=/livez")...)
	default:
		reply(s, 200, hostilePage, append(header, "Content-Type", "text/html", "Set-Cookie", "a=b; Path=/", "Clear-Site-Data", `"storage"`)...)
	}
}

// tab is a tab of a browser at the bridge.
type tab struct {
	ctx context.Context
	url string
}

func (b *tab) open(t *testing.T, path string) {
	t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(b.url+path)); err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
}

// eval evaluates a string in the tab's page.
func (b *tab) eval(t *testing.T, script string) string {
	t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return s
}

// platformPage is in the platform's origin, as the pages of a user interface are. A tab
// that is there runs the scripts of a test.
const platformPage = "/livez"

// unharmed opens a page of the hostile cluster, which must be shown, and then looks at
// what it did to the platform's origin.
func (b *tab) unharmed(t *testing.T, path string) {
	t.Helper()
	b.open(t, "/k8s/clusters/evil"+path)
	if got := b.eval(t, "document.title + ' ' + location.pathname"); got != "quiet /k8s/clusters/evil"+path {
		t.Errorf("%s: title and path %q: a script or a command of the cluster ran in the platform's origin, or nothing was shown", path, got)
	}
	b.open(t, platformPage)
	const state = `navigator.serviceWorker.getRegistrations().then(r => JSON.stringify([Object.keys(localStorage), r.length, document.cookie]))`
	if got := b.eval(t, state); got != `[["own"],0,""]` {
		t.Errorf("%s: storage, service workers and cookies of the platform's origin: %s", path, got)
	}
}

// TestPagesOfClustersInABrowser: a page that a cluster serves below the platform's
// origin runs nothing there, in both ways in which a browser can come to show it: from
// its cache, after a page of the platform has read the same URL with its token; and with
// credentials that are added to each request, by a proxy that knows a login or, for a
// client certificate, by the browser itself.
func TestPagesOfClustersInABrowser(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{plain: true})
	r.agent("default", "evil", hostileCluster)
	b := &tab{ctx: browser.Start(t), url: r.url}
	b.open(t, platformPage)
	b.eval(t, `localStorage.setItem("own", "kept"), ""`)
	paths := []string{"/page", "/own-policy", "/image.svg", "/away"}
	t.Run("from the cache", func(t *testing.T) {
		for _, path := range paths {
			const fetch = `fetch("/k8s/clusters/evil%s", {headers: {Authorization: "Bearer %s"}}).then(r => r.text())`
			if body := b.eval(t, fmt.Sprintf(fetch, path, r.token)); !strings.Contains(body, "quiet") {
				t.Fatalf("%s: the platform's page reads %q", path, body)
			}
			b.unharmed(t, path)
		}
	})
	t.Run("with credentials", func(t *testing.T) {
		if err := chromedp.Do(b.ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			_, err := cdp.Call(ctx, tab, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
				Headers: network.Headers{"Authorization": "Bearer " + r.token},
			})
			return err
		})); err != nil {
			t.Fatal(err)
		}
		for _, path := range append(paths, "/password", "/other") {
			b.unharmed(t, path)
		}
	})
}
