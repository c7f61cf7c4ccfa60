package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/deploy/reload"
)

const (
	claimsUpdate = "$SYS.REQ.CLAIMS.UPDATE"
	// pushUserLifetime is how long the user lives that is made for one push.
	pushUserLifetime = 5 * time.Minute
	// pushSettle is how long, after an answer, further nodes are waited for:
	// they all got the push at the same time.
	pushSettle = 500 * time.Millisecond
)

// Push sends an account's JWT to the broker at url, which passes it to all
// nodes it is connected to, as "nsc push" does. By default url is the one that
// the operator's JWT names. It returns the names of the nodes that have stored
// it. Nodes that are away learn of it when they are back.
//
// A JWT that the operator does not vouch for is not sent: nodes would store it.
// The nodes' copies are replaced, whichever key signed them: after nsc has taken over
// the keys, only nsc may push.
func (l *Layout) Push(ctx context.Context, url, accountJWT string) (nodes []string, err error) {
	nodes, err = l.push(ctx, url, accountJWT)
	if err != nil {
		return nodes, fmt.Errorf("push account: %w", err)
	}
	return nodes, nil
}

func (l *Layout) push(ctx context.Context, url, accountJWT string) ([]string, error) {
	operator, err := l.Operator()
	if err != nil {
		return nil, err
	}
	claims, err := jwt.DecodeAccountClaims(accountJWT)
	if err != nil {
		return nil, err
	}
	if !AccountSigners(operator)[claims.Issuer] {
		return nil, fmt.Errorf("account %q is not signed by a key of operator %q", claims.Name, operator.Name)
	}
	if url == "" {
		url = operator.AccountServerURL
	}
	conn, err := l.connectSystem(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	defer conn.Close()
	inbox := conn.NewInbox()
	answers, err := conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	if err := conn.PublishRequest(claimsUpdate, inbox, []byte(accountJWT)); err != nil {
		return nil, err
	}
	return collect(ctx, answers)
}

// collect waits for one answer, and then for more until there are none.
func collect(ctx context.Context, answers *nats.Subscription) (nodes []string, err error) {
	for wait := ctx; ; {
		m, next := answers.NextMsgWithContext(wait)
		if next != nil {
			if len(nodes) > 0 && ctx.Err() == nil {
				next = nil // it was only that no more came
			}
			return nodes, errors.Join(err, next)
		}
		node, refused := readAnswer(m.Data)
		if refused != nil {
			err = errors.Join(err, refused)
		}
		nodes = append(nodes, node)
		settle, cancel := context.WithTimeout(ctx, pushSettle)
		defer cancel()
		wait = settle
	}
}

func readAnswer(data []byte) (node string, err error) {
	var answer struct {
		Server struct {
			Name string `json:"name"`
		} `json:"server"`
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return "", fmt.Errorf("answer: %w", err)
	}
	if answer.Error != nil {
		return answer.Server.Name, fmt.Errorf("node %q refused: %s", answer.Server.Name, answer.Error.Description)
	}
	return answer.Server.Name, nil
}

// PushUser is a user of the system account that may push accounts and nothing
// else, for five minutes: see [Layout.MintSystemUser].
func PushUser() *jwt.UserClaims {
	claims := jwt.NewUserClaims("push") // the subject is set when the key is made
	claims.Name = "push"
	claims.Expires = time.Now().Add(pushUserLifetime).Unix()
	claims.Permissions.Pub.Allow.Add(claimsUpdate)
	claims.Permissions.Sub.Allow.Add("_INBOX.>")
	return claims
}

func (l *Layout) connectSystem(ctx context.Context, url string) (*nats.Conn, error) {
	token, user, err := l.MintSystemUser(PushUser())
	if err != nil {
		return nil, err
	}
	defer user.Wipe()
	ca, err := reload.LoadCertPool(l.CAFile(), nil)
	if err != nil {
		return nil, err
	}
	options := []nats.Option{
		nats.Name("fairlead-broker push"),
		nats.NoReconnect(),
		nats.Secure(reload.ClientTLS(ca, nil)),
		nats.UserJWT(func() (string, error) { return token, nil }, user.Sign),
	}
	if deadline, ok := ctx.Deadline(); ok {
		options = append(options, nats.Timeout(time.Until(deadline)))
	}
	return nats.Connect(url, options...)
}
