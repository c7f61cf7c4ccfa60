package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestLikeProcess1: own arguments count before those of the daemon in the container, and
// these before the environment.
func TestLikeProcess1(t *testing.T) {
	before := commandLine1
	t.Cleanup(func() { commandLine1 = before })
	commandLine1 = filepath.Join(t.TempDir(), "cmdline")
	t.Setenv("FAIRLEAD_CA", "of-environment")
	t.Setenv("FAIRLEAD_CREDS", "of-environment")
	for _, c := range []struct{ process1, args, want string }{
		{"/x --server=a --server b,c --creds of-process-1 --bare --unknown=1", "doctor", "[a b c] of-process-1 of-environment true"},
		{"/bin/x --server=a", "doctor --server=mine --creds=mine", "[mine] mine of-environment false"},
		{"/x", "doctor", "[] of-environment of-environment false"},
		{"/pause --server=a", "doctor", "[] of-environment of-environment false"},
		{"/x check --server=a", "doctor", "[] of-environment of-environment false"},
		{"/x --server=a", "other", "[] of-environment of-environment false"},
		{"", "doctor", "[] of-environment of-environment false"},
	} {
		cmdline := strings.ReplaceAll(c.process1, " ", "\x00") + "\x00"
		if err := os.WriteFile(commandLine1, []byte(cmdline), 0o600); err != nil {
			t.Fatal(err)
		}
		got := ""
		root := &cobra.Command{Use: "x"}
		for _, name := range []string{"doctor", "other"} {
			var servers []string
			var creds, ca string
			var bare bool
			cmd := &cobra.Command{Use: name, RunE: func(*cobra.Command, []string) error {
				got = fmt.Sprintf("%v %s %s %t", servers, creds, ca, bare)
				return nil
			}}
			cmd.Flags().StringSliceVar(&servers, "server", nil, "")
			cmd.Flags().StringVar(&creds, "creds", "", "")
			cmd.Flags().StringVar(&ca, "ca", "", "")
			cmd.Flags().BoolVar(&bare, "bare", false, "")
			if name == "doctor" {
				LikeProcess1(cmd)
			}
			root.AddCommand(cmd)
		}
		if code := Main(root, strings.Fields(c.args)); code != ExitOK || got != c.want {
			t.Errorf("%s in the container of %q: exit code %d, %s; want %s", c.args, c.process1, code, got, c.want)
		}
	}
}
