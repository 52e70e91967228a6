#!/usr/bin/env bash
# Installs Debian's Orthanc with DICOMweb, and dciodvfy, for the archive tests. No service is started. Does nothing
# where they are installed. Where it cannot install, it says why in one line and ends with status 1.
set -euo pipefail
say() { echo "Orthanc is not installed: $1" >&2; exit 1; }
packages=(orthanc orthanc-dicomweb dicom3tools)
[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] && [ -x /usr/sbin/Orthanc ] &&
    command -v dciodvfy >/dev/null && exit 0
command -v apt-get >/dev/null || say "this is no Debian or Ubuntu (no apt-get)."
[ "$(id -u)" = 0 ] || say "apt-get needs root; run sudo bash $0."
policy=/usr/sbin/policy-rc.d # what Debian asks before it starts a service
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
said=$(apt-get update -qq 2>&1 && apt-get install -y -qq --no-install-recommends "${packages[@]}" 2>&1) ||
    say "$(grep -m 1 '^E:' <<<"$said" || echo "apt-get failed.")"
command -v systemctl >/dev/null && systemctl disable --quiet orthanc 2>/dev/null || true # nor at the next start
