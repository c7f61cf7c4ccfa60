package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The Kubernetes that charts are tested on must have what charts take for granted:
// service addresses, names, volumes, and a way to the API server.
func TestKubeServices(t *testing.T) {
	mode := os.Getenv("FAIRLEAD_E2E")
	if mode == "" {
		t.Skip("tests of a real Kubernetes run with FAIRLEAD_E2E=1, as 'make test' sets it")
	}
	k, err := StartKube(t.Context(), KubeOptions{
		Dir: filepath.Join(t.TempDir(), "cluster"), RequireNode: mode == "require", Services: true, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			k.Stop()
		}
	})
	if !k.HasNode() {
		t.Skip("this machine cannot be a node: " + k.NoNode)
	}
	c := &servicesCase{t: t, k: k}
	c.setUp()
	t.Run("names and addresses", c.names)
	t.Run("API server", c.apiServer)
	t.Run("host", c.host)
	t.Run("rules", c.ownRules)
	t.Run("volumes", c.volumes)
	stopped = true
	if err := k.Stop(); err != nil {
		t.Fatal(err)
	}
	c.nothingLeft()
}

type servicesCase struct {
	t *testing.T
	k *Kube
}

// withinPods bounds the waits for pods on a loaded machine with two cores.
const withinPods = 2 * time.Minute

func (c *servicesCase) setUp() {
	c.t.Helper()
	archive := filepath.Join(c.t.TempDir(), "tools.tar")
	if err := saveTools(archive, "fairlead.test/tools:dev", c.k.Kubectl); err != nil {
		c.t.Fatal(err)
	}
	if err := c.k.LoadImages(c.t.Context(), archive); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.k.Run(c.t.Context(), servicesManifest, "apply", "-f", "-"); err != nil {
		c.t.Fatal(err)
	}
	c.rollout("statefulset/db")
	c.rollout("deployment/client")
}

func (c *servicesCase) rollout(what string) {
	c.t.Helper()
	if _, err := c.k.Run(c.t.Context(), "", "rollout", "status", what, "--timeout="+withinPods.String()); err != nil {
		events, _ := c.k.Run(c.t.Context(), "", "get", "events,pods,pvc")
		c.t.Fatalf("%v\n%s", err, events)
	}
}

// in runs a command in a pod and returns its output.
func (c *servicesCase) in(t *testing.T, pod string, command ...string) string {
	t.Helper()
	out, err := c.k.Run(t.Context(), "", append([]string{"exec", pod, "--"}, command...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// get asks until it gets an answer, since endpoints reach kube-proxy a moment after
// pods are ready. It asks with kubectl, which resolves names as our own binaries do,
// with Go's resolver.
func (c *servicesCase) get(t *testing.T, pod, base, path string) string {
	t.Helper()
	var body string
	err := Until(t.Context(), base+" from "+pod, 20*time.Second, nil, func(ctx context.Context) error {
		out, err := c.k.Run(ctx, "", "exec", pod, "--", "kubectl", "--server", base, "--request-timeout=2s", "get", "--raw", "/"+path)
		body = strings.TrimSpace(out)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (c *servicesCase) names(t *testing.T) {
	const client = "deployment/client"
	if got := c.get(t, client, "http://db-front", "name"); got != "db-0" && got != "db-1" {
		t.Errorf("the service answers %q, want one of its pods", got)
	}
	for _, name := range []string{"db-1.db", "db-1.db.default.svc", "db-1.db.default.svc.cluster.local"} {
		if got := c.get(t, client, "http://"+name+":8080", "name"); got != "db-1" {
			t.Errorf("%s answers %q", name, got)
		}
	}
	if got := c.get(t, "db-0", "http://db-zero", "name"); got != "db-0" {
		t.Errorf("through a service that leads back to it, a pod sees %q", got)
	}
	ip, err := c.k.Run(t.Context(), "", "get", "service", "db-front", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.get(t, client, "http://"+ip, "name"); got != "db-0" && got != "db-1" {
		t.Errorf("%s answers %q, want one of its pods", ip, got)
	}
	// Not "no server answered", which resolvers wait for.
	out, err := c.k.Run(t.Context(), "", "exec", client, "--", "busybox", "nslookup", "no-such.example")
	if err == nil || !strings.Contains(out, "NXDOMAIN") {
		t.Errorf("a name of the outside: %v, %s", err, out)
	}
}

func (c *servicesCase) apiServer(t *testing.T) {
	const user = "system:serviceaccount:default:default"
	// As any client in a pod does, with the pod's environment, token and CA.
	if got := c.in(t, "deployment/client", "kubectl", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"); got != user {
		t.Errorf("by its address: %q", got)
	}
	const account = "/var/run/secrets/kubernetes.io/serviceaccount/"
	script := "kubectl --server https://kubernetes.default.svc --certificate-authority " + account + "ca.crt --token $(busybox cat " +
		account + "token) auth whoami -o jsonpath={.status.userInfo.username}"
	if got := c.in(t, "deployment/client", "busybox", "sh", "-c", script); got != user {
		t.Errorf("by its name: %q", got)
	}
}

// host listens on the address where pods can reach a test.
func (c *servicesCase) host(t *testing.T) {
	l, err := net.Listen("tcp", net.JoinHostPort(c.k.NodeIP, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "host") })}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	if got := c.get(t, "deployment/client", "http://"+l.Addr().String(), ""); got != "host" {
		t.Errorf("the host answers %q", got)
	}
}

func (c *servicesCase) volumes(t *testing.T) {
	if got := c.in(t, "db-0", "busybox", "stat", "-c", "%u:%g", "/data/name"); got != "65532:65532" {
		t.Errorf("the file in the volume is of %s", got)
	}
	if got := c.in(t, "db-0", "busybox", "cat", "/data/starts"); got != "start" {
		t.Errorf("before a restart the volume has %q", got)
	}
	if _, err := c.k.Run(t.Context(), "", "delete", "pod", "db-0"); err != nil {
		t.Fatal(err)
	}
	c.rollout("statefulset/db")
	if got := c.in(t, "db-0", "busybox", "cat", "/data/starts"); got != "start\nstart" {
		t.Errorf("after a restart the volume has %q", got)
	}
	if got := c.in(t, "db-1", "busybox", "cat", "/data/starts"); got != "start" {
		t.Errorf("the other pod's volume has %q", got)
	}
	// A deleted claim takes the volume with it.
	ctx := t.Context()
	for _, args := range [][]string{
		{"delete", "statefulset", "db", "--wait=true"}, {"delete", "pvc", "--all"},
		{"wait", "--for=delete", "pv", "--all", "--timeout=" + withinPods.String()},
	} {
		if _, err := c.k.Run(ctx, "", args...); err != nil {
			t.Fatal(err)
		}
	}
}

// ownRules checks that the machine's firewall has no rules of services: clusters
// would overwrite each other's.
func (c *servicesCase) ownRules(t *testing.T) {
	addresses := fmt.Sprintf("10.202.%d.", c.slot())
	for line := range strings.Lines(c.machineRules()) {
		if strings.Contains(line, addresses) {
			t.Errorf("the machine's firewall has a rule of the cluster's services: %s", line)
		}
	}
}

// nothingLeft checks that nothing that carries the slot's number is left.
func (c *servicesCase) nothingLeft() {
	name, bridge := fmt.Sprintf("fairlead-kube-%d", c.slot()), fmt.Sprintf("flk%d", c.slot())
	for _, path := range []string{"/run/" + name, "/var/lib/" + name, "/run/netns/" + name,
		"/sys/class/net/" + bridge, "/sys/class/net/" + bridge + "s"} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			c.t.Errorf("%s is left after the stop (%v)", path, err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		c.t.Fatal(err)
	}
	for what, text := range map[string]string{"mount": string(mounts), "firewall rule": c.machineRules()} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, name+"/") || strings.Contains(line, bridge+" ") {
				c.t.Errorf("a %s is left after the stop: %s", what, line)
			}
		}
	}
}

// slot is the number in the names of everything that the cluster made.
func (c *servicesCase) slot() (n int) {
	c.t.Helper()
	if _, err := fmt.Sscanf(c.k.NodeIP, "10.201.%d.1", &n); err != nil {
		c.t.Fatalf("node address %s: %v", c.k.NodeIP, err)
	}
	return n
}

func (c *servicesCase) machineRules() string {
	c.t.Helper()
	rules, err := exec.CommandContext(c.t.Context(), "iptables-save").Output()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(rules)
}

const servicesManifest = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{port: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: db-front}
spec:
  selector: {app: db}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: db-zero}
spec:
  selector: {statefulset.kubernetes.io/pod-name: db-0}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      securityContext: {runAsUser: 65532, runAsGroup: 65532, runAsNonRoot: true, fsGroup: 65532}
      containers:
      - name: db
        image: fairlead.test/tools:dev
        imagePullPolicy: Never
        command: [busybox, sh, -c, "busybox hostname > /data/name && echo start >> /data/starts && exec busybox httpd -f -p 8080 -h /data"]
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Mi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: client
        image: fairlead.test/tools:dev
        imagePullPolicy: Never
        command: [busybox, sleep, "86400"]
`
