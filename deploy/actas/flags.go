package actas

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects"
)

// Flags are the flags' values. The zero value is that of a command line without them.
type Flags struct {
	user, uid string
	groups    []string
	extra     []string
}

// Add declares the flags; whose says in the help of --as whose user it is.
func (a *Flags) Add(f *pflag.FlagSet, whose string) {
	f.StringVar(&a.user, "as", "", whose)
	f.StringSliceVar(&a.groups, "as-group", nil, "`group` of that user; can be repeated")
	f.StringVar(&a.uid, "as-uid", "", "`uid` of that user")
	f.StringArrayVar(&a.extra, "as-extra", nil, "`key=value` of that user's extra; can be repeated")
}

// Given reports whether any of the flags is given.
func (a *Flags) Given() bool { return a.user != "" || a.others() }

func (a *Flags) others() bool { return a.uid != "" || len(a.groups) > 0 || len(a.extra) > 0 }

// Identity returns the user; nil: none is given. Its error is a [daemon.UsageError].
func (a *Flags) Identity() (*subjects.Identity, error) {
	switch {
	case a.user == "" && a.others():
		return nil, daemon.Usagef("--as-group, --as-uid and --as-extra are about a user: give --as too")
	case a.user == "":
		return nil, nil
	}
	id := &subjects.Identity{User: a.user, UID: a.uid, Groups: a.groups}
	for _, e := range a.extra {
		key, value, ok := strings.Cut(e, "=")
		if !ok || key == "" {
			return nil, daemon.Usagef("--as-extra: %q is not of the form key=value", e)
		}
		if id.Extra == nil {
			id.Extra = make(map[string][]string)
		}
		key = strings.ToLower(key) // as Kubernetes has it
		id.Extra[key] = append(id.Extra[key], value)
	}
	return id, nil
}
