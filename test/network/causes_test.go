//go:build linux

package network

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness"
)

// provocation provokes one failure for real.
type provocation struct {
	hop   cause.Hop
	cause cause.ID
	how   string // in a few words, which name the test
	// open is for an agent that reaches the outside without a proxy.
	open bool
	// set prepares the failure and returns how the agent is started.
	set func(si *site) route
	// then, if not nil, provokes the failure once the agent has connected.
	then func(si *site)
	// noDoctor says why a doctor who comes afterwards finds something else.
	noDoctor string
}

// unprovoked are the causes that no test provokes here, and why.
var unprovoked = map[cause.ID]string{
	cause.AgentTooOld:    "there is no released agent that a bridge refuses; agent/link and subjects test it",
	cause.BrokerFull:     "brokers have no such limit as a flag, only as an option of nats-server",
	cause.UnknownAccount: "brokers do not tell it from other refusals; bridges do, and test it",
	cause.RBACMissing:    "callers are told it, with the rule that is missing, in the answer to their request: see test/e2e",
	cause.ClockSkew:      "the clocks of one machine cannot differ for Go programs; subjects/natslink/dial and agent/link test it",
	cause.Unknown:        "it is what no test can name",
}

// provocations are all of them, by the file in which they stand.
func provocations() []provocation {
	return slices.Concat(pathProvocations, proxyProvocations, tlsProvocations, webProvocations, natsProvocations, kubeProvocations)
}

// TestEveryCauseIsProvoked: a cause of the catalogue has a provocation, or a reason why it
// has none.
func TestEveryCauseIsProvoked(t *testing.T) {
	for _, info := range cause.Catalogue() {
		has := slices.ContainsFunc(provocations(), func(p provocation) bool { return p.cause == info.ID })
		switch why, excused := unprovoked[info.ID]; {
		case has && excused:
			t.Errorf("%s is provoked, although %s", info.ID, why)
		case !has && !excused:
			t.Errorf("nothing provokes %s", info.ID)
		}
	}
}

// TestCauses: each failure is told as what it is, by the agent and by its doctor.
func TestCauses(t *testing.T) {
	t.Parallel()
	for _, p := range provocations() {
		t.Run(strings.ReplaceAll(fmt.Sprintf("%s/%s", p.cause, p.how), " ", "-"), func(t *testing.T) {
			t.Parallel()
			var si *site
			if p.open {
				si = newOpenSite(t)
			} else {
				si = newSite(t)
			}
			r := p.set(si)
			si.start(r)
			if p.then != nil {
				si.reachable()
				p.then(si)
			}
			si.tells(p)
			if p.noDoctor == "" {
				si.doctorSays(p, r)
			}
		})
	}
}

// toldWithin bounds the wait for an event: most come at once, and the slowest time-out is
// that of a handshake.
const toldWithin = 45 * time.Second

// tells waits for the event of a failure in the agent's log.
func (si *site) tells(p provocation) {
	si.t.Helper()
	err := harness.Until(si.t.Context(), "the event", toldWithin, si.agent, func(context.Context) error {
		events, err := si.events()
		if err != nil {
			return err
		}
		for _, e := range events {
			if e["hop"] == string(p.hop) && e["cause"] == string(p.cause) {
				for _, field := range []string{"got", "likely", "do"} {
					if e[field] == "" || e[field] == nil {
						return fmt.Errorf("the event has no %q: %v", field, e)
					}
				}
				return nil
			}
		}
		return fmt.Errorf("events %v", shown(events))
	})
	if err != nil {
		si.t.Errorf("want hop %s and cause %s: %v", p.hop, p.cause, err)
	}
}

func shown(events []map[string]any) (all []string) {
	for _, e := range events {
		all = append(all, fmt.Sprintf("%v/%v: %v", e["hop"], e["cause"], e["got"]))
	}
	return all
}

// events are the failures in the agent's log: everything that has a hop and a cause.
func (si *site) events() (events []map[string]any, err error) {
	text, err := os.ReadFile(si.log())
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue // a line that is not whole yet
		}
		for _, field := range append([]any{entry}, values(entry)...) {
			if e, ok := field.(map[string]any); ok && e["hop"] != nil && e["cause"] != nil {
				events = append(events, e)
			}
		}
	}
	return events, nil
}

func values(m map[string]any) (all []any) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// report is what a doctor command says, as far as tests look at it.
type report struct {
	ExitCode int `json:"exitCode"`
	Targets  []struct {
		Name   string `json:"name"`
		Checks []struct {
			Hop     cause.Hop `json:"hop"`
			Status  string    `json:"status"`
			Failure *struct {
				Cause cause.ID `json:"cause"`
				Got   string   `json:"got"`
				Do    string   `json:"do"`
			} `json:"failure"`
		} `json:"checks"`
	} `json:"targets"`
}

// exitCodes are documented: they are those of the hops.
var exitCodes = map[cause.Hop]int{
	cause.DNS: 10, cause.TCP: 11, cause.Proxy: 12, cause.TLS: 13, cause.HTTPUpgrade: 14,
	cause.NATS: 15, cause.JWT: 16, cause.Permission: 17, cause.Kubernetes: 18,
}

// doctorSays runs the agent's doctor where the agent runs.
func (si *site) doctorSays(p provocation, r route) {
	si.t.Helper()
	ctx, cancel := context.WithTimeout(si.t.Context(), time.Minute)
	defer cancel()
	args := slices.Concat([]string{"netns", "exec", si.inside.Name(), si.system.Options.Binaries.Agent, "doctor", "--output", "json"}, si.args(r))
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Env = slices.Concat(os.Environ(), noProxies, r.env)
	out, err := cmd.Output()
	var got report
	if jsonErr := json.Unmarshal(out, &got); jsonErr != nil {
		si.t.Fatalf("doctor: %v: %s (%v)", jsonErr, out, err)
	}
	if code := cmd.ProcessState.ExitCode(); code != exitCodes[p.hop] || got.ExitCode != code {
		si.t.Errorf("doctor: exit code %d (%d in the report), want %d", code, got.ExitCode, exitCodes[p.hop])
	}
	found := false
	for _, target := range got.Targets {
		for _, c := range target.Checks {
			if c.Failure == nil {
				continue
			}
			if c.Hop == p.hop && c.Failure.Cause == p.cause {
				found = c.Failure.Do != "" && c.Failure.Got != ""
			}
		}
	}
	if !found {
		si.t.Errorf("the doctor does not say %s/%s: %s", p.hop, p.cause, out)
	}
}
