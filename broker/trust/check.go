package trust

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
)

// Finding is one thing that must be put right before a broker starts.
type Finding struct {
	Where string // a file, or an account in it
	What  string // what is wrong
	Fix   string // what to do about it
}

func (f Finding) String() string { return f.Where + ": " + f.What + ". " + f.Fix }

// FindingsError is why a broker does not start.
type FindingsError struct{ Findings []Finding }

func (e *FindingsError) Error() string {
	lines := make([]string, 0, len(e.Findings))
	for _, f := range e.Findings {
		lines = append(lines, f.String())
	}
	return "refused:\n  " + strings.Join(lines, "\n  ")
}

// What to do about role templates, as nsc takes it. Whatever edits an account
// must say --disallow-bearer again: nsc edit account takes it back otherwise.
var (
	fixAgent = fmt.Sprintf("Make a new role (a change of the old one drops all its users): "+
		"nsc edit signing-key -a ACCOUNT --sk generate --role agent-v2 "+
		"--allow-sub '%s' --deny-sub '%s' --allow-pub '%s' --deny-pub '%s,%s' --conn-type STANDARD,WEBSOCKET --subs %d; "+
		"mint the agents again with -K agent-v2; remove the old key: nsc edit account -n ACCOUNT --rm-sk KEY --disallow-bearer",
		subjects.AgentAllowSub, subjects.AgentDenySub, subjects.AgentAllowPub,
		subjects.AgentDenyPub, subjects.AgentDenyNoResponders, keys.MaxAgentSubs)
	fixBridge = fmt.Sprintf("Make the role again: nsc edit account -n ACCOUNT --rm-sk KEY --disallow-bearer; "+
		"nsc edit signing-key -a ACCOUNT --sk KEY --role bridge "+
		"--allow-pub '%s' --allow-sub '%s,%s' --conn-type IN_PROCESS,STANDARD,WEBSOCKET",
		subjects.BridgeAllowPub, subjects.BridgeAllowSub, subjects.BridgeAllowSubPresence)
)

// Report is what was judged, and what was found.
type Report struct {
	Accounts int // the system account included
	Users    int // whose credentials or JWTs are kept
	// Platform is the name of the account for what bridges share, and PlatformKey its
	// public key; "" if there is none.
	Platform, PlatformKey string

	Findings []Finding
}

// Source is where a broker learns whom to trust: exactly one of Dir and NATSConfig.
type Source struct {
	// Dir is a directory of [keys.Init].
	Dir string
	// NATSConfig is a nats-server configuration file.
	NATSConfig string
	// ResolverDir holds the account JWTs of this node; by default what NATSConfig
	// says, or jwt in Dir.
	ResolverDir string
	// GuardCreds are the credentials of the broker's own user, if there are any.
	GuardCreds string
}

// Check judges what a broker would trust: a missing system account, accounts that
// leave users unconfined, agents whose names are not those of clusters. The order of
// findings is stable. The error is about configuration that cannot be read at all.
func Check(s Source) (*Report, error) {
	t, err := s.read()
	if err != nil {
		return nil, err
	}
	return t.judge(), nil
}

func (t *sources) judge() *Report {
	k := &checker{sources: t, keys: keys.AccountSigners(t.operators...), signers: map[string]signer{}}
	k.judge()
	return &Report{Accounts: len(t.accounts), Users: len(t.users), Platform: k.platform, PlatformKey: k.platformKey, Findings: k.findings}
}

func (k *checker) judge() {
	k.operators()
	k.ways()
	if !k.systemAccount() {
		return // without it, which accounts are tenants is not known
	}
	for _, account := range k.list() {
		k.account(account)
	}
	k.guard()
	for _, u := range k.users {
		k.user(u)
	}
}

type checker struct {
	*sources
	keys    map[string]bool
	signers map[string]signer // of tenants, by public key
	// platform is the name of the account with role store, platformKey its public key.
	platform, platformKey string
	findings              []Finding
}

func (k *checker) add(where, what, fix string) {
	k.findings = append(k.findings, Finding{where, what, fix})
}

// addAccount is add for an account, whose name stands in commands as ACCOUNT.
func (k *checker) addAccount(c *jwt.AccountClaims, what, fix string) {
	where := fmt.Sprintf("account %q (%s)", c.Name, k.where[c.Subject])
	k.add(where, what, fillIn(fix, "ACCOUNT", c.Name))
}

// fillIn puts a name into a command that people will copy, unless the name has a
// meaning for a shell: anyone who can push may have chosen it.
func fillIn(command, placeholder, name string) string {
	if !harmless.MatchString(name) {
		return command
	}
	return strings.ReplaceAll(command, placeholder, name)
}

var harmless = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

func (k *checker) operators() {
	for _, op := range k.sources.operators {
		where := fmt.Sprintf("operator %q", op.Name)
		if !op.StrictSigningKeyUsage {
			k.add(where, "does not require signing keys, so the identity key of any account is an unscoped signing key",
				"nsc reissue operator --convert-to-signing-key; nsc edit operator --require-signing-keys; generate the configuration again")
		}
		if op.Expires != 0 && op.Expires < time.Now().Unix() {
			k.add(where, "has expired", "nsc edit operator --expiry 0; generate the configuration again")
		}
	}
}

// ways finds settings by which others than agents, bridges and nodes come in.
func (k *checker) ways() {
	for _, w := range k.sources.ways {
		fix := "Remove it from the file"
		if strings.EqualFold(w, "gateway") {
			fix += "; --gateways joins regions, with the nodes' certificates verified on both sides"
		}
		k.add("nats-config", "has "+w+", by which messages come in that the roles do not confine", fix)
	}
}

func (k *checker) systemAccount() (known bool) {
	const fix = "With 'fairlead-broker init' it is in jwt/. With nsc make one: nsc add account -n SYS; nsc edit operator --system-account SYS; generate the configuration again"
	switch {
	case k.system == "":
		k.add("operator", "names no system account, without which no account can be pushed", fix)
	case k.accounts[k.system] == "":
		k.add("system account "+k.system, "its JWT is neither in the resolver's directory nor in resolver_preload", fix)
	}
	return k.system != ""
}

func (k *checker) account(key string) {
	where := k.where[key]
	claims, err := jwt.DecodeAccountClaims(k.accounts[key])
	if err != nil {
		k.add(where, "is not an account JWT: "+err.Error(), "Remove the file, and push the account again: nsc push -a ACCOUNT")
		return
	}
	if claims.Subject != key {
		k.add(where, fmt.Sprintf("holds account %q, %s", claims.Name, claims.Subject),
			fillIn("Remove it and push the account again: nsc push -a ACCOUNT", "ACCOUNT", claims.Name))
		return
	}
	if !k.keys[claims.Issuer] {
		k.addAccount(claims, "is signed by "+claims.Issuer+", which the operator does not vouch for",
			"Whoever pushed it used credentials of the system account: replace those, and push the account again: nsc push -a ACCOUNT")
		return
	}
	if key == k.system {
		if claims.Expires != 0 && claims.Expires < time.Now().Unix() {
			k.addAccount(claims, "has expired", "nsc edit account -n SYS --expiry 0; generate the configuration again")
		}
		if claims.Limits.IsJSEnabled() {
			k.addAccount(claims, "has JetStream, which is for the account of the platform alone", "nsc edit account -n SYS --js-disable")
		}
		return
	}
	k.tenant(claims)
}

func (k *checker) tenant(c *jwt.AccountClaims) {
	denied := func(p jwt.Permission) bool { return slices.Contains(p.Deny, ">") }
	if !denied(c.DefaultPermissions.Pub) || !denied(c.DefaultPermissions.Sub) {
		k.addAccount(c, "does not deny everything by default", "nsc edit account -n ACCOUNT --deny-pubsub '>' --disallow-bearer")
	}
	if c.DefaultPermissions.Resp != nil {
		k.addAccount(c, "allows responses by default: whoever sends a message could choose what is published where",
			"nsc edit account -n ACCOUNT --rm-response-perms --disallow-bearer")
	}
	if !c.Limits.DisallowBearer {
		k.addAccount(c, "allows bearer tokens, which whoever sees one can use",
			"nsc edit account -n ACCOUNT --disallow-bearer; say it with every edit of the account, which takes it back otherwise")
	}
	if c.HasExternalAuthorization() {
		k.addAccount(c, "leaves authorization to an external service", "nsc edit authcallout -a ACCOUNT --disable")
	}
	for _, s := range crossings(c) {
		k.addAccount(c, "imports, exports or maps "+s+", which leads messages out of their cluster's subjects",
			"nsc delete import, nsc delete export or nsc delete mapping")
	}
	k.jetStream(c)
	for _, key := range c.SigningKeys.Keys() {
		scope, _ := c.SigningKeys.GetScope(key)
		role, ok := scope.(*jwt.UserScope)
		if !ok {
			k.addAccount(c, "signing key "+key+" is not scoped: whoever has it can mint users without any restriction",
				fillIn("nsc edit account -n ACCOUNT --rm-sk KEY --disallow-bearer", "KEY", key))
			continue
		}
		fix := fixAgent
		switch {
		case isRole(role.Role, subjects.RoleBridge):
			fix = fixBridge
		case isRole(role.Role, subjects.RoleStore):
			fix = fixStore()
		}
		fix = fillIn(fix, "KEY", key)
		if wrong := judgeRole(role); len(wrong) > 0 {
			k.addAccount(c, fmt.Sprintf("role %q: %s", role.Role, strings.Join(wrong, "; ")), fix)
		}
		k.shared(c, key, isRole(role.Role, subjects.RoleBridge))
	}
}

// signer is where a signing key was seen first.
type signer struct {
	account string
	bridge  bool
}

// shared finds a signing key that more than one account lists: whoever has it
// is in all of them. That is what the bridges' key is for, and no other.
func (k *checker) shared(c *jwt.AccountClaims, key string, bridge bool) {
	first, seen := k.signers[key]
	if !seen {
		k.signers[key] = signer{c.Name, bridge}
		return
	}
	if bridge && first.bridge {
		return
	}
	k.addAccount(c, fmt.Sprintf("signing key %s is listed by account %q too: whoever mints in one of them can mint in both", key, first.account),
		fillIn("Give one of the two a key of its own (nsc edit signing-key --sk generate), mint its agents again, and remove this: nsc edit account -n ACCOUNT --rm-sk KEY --disallow-bearer", "KEY", key))
}

// crossings lists the subjects of an account's imports, exports and mappings that
// touch Fairlead's own.
func crossings(c *jwt.AccountClaims) []string {
	var list []string
	for _, e := range c.Exports {
		list = append(list, string(e.Subject))
	}
	for _, i := range c.Imports {
		// Without another name the subject is the same in both accounts, and a
		// stream's old "to" is put before it.
		list = append(list, string(i.Subject), i.GetTo(), string(i.LocalSubject))
		if i.GetTo() != "" && i.IsStream() {
			list = append(list, i.GetTo()+"."+string(i.Subject))
		}
	}
	for from, to := range c.Mappings {
		list = append(list, string(from))
		for _, m := range to {
			list = append(list, string(m.Subject))
		}
	}
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" || !inTree(s) })
	slices.Sort(list)
	return slices.Compact(list)
}
