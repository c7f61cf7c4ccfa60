package browser

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience bounds all that one test does in its browser; a busy machine takes ten
// seconds to start one.
const patience = 2 * time.Minute

// Start starts a browser and returns the context of its first tab, for the functions of
// chromedp. Both end with the test.
func Start(t testing.TB, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := find(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	options = append(chromedp.DefaultExecAllocatorOptions[:],
		append([]chromedp.ExecAllocatorOption{
			chromedp.ExecPath(path), chromedp.NoSandbox, // root, as which CI runs, has no sandbox
			// Whenever an interface of the machine comes or goes, as a test of containers
			// makes it, connections of HTTP/2 are closed with ERR_NETWORK_CHANGED.
			chromedp.Flag("disable-http2", true),
			chromedp.Flag("disable-component-update", true), chromedp.Flag("host-resolver-rules", "MAP * 127.0.0.1"),
		}, options...)...)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// find returns the browser's path.
func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "Chromium is not installed (Debian: apt-get install chromium)"
	if os.Getenv("FAIRLEAD_E2E") == "require" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}
