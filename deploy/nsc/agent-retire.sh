#!/usr/bin/env bash
# Revoke the credentials that agent-rotate.sh replaced: agent-retire.sh TENANT CLUSTER
#
# Revokes the users of the cluster that were replaced and notifies the brokers,
# which at once cut connections that still use them. The present credentials keep
# working. If no broker could be notified, the script fails: run push.sh TENANT, or
# this script again.
#
# FAIRLEAD_NSC_DIR, FAIRLEAD_NSC_PUSH_TIMEOUT, NATS_CA: as for agent.sh, push.sh.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 2 ]] || misused "TENANT CLUSTER expected"
tenant=$1
cluster=$2
check_name cluster "$cluster"
need_tenant "$tenant"
file=$(old_file "$tenant" "$cluster")
if [[ ! -s $file ]]; then
	say "Nothing to revoke: agent-rotate.sh replaced no credentials of cluster $cluster of tenant $tenant."
	exit 0
fi
present=$(field user -a "$tenant" -n "$cluster" sub) || present=none
mapfile -t users < <(grep -vx "$present" "$file")
revoke "$tenant" "${users[@]}"
push_account "$tenant" || untold "the replaced credentials still work" "$tenant"
rm "$file"
