package daemon

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

const (
	configFlag       = "config"
	pathAnnotation   = "fairlead_path"
	partlyAnnotation = "fairlead_partly"
)

// EnvName returns the environment variable that gives a flag.
func EnvName(flag string) string {
	return "FAIRLEAD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// ConfigFlag declares --config: the command then reads a YAML file, as the
// package comment says.
func ConfigFlag(fs *pflag.FlagSet) {
	fs.String(configFlag, "", "YAML `file` with values for these flags")
}

// readPartly says that the configuration file belongs to another command. Keys
// that are not flags of this one are ignored; that command checks them.
func readPartly(fs *pflag.FlagSet) {
	if err := fs.SetAnnotation(configFlag, partlyAnnotation, []string{"true"}); err != nil {
		panic(err)
	}
}

// MarkPath says that flags hold paths of files or directories: relative ones
// in a configuration file are relative to that file's folder. It panics when
// a flag has not been declared.
func MarkPath(fs *pflag.FlagSet, flags ...string) {
	for _, name := range flags {
		if err := fs.SetAnnotation(name, pathAnnotation, []string{"true"}); err != nil {
			panic(err)
		}
	}
}

// bindable reports whether f is configuration, rather than a request for help.
func bindable(f *pflag.Flag) bool { return f.Name != "help" && f.Name != "version" }

// bind gives each flag that the command line did not set its value from the
// environment or the configuration file. It reports every fault, not only the
// first, so that one start shows them all.
func bind(fs *pflag.FlagSet) error {
	var errs []error
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Changed || !bindable(f) {
			return
		}
		if err := fromEnv(fs, f); err != nil {
			errs = append(errs, err)
		}
	})
	if f := fs.Lookup(configFlag); f != nil && f.Value.String() != "" {
		errs = append(errs, fromFile(fs, f.Value.String())...)
	}
	if len(errs) == 0 {
		return nil
	}
	return &UsageError{errors.Join(errs...)}
}

func fromEnv(fs *pflag.FlagSet, f *pflag.Flag) error {
	env := EnvName(f.Name)
	v := os.Getenv(env)
	if v == "" {
		return nil
	}
	if err := f.Value.Set(v); err != nil {
		return fmt.Errorf("environment variable %s: %q is not a valid %s: %w", env, v, f.Value.Type(), err)
	}
	f.Changed = true
	return nil
}
