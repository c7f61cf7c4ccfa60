//go:build linux

package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
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
	// doctor is what a doctor who comes afterwards finds; nil: the same.
	doctor *finding
	// cure, if not nil, ends the failure, after which the inventory must show it.
	cure func(si *site)
}

// finding is what a doctor finds. Without a cause everything works.
type finding struct {
	hop   cause.Hop
	cause cause.ID
}

// ofBridges are causes that a bridge finds, and no agent: the name of the test of each.
var ofBridges = map[cause.ID]func(*testing.T){
	cause.AgentTooOld:    TestAgentTooOld,
	cause.UnknownAccount: TestUnknownAccount,
}

// provocations are all of them, by the file in which they stand.
func provocations() []provocation {
	return slices.Concat(pathProvocations, proxyProvocations, tlsProvocations, webProvocations, natsProvocations, clockProvocations, kubeProvocations)
}

// TestEveryCauseIsProvoked: each cause of the catalogue has a provocation with real
// programs, and nothing else has.
func TestEveryCauseIsProvoked(t *testing.T) {
	for _, info := range cause.Catalogue() {
		has := slices.ContainsFunc(provocations(), func(p provocation) bool { return p.cause == info.ID })
		if _, bridge := ofBridges[info.ID]; has == bridge {
			t.Errorf("%s: provoked for agents %v, for bridges %v; want one of the two", info.ID, has, bridge)
		}
	}
	for _, p := range provocations() {
		if !p.cause.Known() || !slices.Contains(p.cause.Info().Hops, p.hop) {
			t.Errorf("%s at %s is provoked, and the catalogue lacks it", p.cause, p.hop)
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
			si.doctorSays(p.found(), r)
			if p.cure != nil {
				p.cure(si)
				si.inventoryShows(p)
			}
		})
	}
}

// found is what a doctor finds.
func (p *provocation) found() finding {
	if p.doctor != nil {
		return *p.doctor
	}
	return finding{p.hop, p.cause}
}

// toldWithin bounds the wait for an event: most come at once, and the slowest is that of
// five waits for a limit of rate, of 31 s and more, with jitter.
const toldWithin = 90 * time.Second

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
func (si *site) events() (events []map[string]any, err error) { return eventsOf(si.log()) }

func eventsOf(log string) (events []map[string]any, err error) {
	text, err := os.ReadFile(log)
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
func (si *site) doctorSays(want finding, r route) {
	si.t.Helper()
	ctx, cancel := context.WithTimeout(si.t.Context(), time.Minute)
	defer cancel()
	args := slices.Concat([]string{"netns", "exec", si.inside.Name(), si.system.Options.Binaries.Agent, "doctor", "--output", "json"}, si.args(r))
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Env = slices.Concat(os.Environ(), noProxies, r.env)
	out, err := cmd.Output()
	judge(si.t, want, out, err)
}

// judge judges the report of a doctor command, and its exit code by err.
func judge(t *testing.T, want finding, out []byte, err error) {
	t.Helper()
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("doctor: %v: %s", err, out)
	}
	if code != exitCodes[want.hop] || got.ExitCode != code {
		t.Errorf("doctor: exit code %d (%d in the report), want %d", code, got.ExitCode, exitCodes[want.hop])
	}
	found := want == finding{}
	for _, target := range got.Targets {
		for _, c := range target.Checks {
			if f := c.Failure; f != nil && c.Hop == want.hop && f.Cause == want.cause {
				found = f.Do != "" && f.Got != ""
			}
		}
	}
	if !found {
		t.Errorf("the doctor does not say %s/%s: %s", want.hop, want.cause, out)
	}
}

// inventoryShows waits until the bridge's inventory has the failure as the agent's last.
// Agents that wait as a server has told them take longer to come back.
func (si *site) inventoryShows(p provocation) {
	si.t.Helper()
	err := harness.Until(si.t.Context(), "the inventory", time.Minute, si.agent, func(ctx context.Context) error {
		return lastFailure(ctx, si.system.Client(), si.system.URL("/v1/clusters/"+si.cluster+".acme"), p.hop, p.cause)
	})
	if err != nil {
		si.t.Errorf("want hop %s and cause %s: %v", p.hop, p.cause, err)
	}
}

// lastFailure is nil if an instance's last failure in an inventory is that one.
func lastFailure(ctx context.Context, client *http.Client, url string, hop cause.Hop, id cause.ID) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	var got api.Cluster
	if err := json.Unmarshal(text, &got); err != nil {
		return fmt.Errorf("%s: %w: %s", resp.Status, err, text)
	}
	for _, i := range got.Instances {
		if f := i.LastFailure; f != nil && f.Hop == string(hop) && f.Cause == string(id) && f.Title != "" && f.Detail != "" && !f.At.IsZero() {
			return nil
		}
	}
	return fmt.Errorf("%s: %s", resp.Status, text)
}
