package cause

// The causes.
const (
	UnknownHost        ID = "unknown-host"
	DNSFailed          ID = "dns-failed"
	Refused            ID = "connection-refused"
	Unreachable        ID = "network-unreachable"
	Timeout            ID = "timeout"
	ConnectionLost     ID = "connection-lost"
	CutRegularly       ID = "cut-regularly"
	WentSilent         ID = "went-silent"
	ProxyAuthRequired  ID = "proxy-authentication-required"
	ProxyDenied        ID = "proxy-denied"
	ProxyFailed        ID = "proxy-failed"
	NotAProxy          ID = "not-a-proxy"
	ProxyConfig        ID = "proxy-configuration"
	CertificateUnknown ID = "certificate-unknown"
	CertificateExpired ID = "certificate-expired"
	CertificateName    ID = "certificate-wrong-name"
	CertificateInvalid ID = "certificate-invalid"
	Intercepted        ID = "intercepting-proxy"
	ClientCertificate  ID = "client-certificate-refused"
	LocalFile          ID = "local-file-unusable"
	TLSRefused         ID = "tls-refused"
	NotTLS             ID = "not-tls"
	Redirected         ID = "redirected"
	HTTPOK             ID = "not-a-websocket"
	BadRequest         ID = "http-400"
	HTTPUnauthorized   ID = "http-401"
	HTTPForbidden      ID = "http-403"
	HTTPNotFound       ID = "http-404"
	HTTPTooLarge       ID = "http-413"
	UpgradeRequired    ID = "upgrade-not-passed"
	RateLimited        ID = "rate-limited"
	RateLimitGaveUp    ID = "rate-limit-given-up"
	BadGateway         ID = "gateway-error"
	HTTPStatus         ID = "http-status"
	NotNATS            ID = "not-a-nats-server"
	ProtocolMismatch   ID = "protocol-mismatch"
	AgentTooOld        ID = "agent-too-old"
	BrokerFull         ID = "broker-limit"
	UnknownAccount     ID = "unknown-account"
	AccountExpired     ID = "account-expired"
	AccountFull        ID = "account-limit"
	UserExpired        ID = "user-expired"
	UserNotYetValid    ID = "user-not-yet-valid"
	UserRevoked        ID = "user-revoked"
	WrongAccount       ID = "wrong-account"
	WrongCluster       ID = "wrong-cluster"
	BadCredentials     ID = "credentials-unusable"
	ClockSkew          ID = "clock-skew"
	PermissionMissing  ID = "permission-missing"
	APIServerRefused   ID = "api-server-not-ready"
	APIServerConfig    ID = "api-server-configuration"
	TokenRefused       ID = "token-refused"
	RBACMissing        ID = "rbac-missing"
	Unknown            ID = "unknown"
)

// catalogue is in the order of hops.
var catalogue = []Info{
	{ID: UnknownHost, Hops: []Hop{DNS, Proxy, Kubernetes}, Title: "host name not found",
		Looks: "lookup broker.example.com on 10.96.0.10:53: no such host",
		Means: "The name of the server, or of the proxy, has no address in the DNS that is asked here. Behind a forward proxy names outside are often unknown inside, and only the proxy can resolve them.",
		Do:    "Check the name for typing errors, and resolve it from the same pod or machine. If only a proxy may resolve it, set HTTPS_PROXY, and leave the name out of NO_PROXY."},
	{ID: DNSFailed, Hops: []Hop{DNS, Proxy, Kubernetes}, Title: "DNS does not answer",
		Looks: "lookup broker.example.com on 10.96.0.10:53: i/o timeout, or: server misbehaving",
		Means: "The DNS server cannot be reached, or answers with an error. That says nothing about the name.",
		Do:    "Check /etc/resolv.conf in the pod, the cluster's DNS, and whether a NetworkPolicy permits port 53."},
	{ID: Refused, Hops: []Hop{TCP, Proxy, Kubernetes}, Title: "connection refused",
		Looks: "dial tcp 192.0.2.1:4222: connect: connection refused",
		Means: "The host is there and nothing listens on that port, or a firewall rejects the connection.",
		Do:    "Check the port, whether the server runs, and the firewalls between."},
	{ID: Unreachable, Hops: []Hop{TCP, Proxy, Kubernetes}, Title: "no route to the host",
		Looks: "dial tcp 192.0.2.1:4222: connect: no route to host, or: network is unreachable",
		Means: "There is no route to the address, or a router or firewall on the way says that it is not reachable.",
		Do:    "Check routes and firewalls. If a forward proxy is the only way out, set HTTPS_PROXY."},
	{ID: Timeout, Hops: []Hop{TCP, Proxy, TLS, HTTPUpgrade, NATS, JWT, Kubernetes}, Title: "no answer in time",
		Looks: "dial tcp 192.0.2.1:4222: i/o timeout",
		Means: "Packets are dropped without an answer, which is what most firewalls do, or the other end is stuck.",
		Do:    "Check the firewalls, egress rules and NetworkPolicies between. If a forward proxy is the only way out, set HTTPS_PROXY."},
	{ID: ConnectionLost, Hops: []Hop{TCP, Proxy, TLS, HTTPUpgrade, NATS, JWT, Kubernetes}, Title: "connection closed by the other end",
		Looks: "EOF, or: read tcp 192.0.2.1:443: read: connection reset by peer",
		Means: "The other end, or a device on the way, closed the connection: while it was being made, or one that had been in use. One that had been in use is made again by itself.",
		Do:    "Read the log of the server, and of proxies and firewalls on the way, for this moment."},
	{ID: CutRegularly, Hops: []Hop{NATS}, Title: "cut after the same time again and again",
		Looks: "the last connections were closed after 1m0s each",
		Means: "Connections work, and each is closed after the same time: a proxy, load balancer or firewall on the way has a limit. Pings go out every 5 s, so that it is a limit on silence only if it is shorter than that, and otherwise one on how long a connection lasts.",
		Do:    "Raise that limit. In nginx it is proxy_read_timeout in the location of the broker (deploy/nginx)."},
	{ID: WentSilent, Hops: []Hop{NATS}, Title: "the path went silent",
		Looks: "the broker has not answered for 15 s",
		Means: "A connection that had worked brings nothing any more, not even answers to pings: packets are dropped on the way.",
		Do:    "Nothing, if it comes back by itself, since the agent connects again. If it repeats, look for a firewall or a NAT that forgets idle or long connections."},
	{ID: ProxyAuthRequired, Hops: []Hop{Proxy}, Title: "the proxy wants a login",
		Looks: "407 Proxy Authentication Required",
		Means: "The forward proxy asks for credentials, and got none or others than it accepts.",
		Do:    "Give user and password in a file with --proxy-credentials, or in the proxy's URL. If it asks only for a scheme that is not supported, use a local proxy that knows it, such as cntlm."},
	{ID: ProxyDenied, Hops: []Hop{Proxy}, Title: "the proxy denies the connection",
		Looks: "403 Forbidden, and the proxy's own text",
		Means: "The forward proxy does not let this client connect to that host and port. Many permit CONNECT to port 443 only.",
		Do:    "Have the proxy's owner permit the host and port, or reach the broker as wss:// on port 443."},
	{ID: ProxyFailed, Hops: []Hop{Proxy}, Title: "the proxy does not reach the server",
		Looks: "502 Bad Gateway, or 503 or 504, and the proxy's own text",
		Means: "The forward proxy took the request, and could not connect to the server itself.",
		Do:    "Check from the proxy's side: the name, the port, and its own way out."},
	{ID: NotAProxy, Hops: []Hop{Proxy}, Title: "not a proxy of that kind",
		Looks: "an answer that is neither HTTP nor SOCKS, or none",
		Means: "What answers there does not speak the protocol of the proxy's URL: http, https or socks5.",
		Do:    "Check scheme and port of the proxy's URL. A proxy that speaks plain HTTP has a URL with http://, even for HTTPS_PROXY."},
	{ID: ProxyConfig, Hops: []Hop{Proxy}, Title: "the proxy's settings cannot be used",
		Looks: "read HTTPS_PROXY, or read the credentials for the proxy, and what is wrong with them",
		Means: "The proxy's URL in the environment is malformed, or the file with the credentials or the CA certificates for the proxy is missing or damaged.",
		Do:    "Correct the URL (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY), or the file of --proxy-credentials or --proxy-ca. The files are read at each attempt."},
	{ID: CertificateUnknown, Hops: []Hop{TLS, Proxy, Kubernetes}, Title: "certificate of an unknown authority",
		Looks: "x509: certificate signed by unknown authority, and the chain seen; or: a CA of the same name is known here and has another key",
		Means: "The certificate is signed by a CA that is not trusted here: a private CA whose certificate was not given, one that was made again since, another server than the one that was meant, or a device that inspects TLS.",
		Do:    "Compare the chain and the fingerprint with what the server's owner expects, and give the CA with --ca."},
	{ID: CertificateExpired, Hops: []Hop{TLS, Proxy, Kubernetes}, Title: "certificate expired, or not valid yet",
		Looks: "certificate \"CN=broker.example.com\" has expired on 2026-01-02T15:04:05Z",
		Means: "The server's certificate, or one of its chain, is outside its time of validity by the clock of this machine.",
		Do:    "Renew the certificate. If it looks right, check this machine's clock."},
	{ID: CertificateName, Hops: []Hop{TLS, Proxy, Kubernetes}, Title: "certificate for another name",
		Looks: "x509: certificate is valid for old.example.com, not broker.example.com",
		Means: "The certificate is not for the host that was asked for: the URL has another name than the certificate, or another server answers.",
		Do:    "Use one of the names of the certificate in the URL, have a certificate with this name made, or give the name that it does have with --tls-server-name."},
	{ID: CertificateInvalid, Hops: []Hop{TLS, Proxy, Kubernetes}, Title: "certificate not usable",
		Looks: "x509: certificate specifies an incompatible key usage",
		Means: "The certificate cannot be used for a server, or its chain breaks a rule.",
		Do:    "Have the certificate made again, for server authentication and with a sound chain."},
	{ID: Intercepted, Hops: []Hop{TLS, Proxy, Kubernetes}, Title: "an intercepting proxy",
		Looks: "x509: certificate signed by unknown authority, and a chain that bears the name of the device, or of the proxy on the way",
		Means: "A device on the way breaks up TLS and shows a certificate of its own authority. With TLS that NATS speaks itself (tls://) it cannot work at all.",
		Do:    "Have the broker's host exempted from inspection, which is the better way. Otherwise give the device's CA with --ca, and use wss://."},
	{ID: ClientCertificate, Hops: []Hop{TLS, Proxy, HTTPUpgrade, Kubernetes}, Title: "the client certificate is missing or not accepted",
		Looks: "remote error: tls: certificate required",
		Means: "The server, or a proxy in front of it, wants a client certificate and got none or one that it does not accept.",
		Do:    "Give one with --client-cert and --client-key, and check its issuer and its time of validity."},
	{ID: LocalFile, Hops: []Hop{TLS, Proxy, HTTPUpgrade}, Title: "a file of this program cannot be used",
		Looks: "ca: open /etc/fairlead/ca.crt: no such file or directory",
		Means: "A file that the command line names is missing, unreadable or damaged: CAs, a client certificate, headers, or the login of a proxy.",
		Do:    "Put the file right. It is read again, without a restart."},
	{ID: TLSRefused, Hops: []Hop{TLS, Proxy, Kubernetes}, Title: "TLS cannot be agreed",
		Looks: "remote error: tls: handshake failure, or: protocol version not supported",
		Means: "Both ends speak TLS and have no version or method in common, or the server does not know the name that it is asked for. Fairlead needs TLS 1.2 at least. With TLS 1.2, some servers refuse a missing client certificate in the same way.",
		Do:    "Check the versions and names in the server's TLS settings, and whether it wants a client certificate (--client-cert)."},
	{ID: NotTLS, Hops: []Hop{TLS, Proxy, NATS, Kubernetes}, Title: "the server does not speak TLS",
		Looks: "the server there speaks HTTP without TLS",
		Means: "What answers there speaks another protocol, such as plain HTTP, or NATS with TLS switched off.",
		Do:    "Check scheme and port of the URL: tls:// for a NATS port, wss:// for HTTPS."},
	{ID: Redirected, Hops: []Hop{HTTPUpgrade}, Title: "redirected to another place",
		Looks: "301 Moved Permanently, Location \"https://login.example.com/\"",
		Means: "The web server there sends the request elsewhere, for instance from http to https, to a login page, or to another host. Redirects are not followed, so that credentials go only where they are meant to: only the form of the path with or without a trailing slash is tried.",
		Do:    "Use the address that it names as --server, if it is the broker's, with wss:// for https://."},
	{ID: HTTPOK, Hops: []Hop{HTTPUpgrade}, Title: "a web server, and no WebSocket",
		Looks: "200 OK, and the beginning of the page",
		Means: "A web page was answered where a WebSocket was asked for: wrong host or path, or a proxy that leaves out the upgrade.",
		Do:    "Check the path. In nginx the location of the broker needs the lines of deploy/nginx."},
	{ID: BadRequest, Hops: []Hop{HTTPUpgrade}, Title: "the handshake is refused as malformed (400)",
		Looks: "400 Bad Request",
		Means: "A proxy in front of the broker changes the handshake, mostly by leaving out the headers Upgrade and Connection.",
		Do:    "In nginx the location of the broker needs the lines of deploy/nginx: proxy_http_version 1.1, and the headers Upgrade and Connection."},
	{ID: HTTPUnauthorized, Hops: []Hop{HTTPUpgrade}, Title: "a login in front of the broker (401)",
		Looks: "401 Unauthorized",
		Means: "The broker itself never answers so: a proxy in front of it asks for a login of its own.",
		Do:    "Exempt the path from the login, or send what it wants with --header-file: others can read the values of --header in the list of processes."},
	{ID: HTTPForbidden, Hops: []Hop{HTTPUpgrade}, Title: "forbidden in front of the broker (403)",
		Looks: "403 Forbidden",
		Means: "A proxy, a firewall for web applications, or a list of addresses forbids it.",
		Do:    "Have this client's address and the path permitted, or send what it wants with --header-file."},
	{ID: HTTPNotFound, Hops: []Hop{HTTPUpgrade}, Title: "no such path",
		Looks: "404 Not Found",
		Means: "The web server there has nothing at this path: a typing error, or a location that differs by a trailing slash.",
		Do:    "Compare the path with that of the location in front of the broker."},
	{ID: HTTPTooLarge, Hops: []Hop{HTTPUpgrade}, Title: "too large for the web server",
		Looks: "413 Request Entity Too Large, or 431 Request Header Fields Too Large",
		Means: "The web server in front of the broker refuses the size of the request or of its headers.",
		Do:    "Raise its limits for this path (nginx: client_max_body_size, large_client_header_buffers), or send fewer headers."},
	{ID: UpgradeRequired, Hops: []Hop{HTTPUpgrade}, Title: "the upgrade is not passed on",
		Looks: "426 Upgrade Required, 400 Bad Request of the broker, or 101 without the header Upgrade",
		Means: "A proxy in front of the broker leaves out the headers Upgrade and Connection, which make a request a WebSocket, or removes them from the response. A broker answers a request without them with 400, other servers with 426.",
		Do:    "In nginx the location of the broker needs the lines of deploy/nginx: proxy_http_version 1.1, and the headers Upgrade and Connection. The variable $fairlead_connection in them is defined by upgrade-map.conf, without which nginx does not start."},
	{ID: RateLimited, Hops: []Hop{HTTPUpgrade, TLS}, Title: "too many connections at a time",
		Looks: "429 Too Many Requests, Retry-After \"17\"",
		Means: "The broker, or a proxy in front of it, limits the rate of new connections. The agent waits for as long as it is told, and tries again.",
		Do:    "Nothing, if it is over soon. Otherwise raise the limit, or look for a client that connects again and again."},
	{ID: RateLimitGaveUp, Hops: []Hop{HTTPUpgrade}, Title: "gave up due to rate limit",
		Looks: "429 Too Many Requests, five times in a row",
		Means: "The limit refused as many attempts in a row as are made at once. The agent goes on after a long pause.",
		Do:    "Raise the limit, or look for a client that connects again and again."},
	{ID: BadGateway, Hops: []Hop{HTTPUpgrade}, Title: "the web server in front does not reach the broker",
		Looks: "502 Bad Gateway, or 503 or 504",
		Means: "The web server in front of the broker answers, and its own connection to the broker fails: the broker is down, or address, port or TLS between them are wrong. A 503 can also be a rate limit: nginx's limit_req answers 503 unless limit_req_status 429 is set.",
		Do:    "Read the error log of the web server. Its upstream is the broker's WebSocket port (4223, not 4222), with https:// if that has TLS. If it limits the rate with 503, set limit_req_status 429 and add Retry-After (deploy/nginx)."},
	{ID: HTTPStatus, Hops: []Hop{HTTPUpgrade}, Title: "an unexpected HTTP answer",
		Looks: "any other status",
		Means: "The web server there answers with a status that no broker and hardly a proxy gives.",
		Do:    "Read the answer above, and the log of the web server."},
	{ID: NotNATS, Hops: []Hop{NATS, HTTPUpgrade}, Title: "not a NATS server",
		Looks: "the server there accepts the connection and sends nothing, or begins with something else than INFO",
		Means: "What answers there speaks another protocol.",
		Do:    "Check scheme, host, port and path of the URL: tls:// for a NATS port, wss:// for a WebSocket."},
	{ID: ProtocolMismatch, Hops: []Hop{NATS, HTTPUpgrade}, Title: "the protocols do not fit",
		Looks: "a first line that is too long, or an answer to the login that is none",
		Means: "Both ends are of the right kind and do not understand each other: a server too old or too new, or something on the way that changes what is sent.",
		Do:    "Compare the versions of broker and agent, and look for a device on the way that inspects or changes what is sent."},
	{ID: AgentTooOld, Hops: []Hop{NATS}, Title: "too old for the other end",
		Looks: "the bridge speaks protocol versions 3 to 4, this agent 1 to 2",
		Means: "The bridge speaks only newer versions of the protocol than the agent. It says so in its inventory (lastFailure), and its callers get the error incompatible. The agent stays connected and says nothing, since a bridge sends nothing to an agent that could not read it.",
		Do:    "Upgrade the agent: the oldest version that works is in the release notes."},
	{ID: BrokerFull, Hops: []Hop{NATS}, Title: "the broker is at its limit of connections",
		Looks: "maximum connections exceeded",
		Means: "This broker has as many connections as it may have. The agent tries the other servers too.",
		Do:    "Add brokers, or raise the limit. Then look for clients that connect again and again."},
	{ID: UnknownAccount, Hops: []Hop{JWT}, Title: "the broker does not know the tenant's account",
		Looks: "the broker refuses the tenant's account: it was not pushed there, or has expired, or is not the tenant's, or does not list the bridge's key",
		Means: "A bridge, or its doctor, is refused with the user that it has made for the tenant. Brokers have one answer to whatever they refuse, so that agents of the tenant say wrong-account.",
		Do:    "Push the tenant's account to the brokers ('fairlead-broker push', or 'nsc push'), and compare it with --tenants, and its signing key of role bridge with the key of --bridge-key, of which the doctor shows the public keys: either file may be that of another broker."},
	{ID: AccountExpired, Hops: []Hop{JWT}, Title: "the tenant's account has expired",
		Looks: "Account Authentication Expired",
		Means: "The account's JWT is past its expiry.",
		Do:    "Sign the account again with a later expiry, and push it."},
	{ID: AccountFull, Hops: []Hop{JWT}, Title: "the tenant's account is at its limit",
		Looks: "maximum account active connections exceeded",
		Means: "The account has as many connections as it may have, or is disabled.",
		Do:    "Raise the account's limit, or look for agents that run more often than meant."},
	{ID: UserExpired, Hops: []Hop{JWT}, Title: "the credentials have expired",
		Looks: "credentials of cluster prod expired on 2026-01-02T15:04:05Z",
		Means: "The credentials' JWT is past its expiry.",
		Do:    "Make new credentials, and put them into the same file or Secret: they are read without a restart. If the expiry lies in the future, check the clocks."},
	{ID: UserNotYetValid, Hops: []Hop{JWT}, Title: "the credentials are not valid yet",
		Looks: "credentials of cluster prod are valid from 2026-01-02T15:04:05Z on",
		Means: "The credentials' JWT becomes valid later.",
		Do:    "Wait, or check the clocks of broker and of the machine that made the credentials."},
	{ID: UserRevoked, Hops: []Hop{JWT}, Title: "the credentials were revoked",
		Looks: "credential revoked",
		Means: "The platform has revoked these credentials.",
		Do:    "Make new credentials for this cluster, if it is to be reached again."},
	{ID: WrongAccount, Hops: []Hop{JWT}, Title: "credentials that the broker does not accept",
		Looks: "Authorization Violation, and the account and key of the credentials",
		Means: "The broker refuses the credentials without saying why: they are of an unknown tenant or of another broker, revoked, or signed with a key that was removed.",
		Do:    "Compare the account in the credentials with those of the broker (its tenants.yaml, or 'nsc describe account')."},
	{ID: WrongCluster, Hops: []Hop{JWT}, Title: "credentials of another cluster",
		Looks: "these are for cluster \"other\", not for \"prod\"",
		Means: "The credentials are for another cluster than the one that this agent was told to serve.",
		Do:    "Give the right credentials, or change --cluster."},
	{ID: BadCredentials, Hops: []Hop{JWT}, Title: "the credentials file cannot be used",
		Looks: "open /etc/fairlead/creds/agent.creds: no such file or directory",
		Means: "The file is missing, unreadable, damaged, or not that of an agent.",
		Do:    "Put the credentials into the file. It is read again every second."},
	{ID: ClockSkew, Hops: []Hop{JWT, TLS}, Title: "the clocks differ",
		Looks: "this machine's clock is about 2h0m0s behind that of the API server; credentials of cluster prod are valid from 2026-01-02T15:04:05Z on, which is so by this machine's clock only",
		Means: "A certificate or credentials are out of their time by one of two clocks only: that of this machine, and that of the other end, of a proxy on the way, or of the API server, as the header Date of its responses shows it.",
		Do:    "Set the clock of the machine that is wrong (NTP)."},
	{ID: PermissionMissing, Hops: []Hop{Permission}, Title: "a permission is missing",
		Looks: "Permissions Violation for Subscription to \"down.prod.>\"",
		Means: "The credentials are accepted and do not permit a subject that this role needs: they were signed for another role.",
		Do:    "Make the credentials with the key of the right role."},
	{ID: APIServerRefused, Hops: []Hop{Kubernetes}, Title: "the API server is not ready",
		Looks: "answered 500: etcd failed",
		Means: "The API server answers with an error of its own.",
		Do:    "Look at its /readyz?verbose, and at its log."},
	{ID: APIServerConfig, Hops: []Hop{Kubernetes}, Title: "the settings for the API server cannot be used",
		Looks: "open /etc/fairlead/kubeconfig: no such file or directory, or: the kubeconfig skips TLS verification",
		Means: "The kubeconfig, or the pod's service account, is missing or damaged, or has a setting that is refused: see what came back.",
		Do:    "Check --kubeconfig, or whether the pod has a service account token mounted. Remove a setting that is refused, such as insecure-skip-tls-verify: true, and give certificate-authority instead of that one."},
	{ID: TokenRefused, Hops: []Hop{Kubernetes}, Title: "the API server refuses the agent's credential",
		Looks: "401 Unauthorized",
		Means: "The API server answered 401 to the agent's own token or client certificate.",
		Do:    "Check whether the service account still exists and the token has not expired. In a pod, delete the pod."},
	{ID: RBACMissing, Hops: []Hop{Kubernetes}, Title: "an RBAC rule is missing",
		Looks: "answered 403, and no rule of the agent's own identity has verb impersonate, API group \"\", resource users, name jane",
		Means: "The API server knows the agent, and does not permit it to act as a caller, or to do itself what a caller asks. After a 403 the agent asks the API server which right it lacks, and logs each rule once an hour. What a caller lacks who is impersonated is not the agent's matter, and only the caller is told.",
		Do:    "Add the rule that is named, in the chart by its values under rbac or impersonation."},
	{ID: Unknown, Hops: []Hop{DNS, TCP, Proxy, TLS, HTTPUpgrade, NATS, JWT, Permission, Kubernetes}, Title: "a cause that is not in the catalogue",
		Looks: "the error, word by word",
		Means: "The failure is of no kind that is known.",
		Do:    "Read what came back. If it can be told better, please report it."},
}
