package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// InitOptions say what [Init] makes. The zero value of everything but Dir is
// the default.
type InitOptions struct {
	// Dir is where everything is written: it must be empty or not exist.
	Dir string
	// Operator is the operator's name, "fairlead" by default.
	Operator string
	// Tenant is the first tenant, [subjects.DefaultTenant] by default.
	Tenant string
	// Cluster is the first cluster, whose agent gets credentials; none by
	// default.
	Cluster string
	// Expires is when the first cluster's credentials expire; never by default.
	Expires time.Time
	// Hosts are the names and addresses, in addition to localhost, by which agents
	// reach the broker and callers the bridge. Messages and configurations use
	// the first.
	Hosts []string
	// ClusterDomain, if not empty, is the domain below which the bridge gives each
	// cluster a host of its own, such as k8s.example.com.
	ClusterDomain string
}

func (o *InitOptions) setDefaults() {
	if o.Operator == "" {
		o.Operator = "fairlead"
	}
	if o.Tenant == "" {
		o.Tenant = subjects.DefaultTenant
	}
}

// Validate names the first option at fault.
func (o InitOptions) Validate() error {
	o.setDefaults()
	if o.Dir == "" {
		return errors.New("dir: must name a directory")
	}
	if err := subjects.CheckName(o.Tenant); err != nil {
		return fmt.Errorf("tenant: %w", err)
	}
	if o.Cluster != "" {
		if err := subjects.CheckName(o.Cluster); err != nil {
			return fmt.Errorf("cluster: %w", err)
		}
	}
	if o.ClusterDomain != "" {
		if err := checkHost("*." + o.ClusterDomain); err != nil || net.ParseIP(o.ClusterDomain) != nil {
			return fmt.Errorf("cluster-domain: %q is not a DNS name such as k8s.example.com", o.ClusterDomain)
		}
	}
	for _, h := range o.Hosts {
		if err := checkHost(h); err != nil {
			return fmt.Errorf("host: %w", err)
		}
	}
	return nil
}

// checkHost accepts what can stand in a certificate: a DNS name, perhaps with
// a wildcard as its first label, or an IP address.
func checkHost(h string) error {
	if net.ParseIP(h) != nil {
		return nil
	}
	labels := strings.Split(h, ".")
	if labels[0] == "*" && len(labels) > 1 {
		labels = labels[1:]
	}
	for _, label := range labels {
		if len(h) > 253 || subjects.CheckName(label) != nil {
			return fmt.Errorf("%q is neither a DNS name nor an IP address", h)
		}
	}
	return nil
}

// Init makes everything that a first installation needs: see [Layout]. It
// refuses a directory that is not empty, and leaves nothing behind when it
// fails.
func Init(o InitOptions) (*Layout, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.setDefaults()
	created, err := emptyDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	l := At(o.Dir)
	if err := l.fill(o); err != nil {
		return nil, errors.Join(fmt.Errorf("init: %w", err), undo(o.Dir, created))
	}
	return l, nil
}

func emptyDir(dir string) (created bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, os.MkdirAll(dir, dirMode)
	case err != nil:
		return false, err
	case len(entries) > 0:
		return false, fmt.Errorf("%s is not empty (it holds %s): name another directory, nothing is overwritten", dir, entries[0].Name())
	}
	return false, os.Chmod(dir, dirMode)
}

func undo(dir string, created bool) error {
	if created {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func (l *Layout) fill(o InitOptions) error {
	if err := l.newOperator(o); err != nil {
		return err
	}
	if err := writeNew(l.TenantsFile(), []byte("# Tenant name: public key of its NATS account.\n"), publicMode); err != nil {
		return fmt.Errorf("tenants: %w", err)
	}
	if _, err := l.AddTenant(o.Tenant); err != nil {
		return err
	}
	platform, _, err := l.AddPlatform()
	if err != nil {
		return err
	}
	if o.Cluster != "" {
		if _, _, err := l.AddCluster(o.Tenant, o.Cluster, o.Expires); err != nil {
			return err
		}
	}
	if err := l.newGuardUser(); err != nil {
		return err
	}
	if err := l.newCA(); err != nil {
		return err
	}
	if _, err := l.IssueServerCertificate(o.certificateHosts()...); err != nil {
		return err
	}
	if err := l.newToken(); err != nil {
		return err
	}
	if err := os.Mkdir(l.StoreDir(), dirMode); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return l.writeConfigs(o, platform)
}

// certificateHosts are what the server certificate is for. A wildcard stands for one
// label (RFC 6125 section 6.4.3), so each tenant needs one of its own below the
// clusters' domain, and the default tenant the domain's.
func (o InitOptions) certificateHosts() []string {
	if o.ClusterDomain == "" {
		return o.Hosts
	}
	hosts := append(slices.Clone(o.Hosts), "*."+o.ClusterDomain)
	if o.Tenant != subjects.DefaultTenant {
		hosts = append(hosts, "*."+o.Tenant+"."+o.ClusterDomain)
	}
	return hosts
}

// host is how others reach this installation.
func (o InitOptions) host() string {
	for _, h := range o.Hosts {
		if !strings.HasPrefix(h, "*.") {
			return h
		}
	}
	return "localhost"
}

// BrokerURL is the URL that agents connect to.
func (o InitOptions) BrokerURL() string {
	return "tls://" + net.JoinHostPort(o.host(), "4222")
}
