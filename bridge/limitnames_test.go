package bridge

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// many is how many names the greedy side comes under. All of them have a turn within the
// 2 s for which requests wait.
const many = 12

// TestManyNamesHaveOneShare: at a saturated cluster, whoever comes under many names has
// the share of one caller, whether it has many tokens of the bridge's file or a token of
// a new name for each job.
func TestManyNamesHaveOneShare(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T) (file string, config func(*Config), greedy []string, modest string){
		"tokens of one owner": tokensOfOneOwner,
		"jobs of one project": jobsOfOneProject,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			section, config, greedy, modest := make(t)
			file := newAccessFile(t, section+"limits:\n  cluster: {requestsPerSecond: 20, burst: 1}\n")
			r := newRig(t, rigOptions{config: func(c *Config) {
				if config != nil {
					config(c)
				}
				file.configure(c)
			}})
			r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) { reply(s, 200, "") })
			// Twice, so that a request of the modest one always waits.
			served := r.compete(append(greedy, modest, modest), time.Now().Add(3*time.Second))
			var all int64
			for _, n := range served {
				all += n
			}
			if got := served[modest]; got < all/4 {
				t.Errorf("the one who came under one name made %d of %d requests beside %d names, want about half", got, all, many)
			}
			t.Logf("one name: %d of %d requests", served[modest], all)
		})
	}
}

// compete has a client for each token make requests one after the other, and returns how
// many succeeded.
func (r *rig) compete(tokens []string, until time.Time) map[string]int64 {
	counts := make([]atomic.Int64, len(tokens))
	var clients sync.WaitGroup
	for i, bearer := range tokens {
		clients.Go(func() {
			for time.Now().Before(until) {
				req := r.request("GET", "/k8s/clusters/prod/version", nil)
				req.Header.Set("Authorization", "Bearer "+bearer)
				res, err := r.h2.Do(req)
				if err != nil {
					r.t.Error(err)
					return
				}
				_ = res.Body.Close()
				switch res.StatusCode {
				case http.StatusOK:
					counts[i].Add(1)
				case http.StatusTooManyRequests: // on a machine that is busy with other things
				default:
					r.t.Errorf("status %d", res.StatusCode)
					return
				}
			}
		})
	}
	clients.Wait()
	served := make(map[string]int64)
	for i, bearer := range tokens {
		served[bearer] += counts[i].Load()
	}
	return served
}

func tokensOfOneOwner(t *testing.T) (section string, config func(*Config), greedy []string, modest string) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	var content strings.Builder
	content.WriteString("tokens:\n")
	add := func(name, owner string) (bearer string) {
		bearer, hash := token.New()
		entry, err := token.Entry(name, hash, []string{"*"}, token.Owner(owner))
		if err != nil {
			t.Fatal(err)
		}
		content.WriteString(entry)
		return bearer
	}
	for i := range many {
		greedy = append(greedy, add(fmt.Sprintf("ci-%d", i), "shop-team"))
	}
	modest = add("ops", "")
	if err := os.WriteFile(path, []byte(content.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return "", func(c *Config) {
		tokens, err := token.Open(path, c.Logger)
		if err != nil {
			t.Fatal(err)
		}
		c.Authenticator = tokens
	}, greedy, modest
}

func jobsOfOneProject(t *testing.T) (section string, config func(*Config), greedy []string, modest string) {
	i := issuer.ForTest(t)
	section = strings.Replace(i.Section("gitlab"), "groups: claims.groups", `groups: claims.groups, countBy: 'claims.sub.split(":")[0]'`, 1) +
		"grants:\n- {name: jobs, clusters: [prod], when: ['caller.issuer == \"gitlab\"'], as: {agent: true}}\n"
	for n := range many { // a branch of any name gives a job a subject of its own
		greedy = append(greedy, i.Token(t, fmt.Sprintf("acme/shop:ref:%d", n)))
	}
	return section, nil, greedy, i.Token(t, "acme/web:ref:main")
}
