package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
)

// ErrSignedElsewhere is wrapped by errors about an account whose present JWT was
// not made in this directory. Whoever made it, nsc after a takeover, keeps a
// copy of its own and will push that again: changes made here would be lost, and
// changes made there are lost when this directory's copy is pushed.
var ErrSignedElsewhere = errors.New("was last signed elsewhere")

// issuedFile lists the ids of the JWTs that this directory made of an account,
// a line each.
func (l *Layout) issuedFile(account string) string { return filepath.Join(l.dir, "issued", account) }

// noteIssued adds a JWT to the list, before it is used.
func (l *Layout) noteIssued(claims *jwt.AccountClaims) error {
	file := l.issuedFile(claims.Subject)
	if err := os.MkdirAll(filepath.Dir(file), dirMode); err != nil {
		return err
	}
	ids := claims.ID + "\n"
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		// A directory of an older version: what it has now was made here too, and
		// is what running brokers have.
		if present, err := readToken(l.accountFile(claims.Subject)); err == nil {
			if before, err := jwt.DecodeAccountClaims(present); err == nil {
				ids = before.ID + "\n" + ids
			}
		}
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, secretMode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(ids)
	return errors.Join(err, f.Close())
}

// checkIssued says if a JWT of an account was not made here. A directory
// without a list knows nothing about its accounts.
func (l *Layout) checkIssued(where, accountJWT string) error {
	claims, err := jwt.DecodeAccountClaims(accountJWT)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	list, err := os.ReadFile(l.issuedFile(claims.Subject))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for id := range strings.Lines(string(list)) {
		if strings.TrimSpace(id) == claims.ID {
			return nil
		}
	}
	operator, err := l.Operator()
	if err != nil {
		return err
	}
	by := ""
	if !(&trust{operators: []*jwt.OperatorClaims{operator}}).keys()[claims.Issuer] {
		// A key that nsc has added since, or somebody with a user of the system
		// account: it cannot be told from here.
		by = fmt.Sprintf(" by %s, which %s does not list", claims.Issuer, l.OperatorFile())
	}
	return fmt.Errorf("account %q %s %w, at %s%s: go on with the tool that did (nsc, after a takeover)",
		claims.Name, where, ErrSignedElsewhere, time.Unix(claims.IssuedAt, 0).UTC().Format(time.RFC3339), by)
}

// CheckOwn is an error that wraps [ErrSignedElsewhere] when the resolver's
// directory has an account of a tenant, or with "" of any, that was not made
// here.
func (l *Layout) CheckOwn(tenant string) error {
	tenants, err := l.Tenants()
	if err != nil {
		return err
	}
	for name, account := range tenants {
		if tenant != "" && name != tenant {
			continue
		}
		token, err := readToken(l.accountFile(account))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("account of tenant %q: %w", name, err)
		}
		if err := l.checkIssued("in "+l.ResolverDir(), token); err != nil {
			return err
		}
	}
	return nil
}

// accountLookup asks every node for the JWT that it has of an account.
const accountLookup = "$SYS.REQ.ACCOUNT.%s.CLAIMS.LOOKUP"

// checkBrokers says if a running broker has a JWT of an account that was not
// made here.
func (l *Layout) checkBrokers(ctx context.Context, conn *nats.Conn, account string) error {
	inbox := conn.NewInbox()
	answers, err := conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := conn.PublishRequest(fmt.Sprintf(accountLookup, account), inbox, nil); err != nil {
		return err
	}
	for wait := ctx; ; {
		m, err := answers.NextMsgWithContext(wait)
		if err != nil {
			if wait != ctx && ctx.Err() == nil {
				return nil // it was only that no more came
			}
			return fmt.Errorf("ask for the present account: %w", err)
		}
		if len(m.Data) > 0 { // empty from a node that does not have it
			if err := l.checkIssued("on the brokers", string(m.Data)); err != nil {
				return err
			}
		}
		settle, cancel := context.WithTimeout(ctx, pushSettle)
		defer cancel()
		wait = settle
	}
}
