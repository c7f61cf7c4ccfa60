#!/usr/bin/env bash
# Replace a cluster's credentials: agent-rotate.sh TENANT CLUSTER [--expiry WHEN]
#
# Mints another user of the same name with the tenant's newest role agent and
# writes creds/CLUSTER.TENANT.creds. The old credentials keep working: give the
# new ones to the agent, which reloads a changed file by itself, and then run
#
#   agent-retire.sh TENANT CLUSTER
#
# WHEN is as for agent.sh; it is not copied from the old credentials.
#
# FAIRLEAD_NSC_DIR is where files are written, by default the current directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 2 || ($# -eq 4 && $3 = --expiry) ]] || misused "TENANT CLUSTER [--expiry WHEN] expected"
tenant=$1
cluster=$2
expiry=${4:-}
check_name cluster "$cluster"
[[ $# -eq 2 ]] || check_expiry "$expiry"
need_tenant "$tenant"
old=$(field user -a "$tenant" -n "$cluster" sub) || die "cluster $cluster of tenant $tenant has no credentials: agent.sh mints them"
key=$(newest_agent_key "$tenant")

mkdir -p "$dir/creds"
printf '%s\n' "$old" >>"$(old_file "$tenant" "$cluster")"
quietly delete user -a "$tenant" -n "$cluster" --rm-nkey --rm-creds
mint "$tenant" "$cluster" "$key" "$expiry"
say "When the agent has it, revoke $old: $here/agent-retire.sh $tenant $cluster"
