package link

import (
	"errors"
	"net/url"
	"slices"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// failures are the failures in err: one for each server, those that are the same once.
func failures(err error) []failure {
	all, ok := errors.AsType[*connectFailures](err)
	if !ok {
		return []failure{{"", natslink.Failure("connect to the broker", err)}}
	}
	var list []failure
	for i, err := range all.errs {
		f := failure{natslink.ShownServer(all.servers[i]), natslink.Failure("connect to the broker", err)}
		if !slices.ContainsFunc(list, f.same) {
			list = append(list, f)
		}
	}
	return list
}

// failure is why a connection to one server was not made or was lost. server is "" for
// what concerns all.
type failure struct {
	server string
	*cause.Failure
}

// same reports whether two failures are the same, at whichever servers.
func (f failure) same(o failure) bool {
	return f.Hop == o.Hop && f.Cause == o.Cause && f.Tried == o.Tried && f.Got == o.Got
}

// unused is the failure of credentials that are not even tried.
func unused(err error) []failure {
	return []failure{{"", natslink.Failure("use the credentials", err)}}
}

// connectFailures says why the connection to each server failed.
type connectFailures struct {
	servers []*url.URL
	errs    []error
}

func (f *connectFailures) Error() string   { return errors.Join(f.errs...).Error() }
func (f *connectFailures) Unwrap() []error { return f.errs }
