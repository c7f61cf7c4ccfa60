package dockerconfig

// Severity is what a finding means for pods.
type Severity string

// The severities.
const (
	// Fatal is that the kubelet rejects the Secret, or what the finding is about is of no
	// use to it.
	Fatal Severity = "error"
	// Warning is that the kubelet can use it, but something about it surprises people or
	// other programs.
	Warning Severity = "warning"
)

// Finding is something that is wrong with a pull secret. It is a constant: it has nothing of
// the secret in it.
type Finding struct {
	Code     string
	Severity Severity
	// Hint says what is wrong and what to do.
	Hint string
}

var findings []Finding

func fatal(code, hint string) Finding   { return row(Finding{code, Fatal, hint}) }
func warning(code, hint string) Finding { return row(Finding{code, Warning, hint}) }

func row(f Finding) Finding {
	findings = append(findings, f)
	return f
}

// Findings returns all that there are.
func Findings() []Finding { return append([]Finding(nil), findings...) }

// What is wrong with a Secret.
var (
	wrongType = fatal("wrong-type",
		"the type of the Secret is not kubernetes.io/dockerconfigjson, so that the kubelet does not use it; a type cannot be changed: delete the Secret, and put it again")
	legacyType = warning("legacy-type",
		"the Secret has the legacy type kubernetes.io/dockercfg, which the kubelet still reads and many other programs do not; a type cannot be changed: delete the Secret, and put it again")
	wrongKey = fatal("wrong-key",
		"the data of the Secret has no key .dockerconfigjson but another one; put the pull secret again")
	noData = fatal("no-data",
		"the Secret has no data, or nothing under .dockerconfigjson; put the pull secret again")
	doubleEncoded = fatal("double-encoded",
		"the content was encoded as base64 twice: data takes base64 of the JSON, stringData the JSON itself; put the pull secret again")
	notJSON = fatal("not-json",
		"the content is not a JSON object; put the pull secret again with mode=replace")
	authsMissing = fatal("auths-missing",
		`the content has no "auths"; put the pull secret again`)
	authsOutside = fatal("auths-outside",
		`the entries of registries are not within "auths", as in the legacy format; put the pull secret again with mode=replace`)
	authsMalformed = fatal("auths-malformed",
		`"auths" is not a JSON object, for which the kubelet rejects the whole Secret; put the pull secret again with mode=replace`)
	authsEmpty = fatal("auths-empty",
		`"auths" has no entry; put the pull secret again`)
	credentialHelpers = warning("credential-helpers",
		"the content names credential helpers (credHelpers or credsStore), which are programs on somebody's computer: the kubelet ignores them, and the tokens that they keep are not in the Secret")
)

// What is wrong with the key of an entry.
var (
	keyUnreadable = fatal("registry-unreadable",
		"the key of the entry is not a registry, so that no image matches it; it is not shown, as it may be a secret")
	keyBare = fatal("registry-without-domain",
		"the registry is a name without a dot and a port: images that begin with it are Docker Hub's; use the full host name, or give the port")
	keyWebPage = fatal("registry-is-web-page",
		"the registry is a web page of Docker; the key for Docker Hub is https://index.docker.io/v1/")
	keyTag = fatal("registry-is-image",
		"the registry has the tag or digest of an image, so that no image matches it")
	keyPath = fatal("registry-path",
		"the registry has a path that no name of an image has: paths are in lower case")
	keyUser = fatal("registry-with-user",
		"the registry has credentials before its host, as URLs may; they are ignored, and everybody who sees the key sees them: remove the entry, and replace the token")
	keyAPIPath = fatal("registry-api-path",
		"the registry ends with /v1 or /v2 without a slash behind it, which the kubelet takes for the path of an image; remove it")
	keyCapitals = fatal("registry-in-capitals",
		"the registry has capital letters, and is compared with names of images exactly; write it in lower case")
	keyWildcard = fatal("registry-wildcard",
		"the registry has a wildcard in its port or path, where the kubelet does not read it as one")
	keyWide = warning("registry-wildcard-wide",
		"the registry has a wildcard in the last two parts of its host: any registry whose name a pod writes is sent the token")
	keyScheme = warning("registry-with-scheme",
		"the registry begins with https:// or http://, which the kubelet ignores and other programs do not; remove it")
	keySlash = warning("registry-with-slash",
		"the registry ends with a slash or the path of its API, which the kubelet ignores and other programs do not; remove it")
	keyHub = warning("registry-docker-hub",
		"the key that all programs find for Docker Hub is https://index.docker.io/v1/")
	keyHubPath = fatal("registry-docker-hub-path",
		"the registry is a part of Docker Hub by the name index.docker.io, which no image has: with a path it begins with docker.io")
	keyHubHost = warning("registry-docker-hub-host",
		"the registry is a host of Docker Hub that its images are rarely named by: docker.io/... and images without a registry do not match; the key for them is https://index.docker.io/v1/")
	keyTwice = warning("registry-twice",
		"several entries are for the same registry, and the kubelet may use any of them; put the registry again, which replaces them all by one")
)

// What is wrong with the value of an entry.
var (
	entryMalformed = fatal("entry-malformed",
		"the entry is not a JSON object of texts, for which the kubelet rejects the whole Secret; put the registry again")
	authMissing = warning("auth-missing",
		"the entry has no auth; the kubelet makes do with username and password, other programs do not; put the registry again")
	credentialsMissing = fatal("credentials-missing",
		"the entry has neither auth nor username and password; put the registry again")
	authNotBase64 = fatal("auth-not-base64",
		"auth is not base64 as the kubelet decodes it (the standard alphabet, with = if there is any), for which it rejects the whole Secret; put the registry again")
	authDoubleEncoded = fatal("auth-double-encoded",
		"auth was encoded as base64 twice, for which the kubelet rejects the whole Secret; put the registry again")
	authNoColon = fatal("auth-without-colon",
		"auth is not base64 of username:token, for which the kubelet rejects the whole Secret; put the registry again")
	authDisagrees = warning("auth-disagrees",
		"auth has other credentials than username and password: the kubelet uses auth, other programs may use the others; put the registry again")
	usernameMissing = fatal("username-missing",
		"the user name is empty; put the registry again")
	tokenMissing = fatal("token-missing",
		"the token is empty; put the registry again")
	whiteSpace = fatal("white-space",
		"the user name or the token begins or ends with white space, such as the newline of a file (echo without -n); put the registry again without it")
	identityToken = warning("identity-token",
		"the entry has an identitytoken or registrytoken, which the kubelet ignores; it needs a user name and a token")
)
