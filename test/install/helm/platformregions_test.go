package helm

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
)

// TestPlatformRegions: two releases are joined by gateways through their Services, behind
// network policies. Bridges of one serve the cluster whose agent is connected to the other,
// and use the store that the other keeps; 'helm test' says that both are connected.
func TestPlatformRegions(t *testing.T) {
	west := newPlatformSpace(t, "west")
	t.Parallel()
	east := &platformSpace{space: west.space, fl: west.fl, name: "east-fairlead"}
	regions := "broker.gateways.regions=["
	renew := []string{"cert", "renew", "--dir", west.fl}
	for i, name := range []string{"west", "east"} {
		ns := "." + west.space.name + ".svc"
		for _, host := range []string{"*." + name + "-fairlead-broker-headless", name + "-fairlead-broker", name + "-fairlead-broker-gateways", name + "-fairlead-bridge"} {
			renew = append(renew, "--host", host+ns)
		}
		if i > 0 {
			regions += ","
		}
		regions += fmt.Sprintf(`{"name": %q, "urls": ["tls://%s-fairlead-broker-gateways%s:7222"]}`, name, name, ns)
	}
	west.broker(renew...)
	for _, r := range []struct {
		*platformSpace
		name, set string
	}{
		{west, "west", "broker.replicas=2,broker.store.enabled=true"},
		{east, "east", "broker.replicas=1,broker.gateways.storeInOtherRegion=true"},
	} {
		r.applySecrets()
		r.helm(append([]string{"install", r.name, r.chart(), "--set-json", regions + "]", "--set", "broker.gateways.region=" + r.name + "," + r.set},
			built("--set", "networkPolicy.enabled=true,bridge.replicas=1,bridge.extraArgs={--store-replicas=2}")...)...)
	}
	west.rollout()
	east.rollout()
	west.installAgent("agent", west.brokerURL(), west.file("creds", "prod.acme.creds"))
	west.works("prod.acme")
	east.works("prod.acme")
	west.tested("west")
	east.tested("east")
	east.until("the events that west keeps", func(ctx context.Context) error {
		code, body, err := east.get(ctx, "/v1/events?follow=false", "")
		if err == nil && (code != http.StatusOK || !bytes.Contains(body, []byte("cluster.connected"))) {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
}
