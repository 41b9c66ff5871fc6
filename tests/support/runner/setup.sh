# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by the bash entry points below tests/. Sets `source` (the source tree), and offers
# say, die, require_root, install_packages and build. Works on a Debian 12 that has bash, coreutils and apt only.

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
export MACVTAPD_SOURCE=$source
# Guests of an unprivileged user read what is built here.
umask 022

say() { printf '==> %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

require_root() {
    [ "$(id -u)" = 0 ] || die "must run as root: it makes network namespaces and devices (inside them only)"
}

packages_named() { sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$source/tests/packages"; }

packages_missing() {
    local name
    for name in $(packages_named); do
        case $(dpkg-query -W -f '${Status}' "$name" 2>/dev/null) in
            'install ok installed') ;;
            *) printf '%s\n' "$name" ;;
        esac
    done
}

# Installs what is missing and nothing otherwise, so that a machine that is ready needs no network.
install_packages() {
    local missing
    mapfile -t missing < <(packages_missing)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || die "packages are missing and only root can install them: ${missing[*]}"
    say "installing ${#missing[@]} packages: ${missing[*]}"
    local options=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    apt-get "${options[@]}" update
    DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y --no-install-recommends "${missing[@]}"
}

# build FOLDER [MESON OPTION...]: configures once, then builds.
build() {
    local folder=$1
    shift
    if [ ! -f "$folder/build.ninja" ]; then
        say "configuring $folder"
        meson setup "$folder" "$source" "$@" || return
    fi
    say "building $folder"
    ninja -C "$folder"
}
