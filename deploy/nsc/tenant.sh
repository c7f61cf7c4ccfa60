#!/usr/bin/env bash
# Make a tenant: tenant.sh TENANT
#
# Makes the tenant's account, which denies everything by default and lists two
# scoped signing keys: role agent, of its own, and role bridge, the bridges' key.
# Adds the tenant to tenants.yaml, which bridges read. push.sh sends it to
# the brokers. Run again, it adds missing parts, such as what bridges may do since an
# older version: brokers then drop the tenant's bridges, which connect again.
#
# TENANT is a DNS label; "default" is the tenant of clusters written without one.
#
# FAIRLEAD_NSC_DIR is where operator.sh wrote its files, by default the current
# directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 1 ]] || misused "TENANT expected"
tenant=$1
check_name tenant "$tenant"
need_operator
bridge=$(bridge_key)
[[ -n $bridge ]] || die "there is no key for bridges in $dir: operator.sh makes it"

if ! field account -n "$tenant" sub >/dev/null; then
	quietly add account -n "$tenant" -K "$(operator_key)"
	edit_account "$tenant" --deny-pubsub '>' --conns 20000 --leaf-conns 0 \
		--imports 0 --exports 0 --wildcard-exports=false --js-disable
	say "Made tenant $tenant."
else
	next_second "$tenant"
fi
[[ -n $(role_keys "$tenant" agent) ]] || add_agent_role "$tenant" agent
[[ -n $(role_keys "$tenant" bridge) ]] || add_bridge_role "$tenant" bridge "$bridge"
while read -r _ key role; do
	if lacks "$tenant" "$key" WEBSOCKET; then
		next_second "$tenant"
		add_bridge_role "$tenant" "$role" "$key"
		say "Role $role has the rights of today."
	fi
done < <(role_keys "$tenant" bridge)

account=$(field account -n "$tenant" sub)
if ! grep -qs "^$tenant:" "$dir/tenants.yaml"; then
	printf '%s: %s\n' "$tenant" "$account" >>"$dir/tenants.yaml"
	say "Added $tenant to $dir/tenants.yaml."
fi
say "Notify the brokers: $here/push.sh $tenant"
