package docs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// platformName is the platform's DNS name in the documents.
const platformName = "fairlead.example.com"

// hasPlatformCluster gives the reader helm and a Kubernetes such as a platform
// has: with a node, load balancers and images. In it platformName resolves to the
// load balancers. The same cluster serves as the private one.
func (r *reader) hasPlatformCluster() {
	r.t.Helper()
	k := r.startCluster(harness.KubeOptions{RequireNode: require, Services: true, Names: []string{platformName}})
	if !k.HasNode() {
		r.t.Skip("charts need a node: ", k.NoNode)
	}
	r.hosts[platformName] = k.ServicesIP
	r.hasImages(k)
	if err := harness.Make(r.t.Context(), os.Environ(), ".cache/bin/helm"); err != nil {
		r.t.Fatal(err)
	}
	helm, err := filepath.EvalSymlinks(filepath.Join(r.repo, ".cache", "bin"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.path = append(r.path, helm)
	r.install()
	r.balanceLoad(k)
}

// hasImages imports the images that a registry would hold into the node, tagged
// with the charts' version.
func (r *reader) hasImages(k *harness.Kube) {
	r.t.Helper()
	engine := r.startEngine()
	if err := harness.Make(r.t.Context(), engine.Env(), "images"); err != nil {
		r.t.Fatal(err)
	}
	for chart, images := range map[string][]string{"fairlead": {"broker", "bridge"}, "fairlead-agent": {"agent"}} {
		data, err := os.ReadFile(filepath.Join(r.repo, "deploy", "helm", chart, "Chart.yaml"))
		if err != nil {
			r.t.Fatal(err)
		}
		version := regexp.MustCompile(`(?m)^appVersion: "?([^"\n]+)"?$`).FindSubmatch(data)
		if version == nil {
			r.t.Fatalf("%s has no appVersion", chart)
		}
		for _, image := range images {
			name := "ghcr.io/fairlead-io/fairlead-" + image
			released, archive := name+":"+string(version[1]), r.TempFile(image+".tar")
			for _, args := range [][]string{{"tag", name + ":dev", released}, {"save", "--output", archive, released}} {
				if _, err := engine.Run(r.t.Context(), args...); err != nil {
					r.t.Fatal(err)
				}
			}
			if err := k.LoadImages(r.t.Context(), archive); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// balanceLoad does a cloud's part for services of type LoadBalancer: it sets
// their address to that of the cluster, and kube-proxy does the rest. It ends
// with the test.
func (r *reader) balanceLoad(k *harness.Kube) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			if err := giveAddresses(ctx, k); err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "load balancers:", err)
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	r.t.Cleanup(func() { cancel(); <-done })
}

func giveAddresses(ctx context.Context, k *harness.Kube) error {
	out, err := k.Run(ctx, "", "get", "services", "-A", "-o", "json")
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name, Namespace string }
			Spec     struct{ Type string }
			Status   struct{ LoadBalancer struct{ Ingress []any } }
		}
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&list); err != nil {
		return fmt.Errorf("read services: %w", err)
	}
	for _, s := range list.Items {
		if s.Spec.Type != "LoadBalancer" || len(s.Status.LoadBalancer.Ingress) > 0 {
			continue
		}
		patch := fmt.Sprintf(`{"status":{"loadBalancer":{"ingress":[{"ip":%q}]}}}`, k.ServicesIP)
		if _, err := k.Run(ctx, "", "-n", s.Metadata.Namespace, "patch", "service", s.Metadata.Name,
			"--subresource=status", "--type=merge", "-p", patch); err != nil {
			return err
		}
	}
	return nil
}
