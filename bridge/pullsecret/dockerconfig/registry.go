package dockerconfig

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// The names of Docker Hub: images say docker.io, its credentials have hubKey.
const (
	hubImages = "docker.io"
	hubHost   = "index.docker.io"
	hubKey    = "https://index.docker.io/v1/"
)

// Registry is a registry, or the part of one below a path, as image names begin. Two of
// them are equal if the kubelet uses them for the same images.
type Registry struct {
	host string // with the port; in lower case
	path string // "", or "/..."
}

// notARegistry are hosts of Docker's web pages, which are often taken for its registry.
var notARegistry = map[string]bool{"docker.com": true, "www.docker.com": true, "hub.docker.com": true}

// Reasons for which [ParseRegistry] refuses a text. None has the text in it.
var (
	errEmpty     = errors.New("none given; want a registry as image names begin with it, such as registry.example.com or docker.io")
	errScheme    = errors.New("has a scheme other than https:// and http://; want the name alone, such as registry.example.com")
	errUser      = errors.New("has an @: neither credentials nor a digest belong here; want the name of the registry alone, such as registry.example.com")
	errCharacter = errors.New("has a character that no registry has; want a host, perhaps with a port and a path, such as registry.example.com:5000/team")
	errHost      = errors.New("is not a host name; want one such as registry.example.com, perhaps with a port and a path")
	errPort      = errors.New("has a port that is not a number from 1 to 65535")
	errBare      = errors.New("is a name without a dot and a port: images that begin with it are Docker Hub's; give the full host name, or the port")
	errWebPage   = errors.New("is a web page and not a registry; for images of Docker Hub give docker.io")
	errIPv6      = errors.New("is an IPv6 address without a port, which the kubelet never finds; give the port")
	errTag       = errors.New("ends with the tag of an image; want the registry, perhaps with a path that names of images begin with")
	errPath      = errors.New("has a path that no name of an image has; want lower-case segments, such as /team/project")
	errWildcard  = errors.New("has a wildcard outside the host, where the kubelet does not read it as one")
	errWide      = errors.New("has a wildcard in the last two parts of the host: any registry whose name a pod writes would be sent the token; want one such as *.registry.example.com")
)

var (
	labelPattern   = regexp.MustCompile(`^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$`)
	segmentPattern = regexp.MustCompile(`^[a-z0-9]+([._-]+[a-z0-9]+)*[._-]*$`)
	ipv6Pattern    = regexp.MustCompile(`^\[[0-9a-f:]+\]$`)
)

// maxRegistry bounds the text of a registry in bytes: a host name has at most 253, and a
// repository 255.
const maxRegistry = 1024

// ParseRegistry reads a registry as people write it: with or without a scheme, with the
// path of the registry's API, in capitals. Its errors do not have the text in them.
func ParseRegistry(text string) (Registry, error) {
	r, err := parseRegistry(text)
	if err == nil && r.wide() {
		return Registry{}, errWide
	}
	return r, err
}

// parseRegistry is [ParseRegistry] and reads wide wildcards too, which stand in secrets
// of others.
func parseRegistry(text string) (Registry, error) {
	rest, err := withoutScheme(text)
	switch {
	case err != nil:
		return Registry{}, err
	case rest == "":
		return Registry{}, errEmpty
	case len(rest) > maxRegistry:
		return Registry{}, errCharacter
	case strings.Contains(rest, "@"):
		return Registry{}, errUser
	case strings.ContainsFunc(rest, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-_:/[]*", c))
	}):
		return Registry{}, errCharacter
	}
	host, path, slash := strings.Cut(rest, "/")
	if slash {
		path = "/" + path
	}
	if host, err = checkHost(strings.ToLower(host)); err != nil {
		return Registry{}, err
	}
	if path, err = checkPath(path); err != nil {
		return Registry{}, err
	}
	if host == hubHost {
		host = hubImages
	}
	return Registry{host: host, path: path}, nil
}

func withoutScheme(text string) (string, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text, nil
	}
	if s := strings.ToLower(scheme); s != "https" && s != "http" {
		return "", errScheme
	}
	return rest, nil
}

func checkHost(host string) (string, error) {
	name, port, hasPort := host, "", false
	if i := strings.LastIndexByte(host, ':'); i >= 0 && i > strings.LastIndexByte(host, ']') {
		name, port, hasPort = host[:i], host[i+1:], true
	}
	if hasPort {
		if strings.Contains(port, "*") {
			return "", errWildcard
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return "", errPort
		}
	}
	if ipv6Pattern.MatchString(name) {
		if _, err := url.Parse("https://" + host); err != nil {
			return "", errHost
		}
		if !hasPort {
			return "", errIPv6
		}
		return host, nil
	}
	for label := range strings.SplitSeq(name, ".") {
		if !labelPattern.MatchString(label) {
			return "", errHost
		}
	}
	switch {
	case len(name) > 253:
		return "", errHost
	case notARegistry[name]:
		return "", errWebPage
	case !hasPort && !strings.Contains(name, ".") && name != "localhost":
		return "", errBare
	}
	return host, nil
}

// checkPath returns the path that names of images have: without that of the registry's
// own API.
func checkPath(path string) (string, error) {
	switch path {
	case "", "/", "/v1", "/v2", "/v1/", "/v2/":
		return "", nil
	}
	if strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/v2/") {
		path = path[3:] // once, as the kubelet does
	}
	if strings.Contains(path, "*") {
		return "", errWildcard
	}
	if strings.Contains(path, ":") {
		return "", errTag
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		if !segmentPattern.MatchString(segment) {
			return "", errPath
		}
	}
	return path, nil
}

// Key is the one spelling under which the registry is written.
func (r Registry) Key() string {
	switch {
	case r.host == hubImages && r.path == "":
		return hubKey
	case strings.HasPrefix(r.path+"/", "/v1/") || strings.HasPrefix(r.path+"/", "/v2/"):
		return r.host + "/v2" + r.path // a repository of that name
	}
	return r.host + r.path
}

// String is the registry as names of images begin.
func (r Registry) String() string { return r.host + r.path }

// wide reports whether hosts of anybody match.
func (r Registry) wide() bool {
	if strings.HasPrefix(r.host, "[") {
		return false
	}
	name, _, _ := strings.Cut(r.host, ":")
	labels := strings.Split(name, ".")
	return strings.Contains(strings.Join(labels[max(0, len(labels)-2):], "."), "*")
}
