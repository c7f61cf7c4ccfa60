package actas

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestFlags(t *testing.T) {
	for line, want := range map[string]*subjects.Identity{
		"":          nil,
		"--as jane": {User: "jane"},
		"--as jane --as-group a,b --as-group c --as-uid 7 --as-extra Scopes=x=y --as-extra scopes=z": {
			User: "jane", UID: "7", Groups: []string{"a", "b", "c"}, Extra: map[string][]string{"scopes": {"x=y", "z"}}},
	} {
		var a Flags
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		a.Add(f, "`user`")
		if err := f.Parse(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Identity(); err != nil || !reflect.DeepEqual(got, want) || a.Given() != (want != nil) {
			t.Errorf("%s: %+v, %v, want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{"--as-group a", "--as-uid 7", "--as-extra a=b", "--as jane --as-extra a", "--as jane --as-extra =b"} {
		var a Flags
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		a.Add(f, "`user`")
		if err := f.Parse(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Identity(); !isUsage(err) || !a.Given() {
			t.Errorf("%s: %v, want a usage error", line, err)
		}
	}
}

func isUsage(err error) bool {
	_, usage := errors.AsType[*daemon.UsageError](err)
	return usage
}
