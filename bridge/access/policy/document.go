package policy

import (
	"errors"
	"log/slog"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Document is an access file as it was read.
type Document struct {
	Config *Config
	root   *yaml.Node // nil: the file is not YAML
}

// Read reads an access file that lies in folder dir, from which the relative paths in it
// start. The faults of its error are those of [strictyaml.Faults], each with its line; the
// document then has what could be decoded. A file without content is refused: an editor
// that empties it before it writes would end everything that runs. {} says nothing on
// purpose.
func Read(b []byte, dir string) (*Document, error) {
	d := &Document{Config: &Config{}}
	var err error
	if d.root, err = strictyaml.Parse(b, d.Config); err == nil && d.root == nil {
		return d, errors.New("the file has no content: write {} for no issuers and no grants")
	}
	for _, f := range d.Config.files() {
		if *f.path != "" && !filepath.IsAbs(*f.path) {
			*f.path = filepath.Join(dir, *f.path)
		}
	}
	return d, err
}

// At gives faults of the file their lines.
func (d *Document) At(faults ...strictyaml.Fault) error {
	if d.root == nil {
		return nil
	}
	return strictyaml.Locate(d.root, strictyaml.In(d.root, faults...))
}

// Check is [Read] that also looks at the files and folders that the access file names,
// as the user that runs this, unless elsewhere says that they are on another machine. It
// makes the parts, without asking anybody.
func Check(b []byte, dir string, elsewhere bool) (*Document, error) {
	d, err := Read(b, dir)
	faults := d.Config.Grants.NeedApprovals(d.Config.Approvals.kept())
	if !elsewhere {
		faults = append(faults, d.Config.fileFaults()...)
	}
	if err = strictyaml.Join(err, d.At(faults...)); err != nil || elsewhere {
		return d, err
	}
	p, err := newPolicy(nil, Shared{}, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return d, err
	}
	defer p.Close()
	p.checks = true
	return d, p.apply(d.Config)
}

// Grants are those of a document without faults, of which nobody has an approval. They
// must be closed.
func (d *Document) Grants() (*grant.Grants, error) {
	return grant.New(grant.Config{Clusters: d.Config.Clusters, Grants: d.Config.Grants, Approvals: nobody{}})
}

// explain adds the lines of files that cannot be used to an error of making the parts.
func (d *Document) explain(err error) error {
	if err == nil {
		return nil
	}
	faults := d.Config.Grants.NeedApprovals(d.Config.Approvals.kept())
	if located := d.At(append(faults, d.Config.fileFaults()...)...); located != nil {
		return located
	}
	return err
}
