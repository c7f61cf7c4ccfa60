package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/access/webhook"
	"github.com/fairlead-io/fairlead/bridge/audit/jetstream"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// named is a file or a folder that the access file names.
type named struct {
	at    []any   // where in the access file
	path  *string // "" for none
	check func(path string) error
}

// files are all that the access file names. Those that it does not name have no path.
func (c *Config) files() []named {
	all := []named{
		{[]any{"approvals", "file"}, &c.Approvals.File, approvalsFile},
		{[]any{"recording", "directory"}, &c.Recording.Directory, writableFolder},
	}
	for i := range c.Authentication.OIDC {
		all = append(all, named{[]any{"authentication", "oidc", i, "certificateAuthority"}, &c.Authentication.OIDC[i].CertificateAuthority, bundle})
	}
	if a := c.Authentication.ClientCertificates; a != nil {
		all = append(all, named{[]any{"authentication", "clientCertificates", "certificateAuthority"}, &a.CertificateAuthority, bundle})
		if a.Forwarded != nil {
			all = append(all, named{[]any{"authentication", "clientCertificates", "forwarded", "proxies", "certificateAuthority"},
				&a.Forwarded.Proxies.CertificateAuthority, bundle})
		}
	}
	if a := c.Authentication.TokenReview; a != nil {
		all = append(all, named{[]any{"authentication", "tokenReview", "kubeconfig"}, &a.Kubeconfig, webhook.CheckKubeconfig})
	}
	if a := c.Authorization.SubjectAccessReview; a != nil {
		all = append(all, named{[]any{"authorization", "subjectAccessReview", "kubeconfig"}, &a.Kubeconfig, webhook.CheckKubeconfig})
	}
	if c.Audit.File != nil {
		all = append(all, named{[]any{"audit", "file", "path"}, &c.Audit.File.Path, writableFile})
	}
	if j := c.Audit.JetStream; j != nil {
		all = append(all,
			named{[]any{"audit", "jetStream", "credentials"}, &j.Credentials, jetstream.CheckCredentials},
			named{[]any{"audit", "jetStream", "certificateAuthority"}, &j.CertificateAuthority, bundle})
	}
	return all
}

// fileFaults are those of the files and folders, for the user that runs this.
func (c *Config) fileFaults() (all []strictyaml.Fault) {
	for _, f := range c.files() {
		if *f.path == "" {
			continue
		}
		if err := f.check(*f.path); err != nil {
			all = append(all, strictyaml.Faultf("%w", plain(*f.path, err)).At(f.at...))
		}
	}
	return all
}

// plain says what is wrong with a file in the words of people.
func plain(path string, err error) error {
	whole, is := errors.AsType[errWhole](err)
	switch {
	case is:
		return whole
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", path)
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%s is a folder, not a file", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the user that runs this (%s) may not read %s", whoami(), path)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func whoami() string { return fmt.Sprintf("id %d", os.Geteuid()) }

// bundle demands a file of CA certificates.
func bundle(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return reload.CheckCertificates(content)
}

// errWhole is an error that says all there is to say.
type errWhole struct{ error }

// writableFolder demands a folder in which files can be made.
func writableFolder(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errWhole{fmt.Errorf("there is no folder %s; it is not created, as a volume that is not mounted must not look like an empty one", path)}
	case err != nil:
		return err
	case !info.IsDir():
		return errWhole{fmt.Errorf("%s is not a folder", path)}
	case !writable(path):
		return errWhole{fmt.Errorf("the user that runs this (%s) may not write to folder %s", whoami(), path)}
	}
	return nil
}

// writableFile demands a file that can be made or replaced.
func writableFile(path string) error {
	if err := writableFolder(filepath.Dir(path)); err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return syscall.EISDIR
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	case !writable(path):
		return errWhole{fmt.Errorf("the user that runs this (%s) may not write to file %s", whoami(), path)}
	}
	return nil
}

func approvalsFile(path string) error {
	if err := writableFile(path); err != nil {
		return err
	}
	return approval.Check(path)
}
