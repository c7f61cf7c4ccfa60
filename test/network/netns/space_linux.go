package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fairlead-io/fairlead/test/harness"
)

// Prefix begins the name of everything that this package makes.
const Prefix = "flnet-"

// Space is a network namespace. Its methods may be called from any goroutine.
type Space struct{ name string }

// Make makes a namespace whose loopback interface is up, and that resolves no names.
func Make(ctx context.Context, short string) (*Space, error) {
	s := &Space{name: Prefix + short}
	if err := os.MkdirAll(s.etc(""), 0o755); err != nil {
		return nil, fmt.Errorf("make namespace %s: %w", short, err)
	}
	if err := IP(ctx, "netns add "+s.name); err != nil {
		return nil, err
	}
	err := errors.Join(
		s.Sysctl("net.ipv6.conf.all.disable_ipv6", "1"),
		s.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"),
		s.Sysctl("net.ipv4.ip_forward", "0"),
		s.Hosts(nil), s.Resolver(""),
		s.IP(ctx, "link set lo up"),
	)
	if err != nil {
		return nil, errors.Join(err, s.Remove(ctx))
	}
	return s, nil
}

// Name is the name of the namespace for ip netns.
func (s *Space) Name() string { return s.name }

// Remove removes the namespace with its interfaces. Its programs must have ended.
func (s *Space) Remove(ctx context.Context) error {
	return errors.Join(IP(ctx, "netns del "+s.name), os.RemoveAll(s.etc("")))
}

// etc is a file that programs in the namespace see in /etc.
func (s *Space) etc(file string) string { return filepath.Join("/etc/netns", s.name, file) }

// Hosts sets the names that programs find in /etc/hosts, besides localhost. It must be
// called before they start.
func (s *Space) Hosts(addresses map[string]string) error {
	text := "127.0.0.1 localhost\n"
	for name, address := range addresses {
		text += address + " " + name + "\n"
	}
	return os.WriteFile(s.etc("hosts"), []byte(text), 0o644)
}

// Resolver sets the DNS server that programs find in /etc/resolv.conf; "" is for an
// address to which packets leave the namespace by its default route. It must be called
// before they start.
func (s *Space) Resolver(address string) error {
	if address == "" {
		address = nobody
	}
	return os.WriteFile(s.etc("resolv.conf"), []byte("nameserver "+address+"\noptions timeout:1 attempts:1\n"), 0o644)
}

// nobody is an address that no machine has (RFC 5737).
const nobody = "192.0.2.53"

// Sysctl sets a parameter of the kernel in the namespace.
func (s *Space) Sysctl(name, value string) error {
	return s.do(func() error {
		return os.WriteFile("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0)
	})
}

// Spec makes a program run in the namespace, with the namespace's files in /etc.
func (s *Space) Spec(spec harness.Spec) harness.Spec {
	// ip executes the program in its place: the process is the program's.
	spec.Args = append([]string{"netns", "exec", s.name, spec.Path}, spec.Args...)
	spec.Path = "ip"
	return spec
}

// Run runs a program in the namespace to its end and returns its output.
func (s *Space) Run(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", s.name, name}, args...)...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("in %s: %s %s: %w: %s", s.name, name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// IP runs commands of ip in the namespace, one an argument.
func (s *Space) IP(ctx context.Context, commands ...string) error {
	return batch(ctx, commands, "-netns", s.name)
}

// IP runs commands of ip in the machine's own namespace, one an argument.
func IP(ctx context.Context, commands ...string) error { return batch(ctx, commands) }

func batch(ctx context.Context, commands []string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "ip", append(flags, "-batch", "-")...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(commands, "; "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
