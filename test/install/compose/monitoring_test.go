package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// ask calls Prometheus's API.
func (s *system) ask(ctx context.Context, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(s.prometheus)+"/api/v1/"+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var whole struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&whole); err != nil {
		return fmt.Errorf("%s: %s: %w", path, resp.Status, err)
	}
	if whole.Status != "success" {
		return fmt.Errorf("%s: %s", path, whole.Error)
	}
	return json.Unmarshal(whole.Data, answer)
}

// query returns the first sample's value, "" if there is none.
func (s *system) query(ctx context.Context, expr string) (string, error) {
	var answer struct{ Result []struct{ Value [2]any } }
	if err := s.ask(ctx, "query?query="+url.QueryEscape(expr), &answer); err != nil || len(answer.Result) == 0 {
		return "", err
	}
	value, _ := answer.Result[0].Value[1].(string)
	return value, nil
}

// optional are metrics of what docker-compose.yml does not switch on (regions, limits, audit,
// recordings, webhooks, tracing and the agent's allow-list), and of failures that need not happen.
// The tests of their packages have the names.
var optional = []string{
	"fairlead_broker_region_connected", "fairlead_bridge_limited_total", "fairlead_bridge_audit_events_total", "fairlead_bridge_audit_waiting_bytes",
	"fairlead_bridge_recordings_active", "fairlead_bridge_recordings_total",
	"fairlead_bridge_webhook_lag_seconds", "fairlead_bridge_webhook_given_up_total",
	"fairlead_tracing_spans_dropped_total", "fairlead_agent_allow_refusals_total",
	"fairlead_bridge_connection_failures_total", "fairlead_agent_connection_failures_total",
}

// isMonitored: Prometheus scrapes every target, and the dashboard and the alerts
// use only metrics that exist. It comes last, since some metrics appear with the
// first event that they count.
func (s *system) isMonitored() {
	ctx := s.t.Context()
	s.t.Cleanup(http.DefaultClient.CloseIdleConnections)
	err := harness.Until(ctx, "all targets to be up", time.Minute, nil, func(ctx context.Context) error {
		got, err := s.query(ctx, "sum(up)")
		if err == nil && got != "7" {
			err = fmt.Errorf("%s are up", got)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	if err := s.ask(ctx, "label/__name__/values", &names); err != nil {
		s.t.Fatal(err)
	}
	for where, expr := range expressions(s.t, s.root) {
		var answer struct{ ResultType string }
		if err := s.ask(ctx, "query?query="+url.QueryEscape(expr), &answer); err != nil {
			s.t.Errorf("%s: %v", where, err)
		}
		for _, metric := range metrics(expr) {
			if !slices.Contains(names, metric) && !slices.Contains(optional, metric) {
				s.t.Errorf("%s: nothing has the metric %s", where, metric)
			}
		}
	}
	for _, want := range []struct{ expr, value string }{
		{"count(fairlead_broker_info)", "3"},
		{"sum(fairlead_agent_broker_connected)", "2"},
		{"sum(max by (tenant) (fairlead_bridge_connected_clusters))", "1"},
		{"count(count by (instance) (fairlead_build_info))", "7"},
		// The counters show what the earlier parts did.
		{`sum(max_over_time(fairlead_bridge_failures_total{error="cluster-offline"}[1h])) > bool 0`, "1"},
	} {
		err := harness.Until(ctx, want.expr, time.Minute, nil, func(ctx context.Context) error { // a scrape is due every 10 s
			got, err := s.query(ctx, want.expr)
			if err == nil && got != want.value {
				err = fmt.Errorf("it is %q, want %s", got, want.value)
			}
			return err
		})
		if err != nil {
			s.t.Error(err)
		}
	}
	want := len(alerts(s.t, s.root))
	err = harness.Until(ctx, "all alerts to be evaluated", time.Minute, nil, func(ctx context.Context) error {
		good, err := s.goodRules(ctx)
		if err == nil && good != want {
			err = fmt.Errorf("%d of %d are", good, want)
		}
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

// goodRules counts the rules whose last evaluation had no error.
func (s *system) goodRules(ctx context.Context) (good int, err error) {
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := s.ask(ctx, "rules", &rules); err != nil {
		return 0, err
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			switch r.Health {
			case "ok":
				good++
			case "err":
				return 0, fmt.Errorf("alert %s: %s", r.Name, r.LastError)
			}
		}
	}
	return good, nil
}
