#!/usr/bin/env bash
# Make the operator: operator.sh URL [NAME]
#
# URL is where nsc reaches a broker: nats://broker.example.com:4222. NAME is the
# operator's, "fairlead" by default. Makes the operator with a signing key, the
# system account SYS, its user guard, and the bridges' key, and writes
#
#   resolver.conf   what every broker is started with (--nats-config)
#   guard.creds     the broker's own user (--guard-creds)
#   bridge.nk       the seed of the bridges' key (--bridge-key)
#
# Run again, it writes missing files, another URL, or a new resolver.conf.
#
# FAIRLEAD_NSC_DIR is where files are written, by default the current directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 1 || $# -eq 2 ]] || misused "URL [NAME] expected"
url=$1
name=${2:-fairlead}
[[ $url =~ ^(nats|ws|wss)://[^/]+ ]] || misused "URL '$url' is not like nats://broker.example.com:4222"
check_name operator "$name"
mkdir -p "$dir"

if ! field operator -n "$name" name >/dev/null; then
	quietly add operator -n "$name" --sys --generate-signing-key
	say "Made operator $name."
fi
quietly env --operator "$name"
use_operator
if [[ $(field operator nats.account_server_url || true) != "$url" || $(field operator nats.strict_signing_key_usage || true) != true ]]; then
	quietly edit operator --require-signing-keys --account-jwt-server-url "$url"
fi
if ! field user -a "$system" -n guard sub >/dev/null; then
	quietly add user -a "$system" -n guard --deny-pub '>' --allow-sub "\$SYS.ACCOUNT.*.CONNECT"
fi
if [[ ! -f $dir/guard.creds ]]; then
	quietly generate creds -a "$system" -n guard -o "$dir/guard.creds"
	say "Wrote $dir/guard.creds."
fi
if [[ ! -f $dir/bridge.nk ]]; then
	key=$(bridge_key)
	if [[ -n $key ]]; then export_key bridge "$key"; else new_key bridge ''; fi
	say "Wrote $dir/bridge.nk."
fi
write_config
