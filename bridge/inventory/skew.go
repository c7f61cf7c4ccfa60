package inventory

import (
	"fmt"
	"strconv"
	"strings"
)

// maxSkew is how many minor versions an agent and a bridge may be apart: one, whichever is
// older.
const maxSkew = 1

// versionSkew says that an agent's version is too far from the bridge's; "" if it is not, or
// if one of them is not a release.
func versionSkew(agent, bridge string) string {
	a, okA := minorOf(agent)
	b, okB := minorOf(bridge)
	if !okA || !okB || a.major == b.major && max(a.minor, b.minor)-min(a.minor, b.minor) <= maxSkew {
		return ""
	}
	older := "agent"
	if b.major < a.major || b.major == a.major && b.minor < a.minor {
		older = "bridge"
	}
	return fmt.Sprintf("the agent is %s and this bridge %s: they are supported one minor version apart; update the %s", agent, bridge, older)
}

type minorVersion struct{ major, minor int }

// minorOf reads the begin of a version such as v1.4.2 or 1.4.0-rc.1.
func minorOf(version string) (v minorVersion, ok bool) {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, patch, _ := strings.Cut(rest, ".")
	if !startsWithDigit(patch) {
		return v, false
	}
	var errMajor, errMinor error
	v.major, errMajor = strconv.Atoi(major)
	v.minor, errMinor = strconv.Atoi(minor)
	return v, errMajor == nil && errMinor == nil && v.major >= 0 && v.minor >= 0 &&
		(v.major > 0 || v.minor > 0) // v0.0.0-...: built from a commit
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// distributions are what suffixes of Kubernetes versions tell for sure.
var distributions = []struct{ mark, name string }{
	{"-gke.", "gke"}, {"-eks-", "eks"}, {"+k3s", "k3s"}, {"+rke2", "rke2"}, {"+k0s", "k0s"},
}

// distribution is which distribution or service a Kubernetes version is of, "" if the
// version does not tell.
func distribution(kubernetes string) string {
	for _, d := range distributions {
		if strings.Contains(kubernetes, d.mark) {
			return d.name
		}
	}
	return ""
}
