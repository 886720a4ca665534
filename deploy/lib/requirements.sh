# shellcheck shell=bash
# What must be on the machine: Swift, which we do not install, and Debian packages, which we do.

# Needed to build and to run the demo and the tests.
packages=(
    libmosquitto-dev libcurl4-openssl-dev libssl-dev libsqlite3-dev pkg-config git ca-certificates
    mosquitto mosquitto-clients openssl curl jq python3-venv
)

need_swift() {
    local version
    if ! command -v swift >/dev/null; then
        fail "Swift is missing. Sallyport needs Swift 6.2 or newer: see https://www.swift.org/install/linux/ (with" \
            "swiftly: 'swiftly install latest'), then run this again."
    fi
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1 || true)
    if [[ ! $version =~ ^[0-9]+\.[0-9]+$ ]]; then
        fail "'swift --version' does not say which version it is. Sallyport needs Swift 6.2 or newer: see" \
            "https://www.swift.org/install/linux/"
    fi
    if ((${version%%.*} < 6 || (${version%%.*} == 6 && ${version##*.} < 2))); then
        fail "Swift $version is too old. Sallyport needs Swift 6.2 or newer: see https://www.swift.org/install/linux/" \
            "(with swiftly: 'swiftly install latest'), then run this again."
    fi
}

# Installs what is missing of `packages`; asks for nothing when nothing is.
need_packages() {
    local package missing=() privileged=()
    if ! command -v dpkg-query >/dev/null; then
        fail "this is not Debian. Install what corresponds to these packages by hand: ${packages[*]}"
    fi
    for package in "${packages[@]}"; do
        # shellcheck disable=SC2016  # dpkg's own variable
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail "these Debian packages are missing, and only root can install them (there is no sudo):" \
                "apt-get install ${missing[*]}"
        privileged=(sudo)
    fi
    say "Installing Debian packages: ${missing[*]}"
    "${privileged[@]}" apt-get update -q || fail "apt-get update failed; see above"
    install_without_services "${missing[@]}" || fail "apt-get could not install ${missing[*]}; see above"
    # Nor at the next boot.
    if [[ " ${missing[*]} " == *" mosquitto "* && -d /run/systemd/system ]]; then
        "${privileged[@]}" systemctl disable --quiet mosquitto.service
        say "The distribution's own mosquitto service is left disabled; start it with: systemctl enable --now mosquitto"
    fi
}

# The mosquitto package would start a broker on 1883 that nobody asked for: ours are started by the demo and by each
# test. A subshell, so that the policy goes however this ends.
install_without_services() (
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap '"${privileged[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${privileged[@]}" tee "$policy" >/dev/null
        "${privileged[@]}" chmod 755 "$policy"
    fi
    "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
)

# mosquitto lies where only root looks for programs.
use_system_programs() {
    export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
}
