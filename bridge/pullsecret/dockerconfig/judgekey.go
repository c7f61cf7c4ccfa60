package dockerconfig

import "strings"

// whyUnreadable are the findings for keys that [ParseRegistry] refuses.
var whyUnreadable = map[error]Finding{
	errBare: keyBare, errWebPage: keyWebPage, errTag: keyTag, errPath: keyPath, errUser: keyUser, errWildcard: keyWildcard,
}

// judgeKey looks at the key of an entry.
func judgeKey(key string) Entry {
	r, err := parseRegistry(key)
	if err != nil {
		found, ok := whyUnreadable[err]
		if !ok {
			found = keyUnreadable
		}
		return Entry{Findings: []Finding{found}}
	}
	e := Entry{Registry: r.String(), Key: key}
	match, ok := kubeletKey(key)
	rest, _ := withoutScheme(key)
	host, _, _ := strings.Cut(rest, "/")
	switch {
	case strings.ToLower(host) != host, !strings.HasPrefix(key, "https://") && !strings.HasPrefix(key, "http://") && rest != key:
		e.Findings = append(e.Findings, keyCapitals)
	case r.host == hubImages && r.path != "" && host == hubHost:
		e.Findings = append(e.Findings, keyHubPath)
	case !ok || !r.matches(match):
		e.Findings = append(e.Findings, keyAPIPath)
	case r.host == hubImages && r.path == "":
		if key != hubKey {
			e.Findings = append(e.Findings, keyHub)
		}
	case rest != key:
		e.Findings = append(e.Findings, keyScheme)
	case key != r.Key():
		e.Findings = append(e.Findings, keySlash)
	}
	if r.wide() {
		e.Findings = append(e.Findings, keyWide)
	}
	if r.host == "registry-1.docker.io" || r.host == "registry.hub.docker.com" {
		e.Findings = append(e.Findings, keyHubHost)
	}
	return e
}

// matches reports whether the kubelet finds images of the registry by the given text.
func (r Registry) matches(match string) bool {
	if r.host == hubImages && r.path == "" {
		return match == hubImages || match == hubHost
	}
	return match == r.host+r.path
}
