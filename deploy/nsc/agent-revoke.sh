#!/usr/bin/env bash
# Revoke a cluster's credentials: agent-revoke.sh TENANT CLUSTER
#                                 agent-revoke.sh TENANT --user KEY
#
# Revokes the cluster's user, and those that it replaced, or the user with the
# public key KEY (U...), and notifies the brokers, which cut the agent's
# connections at once. agent.sh can use the name again. If no broker could be
# notified, the script fails, and only push.sh TENANT is left to do.
#
# FAIRLEAD_NSC_DIR, FAIRLEAD_NSC_PUSH_TIMEOUT, NATS_CA: as for agent.sh, push.sh.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 2 || ($# -eq 3 && $2 = --user) ]] || misused "TENANT CLUSTER or TENANT --user KEY expected"
tenant=$1
if [[ $# -eq 3 ]]; then
	[[ $3 =~ ^U[A-Z2-7]{55}$ ]] || misused "--user '$3' is not a user's public key (U and 55 more characters)"
	need_tenant "$tenant"
	revoke "$tenant" "$3"
	push_account "$tenant" || untold "the credential still works" "$tenant"
	exit 0
fi
cluster=$2
check_name cluster "$cluster"
need_tenant "$tenant"
user=$(field user -a "$tenant" -n "$cluster" sub) ||
	die "nsc keeps no user $cluster of tenant $tenant: if it was revoked and the brokers have not been notified, push.sh $tenant notifies them; --user KEY revokes one by its public key"
file=$(old_file "$tenant" "$cluster")
old=()
[[ ! -s $file ]] || mapfile -t old <"$file"
revoke "$tenant" "$user" "${old[@]}"
told=yes
push_account "$tenant" || told=no
# In either case only the push is left, and agent.sh must not find the user.
quietly delete user -a "$tenant" -n "$cluster" --rm-nkey --rm-creds
rm -f "$file" "$(creds_file "$tenant" "$cluster")"
[[ $told = yes ]] || untold "the credential still works" "$tenant"
