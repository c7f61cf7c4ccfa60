package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// sample is a command with one flag of each kind that the binaries use.
type sample struct {
	servers []string
	name    string
	creds   string
	cas     []string
	drain   time.Duration
	max     int
	verbose bool
	headers map[string]string

	ran bool
	err error
	out bytes.Buffer
}

func (s *sample) command() *cobra.Command {
	cmd := &cobra.Command{
		Use: "fairlead-sample", Short: "Sample", Example: "  fairlead-sample --server a",
		RunE: func(*cobra.Command, []string) error { s.ran = true; return s.err },
	}
	f := cmd.Flags()
	f.StringSliceVar(&s.servers, "server", []string{"default"}, "servers")
	f.StringVar(&s.name, "name", "nobody", "name")
	f.StringVar(&s.creds, "creds", "", "creds `file`")
	f.StringSliceVar(&s.cas, "ca", nil, "ca `files`")
	f.DurationVar(&s.drain, "drain-timeout", time.Second, "drain")
	f.IntVar(&s.max, "max-streams", 7, "max")
	f.BoolVar(&s.verbose, "verbose", false, "verbose")
	f.StringToStringVar(&s.headers, "header", nil, "headers")
	MarkPath(f, "creds", "ca")
	ConfigFlag(f)
	cmd.SetOut(&s.out)
	cmd.SetErr(&s.out)
	return cmd
}

func (s *sample) run(t *testing.T, args ...string) int {
	t.Helper()
	return Main(s.command(), args)
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedenceIsFlagThenEnvironmentThenFileThenDefault(t *testing.T) {
	file := writeFile(t, "c.yaml", "name: file\nmax-streams: 1\ndrain-timeout: 1m\n")
	t.Setenv("FAIRLEAD_NAME", "env")
	t.Setenv("FAIRLEAD_MAX_STREAMS", "2")
	t.Setenv("FAIRLEAD_VERBOSE", "") // empty counts as not set
	var s sample
	if code := s.run(t, "--config", file, "--name", "flag"); code != ExitOK {
		t.Fatalf("exit code %d: %s", code, &s.out)
	}
	if s.name != "flag" || s.max != 2 || s.drain != time.Minute || s.verbose || s.servers[0] != "default" {
		t.Errorf("got name %q (want flag), max %d (want 2, of the environment), drain %s (want 1m, of the file), verbose %v, servers %v",
			s.name, s.max, s.drain, s.verbose, s.servers)
	}
}

func TestFileGivesEveryKind(t *testing.T) {
	file := writeFile(t, "c.yaml", `
server: [tls://a, "tls://b,c"]
name: 123
creds: ../x.creds
ca: [a.crt, /abs.crt]
drain-timeout:
verbose: true
header: {X-A: "1,2", X-B: a=b}
`)
	t.Setenv("FAIRLEAD_CONFIG", file)
	var s sample
	if code := s.run(t); code != ExitOK {
		t.Fatalf("exit code %d: %s", code, &s.out)
	}
	dir := filepath.Dir(file)
	want := sample{
		servers: []string{"tls://a", "tls://b,c"}, name: "123", creds: filepath.Join(dir, "../x.creds"),
		cas: []string{filepath.Join(dir, "a.crt"), "/abs.crt"}, drain: time.Second, max: 7, verbose: true,
		headers: map[string]string{"X-A": "1,2", "X-B": "a=b"},
	}
	s.ran, s.out = false, bytes.Buffer{}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}

func TestListsInTheEnvironment(t *testing.T) {
	t.Setenv("FAIRLEAD_SERVER", "a,b")
	t.Setenv("FAIRLEAD_CREDS", "rel.creds")
	var s sample
	if code := s.run(t); code != ExitOK {
		t.Fatalf("exit code %d: %s", code, &s.out)
	}
	if !reflect.DeepEqual(s.servers, []string{"a", "b"}) || s.creds != "rel.creds" {
		t.Errorf("servers %v, creds %q", s.servers, s.creds)
	}
}

func TestBadConfigurationIsRefusedByName(t *testing.T) {
	for _, test := range []struct {
		name, file string
		args       []string
		env        map[string]string
		want       []string
	}{
		{name: "unknown key", file: "name: a\nmax-steams: 3\n", want: []string{`c.yaml:2: unknown key "max-steams", did you mean "max-streams"?`}},
		{name: "underscore", file: "max_streams: 3\n", want: []string{`did you mean "max-streams"?`}},
		{name: "nothing near", file: "zzzzzzz: 3\n", want: []string{`c.yaml:1: unknown key "zzzzzzz"` + "\n"}},
		{name: "swapped", file: "nmae: 3\n", want: []string{`did you mean "name"?`}},
		{name: "config in config", file: "config: x\n", want: []string{`unknown key "config"`}},
		{name: "help in config", file: "help: true\n", want: []string{`unknown key "help"`}},
		{name: "duplicate", file: "name: a\nname: b\n", want: []string{`c.yaml:2: key "name" was already given in line 1`}},
		{name: "number", file: "\nmax-streams: lots\n", want: []string{`c.yaml:2: max-streams: "lots" is not a valid int`}},
		{name: "duration", file: "drain-timeout: 5\n", want: []string{`drain-timeout: "5" is not a valid duration`}},
		{name: "list for scalar", file: "name: [a]\n", want: []string{`c.yaml:1: name: want string, not a list`}},
		{name: "map for list", file: "server: {a: b}\n", want: []string{`server: want stringSlice, not a mapping`}},
		{name: "map in list", file: "server:\n- a\n- {b: c}\n", want: []string{`server: line 3: want stringSlice, not a mapping`}},
		{name: "scalar for map", file: "header: a=b\n", want: []string{`header: want a mapping, not "a=b"`}},
		{name: "checked though overridden", file: "name: [a]\n", args: []string{"--name=x"}, want: []string{`name: want string, not a list`}},
		{name: "all at once", file: "nam: a\nmax-streams: x\n", env: map[string]string{"FAIRLEAD_DRAIN_TIMEOUT": "soon"},
			want: []string{`did you mean "name"?`, "max-streams:", `environment variable FAIRLEAD_DRAIN_TIMEOUT: "soon" is not a valid duration`}},
		{name: "no mapping", file: "- a\n", want: []string{`c.yaml:1: want "flag-name: value" lines, not a list`}},
		{name: "no YAML", file: "a: b: c\n", want: []string{"c.yaml: yaml:"}},
		{name: "two documents", file: "name: a\n---\nname: b\n", want: []string{"more than one YAML document"}},
		{name: "no such file", args: []string{"--config=/does/not/exist"}, want: []string{"configuration file: open /does/not/exist"}},
		{name: "unknown flag", args: []string{"--nome=x"}, want: []string{"unknown flag: --nome"}},
		{name: "bad flag", args: []string{"--max-streams=x"}, want: []string{"--max-streams"}},
		{name: "unknown command", args: []string{"verison"}, want: []string{`unknown command "verison"`, "version"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := test.args
			if test.file != "" {
				args = append(args, "--config="+writeFile(t, "c.yaml", test.file))
			}
			for k, v := range test.env {
				t.Setenv(k, v)
			}
			var s sample
			if code := s.run(t, args...); code != ExitUsage || s.ran {
				t.Errorf("exit code %d (want %d), ran: %v (want not)", code, ExitUsage, s.ran)
			}
			for _, want := range test.want {
				if !strings.Contains(s.out.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, &s.out)
				}
			}
		})
	}
}

func TestEmptyFileIsFine(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		var s sample
		if code := s.run(t, "--config="+writeFile(t, "c.yaml", text)); code != ExitOK {
			t.Errorf("file %q: exit code %d: %s", text, code, &s.out)
		}
	}
}

func TestHugeFileIsRefused(t *testing.T) {
	var s sample
	if code := s.run(t, "--config="+writeFile(t, "c.yaml", strings.Repeat("#", maxConfig+1))); code != ExitUsage {
		t.Errorf("exit code %d", code)
	}
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, ExitOK},
		{errors.New("broke"), ExitFailure},
		{Usagef("creds: %w", os.ErrNotExist), ExitUsage},
		{Configf("creds: %w", os.ErrNotExist), ExitUsage},
	} {
		s := sample{err: test.err}
		if code := s.run(t); code != test.want || !s.ran {
			t.Errorf("error %v: exit code %d, want %d", test.err, code, test.want)
		}
		if test.err != nil && strings.Count(s.out.String(), test.err.Error()) != 1 {
			t.Errorf("error is not printed once:\n%s", &s.out)
		}
		_, usage := errors.AsType[*UsageError](test.err)
		if helps := strings.Contains(s.out.String(), "--help"); helps != usage {
			t.Errorf("error %v: points to the help: %v, want %v", test.err, helps, usage)
		}
	}
	if err := Usagef("creds: %w", os.ErrNotExist); !errors.Is(err, os.ErrNotExist) {
		t.Error("Usagef hides what it wraps")
	}
	if err := Configf("creds: %w", os.ErrNotExist); !errors.Is(err, os.ErrNotExist) {
		t.Error("Configf hides what it wraps")
	}
}

func TestHelpNamesVariables(t *testing.T) {
	var s sample
	if code := s.run(t, "--help"); code != ExitOK {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{"[$FAIRLEAD_MAX_STREAMS]", "[$FAIRLEAD_CONFIG]", "Examples:", "completion", "version"} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("help lacks %q:\n%s", want, &s.out)
		}
	}
	if strings.Contains(s.out.String(), "FAIRLEAD_HELP") {
		t.Error("help offers FAIRLEAD_HELP")
	}
}

func TestVersionAndCompletion(t *testing.T) {
	var s sample
	if code := s.run(t, "version"); code != ExitOK || !strings.HasPrefix(s.out.String(), "fairlead-sample ") {
		t.Errorf("exit code %d, output %q", code, &s.out)
	}
	s = sample{}
	if code := s.run(t, "completion", "bash"); code != ExitOK || !strings.Contains(s.out.String(), "fairlead-sample") {
		t.Errorf("completion: exit code %d", code)
	}
}

func TestGroupsRefuseWhatTheyDoNotKnow(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", ExitOK, "Available Commands"},
		{"token", ExitOK, "Available Commands"},
		{"token new", ExitOK, ""},
		{"token nwe", ExitUsage, `unknown command "nwe" for "fairlead-sample token", did you mean new?`},
		{"tokne", ExitUsage, `unknown command "tokne" for "fairlead-sample", did you mean token?`},
		{"bogus", ExitUsage, `unknown command "bogus"`},
		{"completion fush", ExitUsage, `did you mean bash or fish or zsh?`},
	} {
		root := &cobra.Command{Use: "fairlead-sample", Args: cobra.NoArgs}
		group := &cobra.Command{Use: "token", Args: cobra.NoArgs}
		group.AddCommand(&cobra.Command{Use: "new", RunE: func(*cobra.Command, []string) error { return nil }})
		root.AddCommand(group)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		if code := Main(root, strings.Fields(test.args)); code != test.code || !strings.Contains(out.String(), test.want) {
			t.Errorf("%q: exit code %d, want %d with %q:\n%s", test.args, code, test.code, test.want, &out)
		}
	}
}

func TestSubcommandsAreBoundToo(t *testing.T) {
	t.Setenv("FAIRLEAD_DIR", "/x")
	root := &cobra.Command{Use: "fairlead-sample"}
	var dir string
	sub := &cobra.Command{Use: "init", RunE: func(*cobra.Command, []string) error { return nil }}
	sub.Flags().StringVar(&dir, "dir", "", "dir")
	_ = sub.MarkFlagRequired("dir") // satisfied by the environment
	root.AddCommand(sub)
	if code := Main(root, []string{"init"}); code != ExitOK || dir != "/x" {
		t.Errorf("exit code %d, dir %q", code, dir)
	}
}

// TestCompletionShowsPlainText: back-ticks in a description are only for help.
func TestCompletionShowsPlainText(t *testing.T) {
	var s sample
	if code := s.run(t, "__complete", "--cre"); code != ExitOK {
		t.Fatalf("exit code %d: %s", code, s.out.String())
	}
	if got := s.out.String(); !strings.Contains(got, "--creds\tcreds file\n") {
		t.Errorf("completion: %q", got)
	}
}

// TestExit: a command with an exit code of its own prints nothing more.
func TestExit(t *testing.T) {
	var out strings.Builder
	root := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return fmt.Errorf("of it: %w", &Exit{Code: 18}) }}
	root.SetErr(&out)
	root.SetOut(&out)
	if code := Main(root, nil); code != 18 || out.String() != "" {
		t.Errorf("exit code %d, output %q", code, out.String())
	}
}
