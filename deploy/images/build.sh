#!/usr/bin/env bash
# Builds and tags the images from what 'make image-binaries' left in bin/. The
# Makefile calls it with DOCKER, IMAGE_REPO, ARCHS, HOST_ARCH, VERSION, COMMIT
# and DATE; DOCKER_BUILD_FLAGS are handed on to the builder.
#
# The host's architecture has the tags $VERSION and dev. Where several are
# built, each has $VERSION-$arch and dev-$arch too, for a manifest list.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! $DOCKER version >/dev/null 2>&1; then
	echo "images: no container engine answers '$DOCKER version': start one ('make docker-engine' where dockerd is" \
		"installed, as root), or name another client, such as DOCKER=podman" >&2
	exit 1
fi

version=${VERSION//+/_} # a tag has no +
read -ra archs <<<"$ARCHS"
for arch in "${archs[@]}"; do
	for image in fairlead-agent fairlead-broker fairlead-bridge; do
		name=$IMAGE_REPO/$image
		tags=()
		if [[ $arch == "$HOST_ARCH" ]]; then
			tags+=(--tag "$name:$version" --tag "$name:dev")
		fi
		if [[ $arch != "$HOST_ARCH" ]] || ((${#archs[@]} > 1)); then
			tags+=(--tag "$name:$version-$arch" --tag "$name:dev-$arch")
		fi
		# shellcheck disable=SC2086 # words are meant
		$DOCKER build --quiet ${DOCKER_BUILD_FLAGS:-} --file deploy/images/Dockerfile --target "$image" \
			--platform "linux/$arch" --build-arg "TARGETARCH=$arch" \
			--build-arg "VERSION=$VERSION" --build-arg "REVISION=$COMMIT" --build-arg "CREATED=$DATE" \
			"${tags[@]}" . >/dev/null
		printf 'built'
		for ((i = 1; i < ${#tags[@]}; i += 2)); do printf ' %s' "${tags[i]}"; done
		printf '\n'
	done
done
