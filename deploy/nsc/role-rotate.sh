#!/usr/bin/env bash
# Make another signing key of role agent: role-rotate.sh TENANT
#
# Adds a signing key with role agent-v2 (then agent-v3 ...) to the tenant's
# account. An existing role is never changed: that would drop all its agents.
# Agents of the old key keep working. Then
#
#   push.sh TENANT
#   agent-rotate.sh TENANT CLUSTER   for each cluster, and give the file to its agent
#   role-retire.sh TENANT            when all agents have theirs
#   push.sh TENANT
#
# Run again, it does nothing while an older key is still listed.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 1 ]] || misused "TENANT expected"
tenant=$1
need_tenant "$tenant"
keys=$(role_keys "$tenant" agent)
[[ -n $keys ]] || die "account $tenant has no signing key of role agent: tenant.sh adds it"
if [[ $(wc -l <<<"$keys") -gt 1 ]]; then
	say "Tenant $tenant already has an older role in addition to $(newest 3 <<<"$keys"); role-retire.sh removes it."
	exit 0
fi
role=agent-v$(($(newest 1 <<<"$keys") + 1))
next_second "$tenant"
add_agent_role "$tenant" "$role"
say "Added role $role to tenant $tenant. Notify the brokers: $here/push.sh $tenant"
