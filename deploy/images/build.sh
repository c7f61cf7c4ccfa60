#!/usr/bin/env bash
# Builds and tags the images from the files that 'make image-binaries' wrote to
# bin/. The Makefile calls it with DOCKER, IMAGE_REPO, ARCHS, HOST_ARCH, VERSION,
# COMMIT and DATE. DOCKER_BUILD_FLAGS are passed to the builder.
#
# The image of the host's architecture has the tags $VERSION and dev. If several
# architectures are built, each image also has the tags $VERSION-$arch and
# dev-$arch, for a manifest list.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The classic builder labels an image from scratch with the engine's own
# architecture, whatever --platform says; an image from another image has the
# architecture of that. So it starts from an image of the right architecture that
# has no files.
classic() { [[ ${DOCKER_BUILDKIT:-} == 0 ]] || { [[ -z ${DOCKER_BUILDKIT:-} ]] && ! $DOCKER buildx version >/dev/null 2>&1; }; }
load_empty() { # NAME ARCH
	local dir
	dir=$(mktemp -d)
	printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}' "$2" >"$dir/config.json"
	printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":[]}]' "$1" >"$dir/manifest.json"
	tar --create --directory "$dir" config.json manifest.json | $DOCKER load --quiet >/dev/null
	rm -r "$dir"
}

version=${VERSION//+/_} # a tag must not contain +
read -ra archs <<<"$ARCHS"
for arch in "${archs[@]}"; do
	base=scratch
	if [[ $arch != "$HOST_ARCH" ]] && classic; then
		base=fairlead-empty:$arch
		load_empty "$base" "$arch"
	fi
	for image in fairlead-agent fairlead-broker fairlead-bridge; do
		name=$IMAGE_REPO/$image
		tags=()
		if [[ $arch == "$HOST_ARCH" ]]; then
			tags+=(--tag "$name:$version" --tag "$name:dev")
		fi
		if [[ $arch != "$HOST_ARCH" ]] || ((${#archs[@]} > 1)); then
			tags+=(--tag "$name:$version-$arch" --tag "$name:dev-$arch")
		fi
		# shellcheck disable=SC2086 # word splitting is intended
		$DOCKER build --quiet ${DOCKER_BUILD_FLAGS:-} --file deploy/images/Dockerfile --target "$image" \
			--platform "linux/$arch" --build-arg "TARGETARCH=$arch" --build-arg "BASE=$base" \
			--build-arg "VERSION=$VERSION" --build-arg "REVISION=$COMMIT" --build-arg "CREATED=$DATE" \
			"${tags[@]}" . >/dev/null
		printf 'built'
		for ((i = 1; i < ${#tags[@]}; i += 2)); do printf ' %s' "${tags[i]}"; done
		printf '\n'
	done
	[[ $base == scratch ]] || $DOCKER rmi "$base" >/dev/null
done
