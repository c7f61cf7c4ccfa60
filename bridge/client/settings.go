package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

func settingsPath(cluster string) []string { return []string{"v1", "clusters", cluster, "settings"} }

// Settings returns what the platform sets of the agents of a cluster, and what has become of
// it. The error is [ErrSettingsNotSet] where it sets nothing.
func (c *Client) Settings(ctx context.Context, cluster string) (*api.ClusterSettings, error) {
	s := &api.ClusterSettings{}
	return s, c.bridge.Into(ctx, exchange.Get(settingsPath(cluster)...), s)
}

// PutSettings replaces what the platform sets of the agents of a cluster. revision is that
// which the settings must still have; "": any, or none. With one, the request is not sent
// again, as its outcome would be unknown.
func (c *Client) PutSettings(ctx context.Context, cluster string, settings api.AgentSettings, revision string) (*api.ClusterSettings, error) {
	body, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("encode the settings: %w", err)
	}
	r := settingsRequest(http.MethodPut, cluster, revision)
	r.Body = body
	s := &api.ClusterSettings{}
	return s, c.bridge.Into(ctx, r, s)
}

// DeleteSettings has the agents of a cluster go back to their own values. revision is as
// that of [Client.PutSettings].
func (c *Client) DeleteSettings(ctx context.Context, cluster, revision string) (*api.SettingsDeleted, error) {
	done := &api.SettingsDeleted{}
	return done, c.bridge.Into(ctx, settingsRequest(http.MethodDelete, cluster, revision), done)
}

func settingsRequest(method, cluster, revision string) *exchange.Request {
	r := &exchange.Request{Method: method, Path: settingsPath(cluster), Repeatable: revision == ""}
	if revision != "" {
		r.Header = http.Header{"If-Match": {`"` + revision + `"`}}
	}
	return r
}

// ListSettingsOptions narrow a list. The zero value is of all clusters.
type ListSettingsOptions struct {
	Tenant string
	State  api.SettingsState
}

// ListSettings returns the settings of all clusters whose settings the caller may get, by
// tenant and cluster, without their instances.
func (c *Client) ListSettings(ctx context.Context, o ListSettingsOptions) ([]api.ClusterSettings, error) {
	query := url.Values{}
	if o.Tenant != "" {
		query.Set("tenant", o.Tenant)
	}
	if o.State != "" {
		query.Set("state", string(o.State))
	}
	var all []api.ClusterSettings
	for {
		r := exchange.Get("v1", "settings")
		r.Query = query
		var page api.SettingsList
		if err := c.bridge.Into(ctx, r, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Settings...)
		if page.Continue == "" {
			return all, nil
		}
		query.Set("continue", page.Continue)
	}
}
