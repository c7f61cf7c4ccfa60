#!/usr/bin/env bash
# Remove old keys of the bridges: bridge-retire.sh
#
# Removes every signing key of role bridge but the one in bridge.nk from all
# tenants' accounts. At the next push brokers cut the bridges that still use an
# old one.
#
# FAIRLEAD_NSC_DIR is where operator.sh wrote its files, by default the current
# directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 0 ]] || misused "no arguments expected"
need_operator
present=$(bridge_key)
[[ -n $present ]] || die "there is no key for bridges in $dir: operator.sh makes it"
list=$(tenants)
names=()
[[ -z $list ]] || mapfile -t names <<<"$list"
for tenant in "${names[@]}"; do
	role_keys "$tenant" bridge | grep -q " $present " ||
		die "tenant $tenant does not list $present, the key in bridge.nk: bridge-rotate.sh adds it"
done
for tenant in "${names[@]}"; do
	mapfile -t old < <(role_keys "$tenant" bridge | cut -d ' ' -f 2 | grep -vx "$present")
	[[ ${#old[@]} -gt 0 ]] || continue
	next_second "$tenant"
	for key in "${old[@]}"; do edit_account "$tenant" --rm-sk "$key"; done
	say "Removed ${old[*]} from tenant $tenant."
done
say "Notify the brokers: $here/push.sh"
