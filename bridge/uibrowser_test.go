package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/browser"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// uiTab opens a tab at the bridge. What the browser complains about, such as something that
// the policy of a page forbids, fails the test.
func (r *rig) uiTab(t *testing.T) *tab {
	t.Helper()
	b := &tab{ctx: browser.Start(t, chromedp.IgnoreCertErrors), url: r.url}
	said := chromedp.Console(b.ctx)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for m, err := range said {
			if err != nil {
				return
			}
			switch {
			case strings.Contains(m.Text, "the server responded with a status of 4"):
			case strings.Contains(m.Text, "ERR_NETWORK_CHANGED"): // another test made an interface on this machine
			default:
				t.Errorf("the browser says: %s", m)
			}
		}
	}()
	t.Cleanup(func() {
		_ = chromedp.Cancel(b.ctx)
		<-read
	})
	return b
}

// types types a token where the page has put the focus, and logs in.
func (b *tab) types(t *testing.T, token string) {
	t.Helper()
	b.has(t, `document.activeElement?.id === "token"`)
	b.do(t, chromedp.KeyEvent(token+kb.Enter))
}

// has waits until an expression is true in the page. A page that is being left has no answer.
func (b *tab) has(t *testing.T, expression string) {
	t.Helper()
	eventually.Nil(t, expression, func() error {
		page, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("Boolean("+expression+") ? '' : `not so at ${location}: ${document.body?.innerText}`"))
		if err == nil && page != "" {
			err = errors.New(page)
		}
		return err
	})
}

// shows waits for a text in the page.
func (b *tab) shows(t *testing.T, text string) {
	t.Helper()
	b.has(t, fmt.Sprintf("document.body && document.body.innerText.includes(%q)", text))
}

func (b *tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// look sets the width and the colours, and checks the page as people see it then: it is as
// wide as the window, and every text has the contrast that WCAG 2.2 wants (1.4.3, AA). Where
// FAIRLEAD_SCREENSHOTS names a folder, it gets a picture.
func (b *tab) look(t *testing.T, name string, width int64, scheme string) {
	t.Helper()
	b.has(t, `document.readyState === "complete"`)
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		t.Fatal(err)
	}
	b.do(t, chromedp.EmulateViewport(width, 800))
	if wide := b.eval(t, "String(document.documentElement.scrollWidth)"); wide != fmt.Sprint(width) {
		t.Errorf("%s: the page is %s wide, not %d", name, wide, width)
	}
	var faint []string
	if err := json.Unmarshal([]byte(b.eval(t, faintTexts)), &faint); err != nil || len(faint) > 0 {
		t.Errorf("%s, %s: not enough contrast: %q, %v", name, scheme, faint, err)
	}
	dir := os.Getenv("FAIRLEAD_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

// faintTexts is the JSON of texts whose colour is too near to that behind them.
const faintTexts = `(() => {
  const parse = (c) => c.match(/[\d.]+/g).map(Number);
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((s, w, i) => {
    const v = c[i] / 255;
    return s + w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c[3] !== 0) return c;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join(" ").trim();
    if (!own || !e.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(own + ": " + ratio.toFixed(2));
  }
  return JSON.stringify(faint);
})()`

// looks looks at a page in all ways.
func (b *tab) looks(t *testing.T, name string) {
	t.Helper()
	for _, scheme := range []string{"dark", "light"} {
		b.look(t, name+"-narrow-"+scheme, 360, scheme)
		b.look(t, name+"-"+scheme, 1100, scheme)
	}
}

// TestUIInABrowser: somebody opens a link to a cluster, logs in with the keyboard, looks
// around, and logs out.
func TestUIInABrowser(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{clusters: []string{"never"}})
	r.agent("default", "prod", hello)
	r.agent("acme", "edge", hello)
	b := r.uiTab(t)
	b.open(t, "/ui/clusters/prod")
	b.looks(t, "login")
	b.types(t, "wrong")
	b.shows(t, "Not logged in")
	b.looks(t, "refused")
	b.types(t, r.token)
	b.has(t, `location.pathname === "/ui/clusters/prod" && document.querySelector("h1")?.textContent === "prod"`)
	b.looks(t, "cluster")
	b.keepsTheToken(t, r.token)
	b.do(t, chromedp.Click("nav.path a"))
	b.shows(t, "edge.acme")
	b.looks(t, "list")
	b.eval(t, `document.querySelector("h1").dataset.mark = "same page", ""`)
	b.do(t, chromedp.SendKeys("input[name=q]", "edge"))
	b.has(t, `!document.querySelector("#list").innerText.includes("prod") && location.search === "?q=edge"`)
	b.do(t, chromedp.SendKeys("input[name=q]", strings.Repeat(kb.Backspace, 4)), chromedp.SendKeys("input[name=labels]", "a b"))
	b.has(t, `document.querySelector("#list .notice.bad")`)
	b.looks(t, "wrong")
	b.do(t, chromedp.SendKeys("input[name=labels]", strings.Repeat(kb.Backspace, 3)))
	b.shows(t, "never.lab")
	if b.eval(t, `document.querySelector("h1").dataset.mark`) != "same page" || b.eval(t, "document.activeElement.name") != "labels" {
		t.Error("the page was loaded again, or the focus is lost")
	}
	b.do(t, chromedp.Click("header button"))
	b.has(t, `document.querySelector("input[name=token]")`)
	b.open(t, "/ui/clusters/prod")
	b.has(t, `document.querySelector("input[name=token]")`)
}

// keepsTheToken checks where the browser has the token: in a cookie that no script reads and
// that goes to the pages only.
func (b *tab) keepsTheToken(t *testing.T, token string) {
	t.Helper()
	if got := b.eval(t, "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"); got != "{}{}" {
		t.Errorf("a script reads %s", got)
	}
	if got := b.eval(t, "document.documentElement.outerHTML + location.href"); strings.Contains(got, token) {
		t.Error("the token is in the page")
	}
	for path, n := range map[string]int{"/ui/": 1, "/ui/clusters/prod": 1, "/": 0, "/k8s/clusters/prod/": 0, "/v1/clusters": 0, "/uix": 0} {
		got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.url + path}})
		if err != nil || len(got.Cookies) != n {
			t.Fatalf("%s: %d cookies, %v", path, len(got.Cookies), err)
		}
		for _, c := range got.Cookies {
			if !strings.HasSuffix(c.Value, token) || !c.HTTPOnly || !c.Secure || !c.Session || c.SameSite != network.CookieSameSiteStrict || c.Path != "/ui" || strings.HasPrefix(c.Domain, ".") {
				t.Errorf("%s: %+v", path, c)
			}
		}
	}
}

// TestUIOpenedFromAnotherSite: a link in a mail or chat opens the page that it names, although
// the browser keeps the cookie back at first.
func TestUIOpenedFromAnotherSite(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	chat := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<a href="%s/ui/?q=prod">look</a><form method="post" action="%s/ui/logout"><button>log out</button></form>`, r.url, r.url)
	}))
	defer chat.Close()
	b := r.uiTab(t)
	b.open(t, "/ui/")
	b.types(t, r.token)
	b.shows(t, "prod")
	there := strings.Replace(chat.URL, "127.0.0.1", "chat.example", 1)
	b.do(t, chromedp.Navigate(there))
	b.eval(t, `setTimeout(() => document.querySelector("a").click()), ""`)
	b.shows(t, "v1.34.4")
	b.has(t, `location.search === "?q=prod"`)
	b.do(t, chromedp.Navigate(there))
	b.eval(t, `setTimeout(() => document.querySelector("button").click()), ""`)
	b.shows(t, "another site")
	b.open(t, "/ui/")
	b.shows(t, "prod")
}

// TestUIOfHostileAgents: what agents tell is text, and breaks no page.
func TestUIOfHostileAgents(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	evil := `"><img src=x onerror="document.title='ran'"><script>document.title='ran'</script><a href="javascript:alert(1)">` + strings.Repeat("W", 200)
	r.agent("acme", "edge", hello)
	r.agentTelling("acme", "evil", subjects.Presence{
		Version: evil, Kubernetes: evil, Started: time.Now(), Labels: map[string]string{"team": "a"},
		Detail:    &subjects.Detail{Pod: evil, Node: evil, Broker: evil, Platform: evil},
		LastCause: &subjects.LastCause{Hop: "tcp", Cause: "refused", At: time.Now(), Text: "{{.}}</pre>" + evil + "\u202e"},
	})
	b := r.uiTab(t)
	b.open(t, "/ui/")
	b.types(t, r.acme)
	b.shows(t, "evil.acme")
	for _, path := range []string{"/ui/", "/ui/clusters/evil.acme", "/ui/?q=%22%3E%3Cscript%3Edocument.title='ran'%3C/script%3E&state=%3Cb%3E&tenant=%3Ci%3E&labels=%3Cu%3E"} {
		b.open(t, path)
		b.has(t, `document.querySelector("h1")`)
		if got := b.eval(t, `document.title + document.querySelectorAll("main :is(img, script, b b, i, u), a[href^=javascript]").length`); !strings.HasSuffix(got, "Fairlead0") {
			t.Errorf("%s: %s", path, got)
		}
		b.looks(t, fmt.Sprintf("hostile-%d", len(path)))
	}
	b.open(t, "/ui/clusters/evil.acme")
	b.shows(t, "javascript:alert(1)")
}

// agentTelling connects an agent that tells a presence.
func (r *rig) agentTelling(tenantName, cluster string, p subjects.Presence) *natslink.Agent {
	r.t.Helper()
	a, err := natslink.NewAgent(r.nats.Agent(r.t, tenantName, cluster), natslink.AgentConfig{
		Cluster: cluster, Instance: subjects.NewID('a'), Presence: func() subjects.Presence { return p },
		Stream: stream.Config{Handler: func(*stream.Stream) {}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = a.Close() })
	return a
}

// TestUIIsLive: what happens shows without a request of the visitor's, only what the visitor
// may see, and is announced; and the page goes when its session ends.
func TestUIIsLive(t *testing.T) {
	t.Parallel()
	log := events.NewMemory()
	r := newRig(t, rigOptions{config: func(c *Config) { c.Events = log }})
	r.agentTelling("acme", "edge", subjects.Presence{
		Started: time.Now(), Streams: 12345, Version: "v1.4.0", Kubernetes: "v1.34.4+k3s1",
		Detail: &subjects.Detail{Pod: "fairlead-agent-6c9d7f5b8-x2x7k", Node: "worker-3", Requests: 1 << 40, Up: 1 << 40, Down: 1 << 50},
	})
	b := r.uiTab(t)
	b.open(t, "/ui/")
	b.types(t, r.acme)
	b.shows(t, "Live")
	b.eval(t, `document.querySelector("h1").dataset.mark = "same page", document.querySelector("#list table a").focus(), ""`)
	happens := func(tenant, cluster string) {
		e := events.Event{Type: api.EventClusterConnected, Tenant: tenant, Cluster: cluster, Detail: "<b>by itself</b>"}
		if err := log.Append(t.Context(), e, ""); err != nil {
			t.Fatal(err)
		}
	}
	r.agent("default", "prod", hello)
	happens("default", "prod")
	r.agent("acme", "late", hello)
	happens("acme", "late")
	b.shows(t, "late.acme")
	b.has(t, `document.querySelector("#said").textContent === "late.acme: connected"`)
	if got := b.eval(t, `document.querySelector("h1").dataset.mark + document.activeElement.textContent`); got != "same pageedge.acme" {
		t.Errorf("the page was loaded again, or the focus is lost: %s", got)
	}
	b.open(t, "/ui/clusters/edge.acme")
	b.has(t, `document.querySelector("[data-rtt]").innerText.includes(" ms")`)
	happens("acme", "edge")
	b.shows(t, "cluster connected")
	b.shows(t, "<b>by itself</b>")
	b.has(t, `document.querySelector("svg.rtt polyline")`)
	b.looks(t, "live")
	if err := os.WriteFile(r.tokensFile, []byte("tokens: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.has(t, `document.querySelector("#token")`)
}

// TestUIWithoutScripts: all but what is live works with scripts switched off; and a large
// fleet is on pages.
func TestUIWithoutScripts(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("c%03d", i))
	}
	r := newRig(t, rigOptions{clusters: names})
	r.agent("lab", "c007", hello)
	b := r.uiTab(t)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.open(t, "/ui/?q=c0")
	b.do(t, chromedp.SendKeys("#token", r.token+kb.Enter))
	b.do(t, chromedp.WaitVisible("#list table"))
	b.looks(t, "large")
	b.do(t, chromedp.Click(`a[rel=next]`), chromedp.WaitVisible("#c-c100\\.lab"))
	b.do(t, chromedp.Click(`.choices li:nth-child(2) a`), chromedp.WaitNotPresent("#c-c008\\.lab"), chromedp.WaitVisible("#c-c007\\.lab"))
	b.do(t, chromedp.SendKeys("input[name=q]", "none"+kb.Enter), chromedp.WaitVisible("#list .notice"))
	b.looks(t, "none")
	b.open(t, "/ui/clusters/c008.lab")
	b.looks(t, "never")
	b.do(t, chromedp.Click("header button"), chromedp.WaitVisible("#token"))
}
