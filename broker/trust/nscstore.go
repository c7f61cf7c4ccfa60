package trust

import (
	"fmt"
	"path/filepath"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/broker/keys"
)

// CheckNSCStore judges what nsc keeps of one operator as [Check] judges a
// broker's configuration, before it is pushed. dir is the operator's folder in
// nsc's store; "nsc env" tells where that is. The names of all users that are
// not revoked are judged too, which a broker sees only when they connect.
func CheckNSCStore(dir string) (*Report, error) {
	t := &sources{accounts: map[string]string{}, where: map[string]string{}}
	if err := t.fromNSCStore(dir); err != nil {
		return nil, fmt.Errorf("nsc-store: %w", err)
	}
	return t.judge(), nil
}

// fromNSCStore reads OPERATOR.jwt, accounts/ACCOUNT/ACCOUNT.jwt and
// accounts/ACCOUNT/users/USER.jwt.
func (t *sources) fromNSCStore(dir string) error {
	operators, err := filepath.Glob(filepath.Join(dir, "*.jwt"))
	if err != nil {
		return err
	}
	if len(operators) != 1 {
		return fmt.Errorf("%s is not an operator's folder, like ~/.local/share/nats/nsc/stores/OPERATOR: it holds %d JWTs, not one", dir, len(operators))
	}
	token, err := keys.ReadToken(operators[0])
	if err != nil {
		return err
	}
	operator, err := jwt.DecodeOperatorClaims(token)
	if err != nil {
		return fmt.Errorf("%s: %w", operators[0], err)
	}
	t.operators, t.system = []*jwt.OperatorClaims{operator}, operator.SystemAccount
	accounts, err := filepath.Glob(filepath.Join(dir, "accounts", "*", "*.jwt"))
	if err != nil {
		return err
	}
	for _, f := range accounts {
		token, err := keys.ReadToken(f)
		if err != nil {
			return err
		}
		key := f // of one that cannot be read
		if claims, err := jwt.DecodeAccountClaims(token); err == nil {
			key = claims.Subject
		}
		t.accounts[key], t.where[key] = token, f
	}
	return t.readNSCUsers(dir)
}

func (t *sources) readNSCUsers(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "accounts", "*", "users", "*.jwt"))
	if err != nil {
		return err
	}
	for _, f := range files {
		token, err := keys.ReadToken(f)
		if err != nil {
			return err
		}
		claims, err := jwt.DecodeUserClaims(token)
		t.users = append(t.users, user{file: f, claims: claims, err: err})
	}
	t.fixUser = "nsc delete user -a ACCOUNT -n USER --revoke; nsc add user -a ACCOUNT -K agent -n CLUSTER; nsc push -a ACCOUNT"
	return nil
}
