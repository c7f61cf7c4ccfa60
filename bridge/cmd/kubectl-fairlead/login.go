package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

// saveTimeout bounds the wait for another process that refreshes the same session.
const saveTimeout = time.Minute

type loginOptions struct {
	login  store.Login
	device bool
	port   int
}

func (p *plugin) loginCommand() *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login --bridge URL [--issuer URL --client-id ID]",
		Short: "Log in at your issuer, with a browser or another device",
		Long: "Log in at your OpenID Connect issuer, with the browser of this computer or, with --device, with that of another one. " +
			"The flags are remembered for the bridge, so the next login needs none of them.",
		Example: "  kubectl fairlead login --bridge https://fairlead.example.com --issuer https://login.example.com --client-id kubectl\n" +
			"  kubectl fairlead login",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.login(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.login.Issuer, "issuer", "", "`URL` of the issuer, as the bridge's access file has it")
	f.StringVar(&o.login.ClientID, "client-id", "", "`ID` of a client at the issuer; one of the bridge's audiences")
	f.StringVar(&o.login.SecretFile, "client-secret-file", "", "`file` with the secret of a client that is not public")
	f.StringVar(&o.login.SecretEnv, "client-secret-env", "", "`name` of the variable of the environment that has the secret, now and at each refresh")
	cmd.MarkFlagsMutuallyExclusive("client-secret-file", "client-secret-env")
	f.StringSliceVar(&o.login.Scopes, "scopes", nil, "`scopes` beside openid (default: those of profile, email, groups and offline_access that the issuer has)")
	f.StringVar(&o.login.IssuerCA, "ca", "", "`file` with the CA certificates of the issuer, beside the system's")
	f.StringVar(&o.login.BridgeCA, "bridge-ca", "", "`file` with the CA certificates of the bridge, beside the system's")
	f.BoolVar(&o.device, "device", false, "show a code to enter at the issuer's page on any device")
	f.IntVar(&o.port, "port", 0, "`port` of http://127.0.0.1:PORT/callback, where the issuer knows one redirect URI only (default: a free one)")
	return cmd
}

func (p *plugin) login(cmd *cobra.Command, o loginOptions) error {
	ctx := cmd.Context()
	bridge, err := p.bridgeURL()
	if err != nil {
		return err
	}
	login, err := p.remembered(cmd, bridge, o.login)
	if err != nil {
		return err
	}
	if _, err := bridgeClient(login.BridgeCA); err != nil { // before anybody takes the trouble
		return err
	}
	idp, err := discover(ctx, login)
	if err != nil {
		return err
	}
	defer idp.Close()
	var tokens *signin.Tokens
	if o.device {
		tokens, err = idp.Device(ctx, p.stderr)
	} else {
		tokens, err = idp.Browser(ctx, signin.Browser{Port: o.port, Open: p.open, Tell: p.stderr})
	}
	if err != nil {
		return err
	}
	session, err := p.keep(ctx, bridge, login, tokens)
	if err != nil {
		return err
	}
	if err := p.greet(ctx, session); err != nil {
		return err
	}
	if tokens.RefreshToken == "" {
		fmt.Fprintf(p.stderr, "The issuer gave no refresh token, so the login ends at %s.\n", tokens.Expires.Local().Format(time.DateTime))
	}
	return nil
}

// remembered fills in what no flag says from the last login to the bridge.
func (p *plugin) remembered(cmd *cobra.Command, bridge string, given store.Login) (store.Login, error) {
	settings, err := p.store.Settings()
	if err != nil {
		return given, err
	}
	login, set := settings.Bridges[bridge], cmd.Flags().Changed
	if set("issuer") {
		login = store.Login{Issuer: given.Issuer, BridgeCA: login.BridgeCA} // the rest was about another one, perhaps
	}
	if set("client-id") && given.ClientID != login.ClientID {
		login.ClientID, login.SecretFile, login.SecretEnv = given.ClientID, "", "" // the secret is the other client's
	}
	if set("client-secret-env") {
		login.SecretFile, login.SecretEnv = "", given.SecretEnv
	}
	if set("client-secret-file") {
		login.SecretEnv = ""
		login.SecretFile, err = absolute(given.SecretFile)
	}
	if set("scopes") {
		login.Scopes = given.Scopes
	}
	if set("ca") && err == nil {
		login.IssuerCA, err = absolute(given.IssuerCA)
	}
	if set("bridge-ca") && err == nil {
		login.BridgeCA, err = absolute(given.BridgeCA)
	}
	if err == nil && (login.Issuer == "" || login.ClientID == "") {
		err = errors.New("the first login to a bridge needs --issuer and --client-id; ask who runs the bridge for them")
	}
	return login, err
}

// absolute makes a file name good for runs in other directories.
func absolute(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	return filepath.Abs(file)
}

// greet says as whom the bridge knows the user. A bridge that cannot be asked may come
// back; one that refuses the token is an error, though the login is kept.
func (p *plugin) greet(ctx context.Context, s *store.Session) error {
	me, err := askAs(ctx, s, whoami)
	if refused, ok := errors.AsType[*refusedError](err); ok && (refused.status == http.StatusUnauthorized || refused.status == http.StatusForbidden) {
		return fmt.Errorf("the issuer logged you in as %s, but the bridge does not accept its token: %w", signin.Printable(s.Subject), err)
	}
	name := s.Subject
	if err == nil {
		name = me.Name
	} else {
		fmt.Fprintf(p.stderr, "warning: the bridge did not confirm the login: %v\n", err)
	}
	fmt.Fprintf(p.stderr, "Logged in to %s as %s.\n", s.Bridge, signin.Printable(name))
	return nil
}

// keep saves a session and the settings that led to it.
func (p *plugin) keep(ctx context.Context, bridge string, login store.Login, t *signin.Tokens) (*store.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	unlock, err := p.store.Lock(ctx, bridge)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s := &store.Session{
		Bridge: bridge, Login: login,
		Subject: t.Subject, IDToken: t.IDToken, RefreshToken: t.RefreshToken, Expires: t.Expires,
	}
	if err := p.store.Save(s); err != nil {
		return nil, err
	}
	return s, p.store.Remember(ctx, bridge, login)
}
