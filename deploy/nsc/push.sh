#!/usr/bin/env bash
# Send accounts to the running brokers: push.sh [TENANT...]
#
# Checks everything that nsc keeps, as brokers do before they start, and sends
# the accounts of the tenants, or all accounts, to the brokers. PLATFORM in place of
# a tenant is the account of platform.sh. Nothing is sent
# when there is a fault. Pushing again does no harm.
#
# FAIRLEAD_NSC_STORE is the operator's folder in nsc's store, by default the one
# that "nsc env" shows. FAIRLEAD_NSC_PUSH_TIMEOUT is how many seconds each push
# waits for the brokers' answers, by default 2. NATS_CA is a file with the CA of
# the brokers' certificates, by default the system's.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
for tenant in "$@"; do [[ $tenant = "$platform" ]] || need_tenant "$tenant"; done
need_operator
asked=$*
command -v fairlead-broker >/dev/null || die "fairlead-broker is not on PATH: it checks what is pushed"
fairlead-broker check --nsc-store "$(store)" || die "nothing was pushed"
if [[ $# -eq 0 ]]; then
	list=$(accounts)
	names=()
	[[ -z $list ]] || mapfile -t names <<<"$list"
	set -- "$system" "${names[@]}"
fi
failed=()
for account in "$@"; do
	push_account "$account" || failed+=("$account")
done
[[ ${#failed[@]} -eq 0 ]] || die "not pushed: ${failed[*]}. The brokers have NOT been notified, and what was revoked or removed still works: run $here/push.sh${asked:+ $asked} again"
