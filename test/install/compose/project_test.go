package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/install/compose/substitute"
)

// composes are the compose commands of this machine, the newer first.
func composes(ctx context.Context) [][]string {
	var found [][]string
	for _, c := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.CommandContext(ctx, c[0], append(c[1:], "version")...).Run() == nil {
			found = append(found, c)
		}
	}
	return found
}

// project is docker-compose.yml under a name of its own.
type project struct {
	whole      *testing.T
	t          *testing.T // of the running part
	root       string
	command    []string
	name       string
	port       int // of nginx
	prometheus int
	env        []string
}

// newProject makes a project that is taken down when the test ends.
func newProject(t *testing.T) *project {
	t.Helper()
	root, env := repository(t), engine(t)
	commands := composes(t.Context())
	if len(commands) == 0 {
		missing(t, "neither 'docker compose' nor docker-compose is here: apt-get install docker-compose")
	}
	p := &project{whole: t, t: t, root: root, command: commands[0], name: "fairlead-test-" + strconv.Itoa(os.Getpid()),
		port: freeport.For(t), prometheus: freeport.For(t)}
	makeImages(t, env)
	env, err := substitute.Env(t.Context(), env)
	if err != nil {
		missing(t, "%v", err)
	}
	p.env = append(env, "COMPOSE_PROJECT_NAME="+p.name, "FAIRLEAD_PORT="+strconv.Itoa(p.port), "PROMETHEUS_PORT="+strconv.Itoa(p.prometheus))
	t.Logf("project %s by %s", p.name, strings.Join(p.command, " "))
	t.Cleanup(p.down)
	return p
}

// makeImages builds what the file names, as its document says: Go's cache and
// that of test/kube leave little to do a second time.
func makeImages(t *testing.T, env []string) {
	t.Helper()
	began := time.Now()
	if err := harness.Make(t.Context(), env, "compose-images"); err != nil {
		t.Fatal(err)
	}
	t.Logf("images are built, %.0f s", time.Since(began).Seconds())
}

// tryCompose runs compose with the file, and returns its error.
func (p *project) tryCompose(ctx context.Context, args ...string) (string, error) {
	all := slices.Concat(p.command[1:], []string{"--project-directory", p.root, "--file", filepath.Join(p.root, "docker-compose.yml")}, args)
	return output(ctx, p.env, p.command[0], all...)
}

// compose runs a command that must succeed within a bound.
func (p *project) compose(within time.Duration, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), within)
	defer cancel()
	out, err := p.tryCompose(ctx, args...)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.logs())
	}
	return out
}

func (p *project) docker(args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	out, err := output(ctx, p.env, "docker", args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// container is the id of a service's container, running or not.
func (p *project) container(service string) string {
	p.t.Helper()
	id := p.docker("ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project="+p.name,
		"--filter", "label=com.docker.compose.service="+service, "--filter", "label=com.docker.compose.oneoff=False")
	if id == "" || strings.Contains(id, "\n") {
		p.t.Fatalf("service %s: want one container, have %q", service, id)
	}
	return id
}

// state is the engine's description of a container.
type state struct {
	RestartCount int
	State        struct {
		Status   string
		ExitCode int
		Health   *struct {
			Status string
			Log    []struct{ Output string }
		}
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress string }
	}
	Mounts []struct{ Name, Destination string }
}

func (p *project) inspect(service string) state {
	p.t.Helper()
	var all []state
	if err := json.Unmarshal([]byte(p.docker("inspect", p.container(service))), &all); err != nil || len(all) != 1 {
		p.t.Fatalf("inspect %s: %v, %d containers", service, err, len(all))
	}
	return all[0]
}

// health is a container's status and what its last check printed.
func (s state) health() (status, said string) {
	if s.State.Health == nil {
		return "", ""
	}
	if n := len(s.State.Health.Log); n > 0 {
		said = s.State.Health.Log[n-1].Output
	}
	return s.State.Health.Status, said
}

func (p *project) network(name string) string { return p.name + "_" + name }

// awaitHealth waits until a container's own health check has a result.
func (p *project) awaitHealth(service, want, said string, within time.Duration) {
	p.t.Helper()
	err := harness.Until(p.t.Context(), service+" to be "+want, within, nil, func(context.Context) error {
		status, last := p.inspect(service).health()
		if status != want || !strings.Contains(last, said) {
			return fmt.Errorf("it is %q and says %q", status, last)
		}
		return nil
	})
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.logs())
	}
}

// cleanup runs f when the whole test ends, before the project is taken down.
func (p *project) cleanup(f func()) { p.whole.Cleanup(f) }

// down takes the project down and checks that nothing is left of it.
func (p *project) down() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if p.t.Failed() {
		p.t.Log(p.logs())
	}
	if _, err := p.tryCompose(ctx, "--profile", "monitoring", "--profile", "admin", "down", "--volumes", "--remove-orphans"); err != nil {
		p.t.Error(err)
	}
	label := "label=com.docker.compose.project=" + p.name
	for _, list := range [][]string{{"ps", "--all"}, {"volume", "ls"}, {"network", "ls"}} {
		left, err := output(ctx, p.env, "docker", append(list, "--quiet", "--filter", label)...)
		if err != nil || left != "" {
			p.t.Errorf("after down: docker %s: %q, %v", strings.Join(list, " "), left, err)
		}
	}
}

// logs are the last lines of every service, for the report of a failure.
func (p *project) logs() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ps, _ := p.tryCompose(ctx, "--profile", "monitoring", "ps", "--all")
	if p.command[0] == "docker-compose" {
		ps, _ = p.tryCompose(ctx, "--profile", "monitoring", "ps")
	}
	logs, _ := p.tryCompose(ctx, "--profile", "monitoring", "logs", "--tail=15", "--no-color")
	return ps + "\n" + logs
}
