#!/usr/bin/env bash
# Make another key for the bridges: bridge-rotate.sh
#
# Makes a key, lists it in every tenant's account with role bridge-v2 (then
# bridge-v3 ...), and replaces bridge.nk. Bridges with the old key keep
# working. Then
#
#   push.sh            before any bridge has the new key
#                      give bridge.nk to the bridges and restart them in turn
#   bridge-retire.sh
#   push.sh
#
# Run again after an interruption, it continues; it does nothing while an older
# key is still listed.
#
# FAIRLEAD_NSC_DIR is where files are written, by default the current directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 0 ]] || misused "no arguments expected"
need_operator
list=$(tenants)
[[ -n $list ]] || die "there are no tenants: tenant.sh makes one"
mapfile -t names <<<"$list"
[[ -n $(bridge_key) ]] || die "there is no key for bridges in $dir: operator.sh makes it"
listed=$(for tenant in "${names[@]}"; do role_keys "$tenant" bridge; done | sort -n)
if [[ ! -f $dir/bridge.pub.new ]]; then # otherwise an earlier run was interrupted
	if [[ $(cut -d ' ' -f 2 <<<"$listed" | sort -u | wc -l) -gt 1 ]]; then
		say "Tenants already list an older key in addition to $(bridge_key); bridge-retire.sh removes it."
		exit 0
	fi
	new_key bridge .new
fi
key=$(cat "$dir/bridge.pub.new")
role=$(grep " $key " <<<"$listed" | newest 3) || role=bridge-v$(($(newest 1 <<<"$listed") + 1))
for tenant in "${names[@]}"; do
	role_keys "$tenant" bridge | grep -q " $key " && continue
	next_second "$tenant"
	add_bridge_role "$tenant" "$role" "$key"
done
[[ ! -f $dir/bridge.nk.new ]] || mv "$dir/bridge.nk.new" "$dir/bridge.nk"
mv "$dir/bridge.pub.new" "$dir/bridge.pub"
say "Wrote $dir/bridge.nk with role $role. First notify the brokers: $here/push.sh"
