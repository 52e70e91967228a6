#!/usr/bin/env bash
# Installs Debian's Orthanc with DICOMweb, and dciodvfy, for the archive tests. No service is started. Does nothing
# where they are installed. Where it cannot install, it says why in one line and ends with status 1.
set -euo pipefail
say() { echo "Orthanc is not installed: $1" >&2; exit 1; }
has_orthanc() { [ -x /usr/sbin/Orthanc ] && [ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ]; }
missing=()
has_orthanc || missing+=(orthanc orthanc-dicomweb)
command -v dciodvfy >/dev/null || missing+=(dicom3tools)
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || say "this is no Debian or Ubuntu (no apt-get)."
[ "$(id -u)" = 0 ] || say "apt-get needs root; run sudo bash $0."
policy=/usr/sbin/policy-rc.d # what Debian asks before it starts a service
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
options=(-qq -o Acquire::http::Timeout=20 -o Acquire::Retries=1 -o DPkg::Lock::Timeout=60)
said=$(apt-get "${options[@]}" update 2>&1 &&
    apt-get "${options[@]}" install -y --no-install-recommends "${missing[@]}" 2>&1) ||
    say "$(grep -m 1 '^E:' <<<"$said" || echo "apt-get failed.")"
if [[ " ${missing[*]} " == *" orthanc "* ]] && command -v systemctl >/dev/null; then
    systemctl disable --quiet orthanc 2>/dev/null || true # nor is it started with the machine
fi
