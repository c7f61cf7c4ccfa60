package answer

// Lock is one of the locks that a request to a cluster has to pass. Programs read it
// in an answer to know whom to ask. Under /k8s Kubernetes RBAC, the last lock, answers
// for itself.
type Lock string

// The locks, in the order in which a request passes them.
const (
	LockAuthentication Lock = "authentication" // the caller's credential
	LockGrant          Lock = "grant"          // the grants of the bridge
	LockApproval       Lock = "approval"       // what a grant requires another caller to approve
	LockLimit          Lock = "limit"          // the limits of the bridge's operator
	LockAllowList      Lock = "allow-list"     // what the agent allows: its owner's list, and what the platform has set
	LockRBAC           Lock = "rbac"           // what the cluster allows to the user of the request
)

// Locks returns all locks.
func Locks() []Lock {
	return []Lock{LockAuthentication, LockGrant, LockApproval, LockLimit, LockAllowList, LockRBAC}
}
