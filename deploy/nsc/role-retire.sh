#!/usr/bin/env bash
# Remove old signing keys of role agent: role-retire.sh TENANT [--force]
#
# Removes all signing keys of role agent but the newest from the tenant's
# account. At the next push brokers cut every agent whose credentials an old key
# signed, those that agent-rotate.sh replaced included. Refuses while nsc keeps a
# cluster's user that an old key signed, unless --force is given.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 1 || ($# -eq 2 && $2 = --force) ]] || misused "TENANT [--force] expected"
tenant=$1
need_tenant "$tenant"
mapfile -t old < <(role_keys "$tenant" agent | sed '$d' | cut -d ' ' -f 2)
if [[ ${#old[@]} -eq 0 ]]; then
	say "Nothing to remove: tenant $tenant has one signing key of role agent. role-rotate.sh adds another."
	exit 0
fi
for key in "${old[@]}"; do
	users=$(users_of_key "$tenant" "$key")
	[[ -z $users || $# -eq 2 ]] || die "clusters of tenant $tenant with credentials of the old key: ${users//$'\n'/ }. Replace them (agent-rotate.sh), or cut them (--force)"
done
next_second "$tenant"
for key in "${old[@]}"; do
	edit_account "$tenant" --rm-sk "$key"
	say "Removed $key from tenant $tenant."
done
say "Notify the brokers: $here/push.sh $tenant"
