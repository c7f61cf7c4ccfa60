package natslink

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

func TestFailure(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{nats.ErrAuthExpired, "jwt user-expired"},
		{nats.ErrAuthRevoked, "jwt user-revoked"},
		{nats.ErrAccountAuthExpired, "jwt account-expired"},
		{nats.ErrMaxAccountConnectionsExceeded, "jwt account-limit"},
		{nats.ErrAuthorization, "jwt wrong-account"},
		{nats.ErrMaxConnectionsExceeded, "nats broker-limit"},
		{nats.ErrPermissionViolation, "permission permission-missing"},
		{nats.ErrSecureConnWanted, "tls not-tls"},
		{nats.ErrStaleConnection, "nats went-silent"},
		{nats.ErrNoInfoReceived, "nats not-a-nats-server"},
		{io.EOF, "nats connection-lost"},
		{errors.New("nats: other"), "nats unknown"},
		{&cause.Failure{Hop: cause.TCP, Cause: cause.Refused}, "tcp connection-refused"},
	} {
		err := fmt.Errorf("connect to broker: %w", test.err)
		f := Failure("connect", err)
		if got := fmt.Sprintf("%s %s", f.Hop, f.Cause); got != test.want || f.Got == "" && f.Err != nil {
			t.Errorf("%v: got %s (%s), want %s", test.err, got, f, test.want)
		}
		if !errors.Is(f, test.err) {
			t.Errorf("%v is not wrapped", test.err)
		}
	}
}
