#!/usr/bin/env bash
# Installs the real programs the end-to-end tests talk to, outside the tree, once.
#
#   tests/peers/install.sh            everything
#   tests/peers/install.sh jaeger     one of: jaeger prometheus python javascript cargo-deny
#
# Each peer lies under $SPINDLE_PEERS (default ~/.cache/spindle/peers) and carries a stamp file
# with the version it was made from, so a second run only checks. A peer that cannot be
# installed fails the run: the tests never skip one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=${SPINDLE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/spindle/peers}
logs=$peers/logs
mkdir -p "$peers" "$logs"

jaeger_version=v1.76.0
prometheus_version=v0.311.3
cargo_deny_version=0.20.2

say() { printf 'peers: %s\n' "$*"; }

# with_log NAME COMMAND...: runs the command with its output in a log that is shown on failure.
with_log() {
    local log=$logs/$1.log
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        printf 'peers: failed, the whole log is %s\n' "$log" >&2
        return 1
    fi
}

# install NAME STAMP FUNCTION: calls the function unless NAME carries STAMP already.
install() {
    local name=$1 stamp=$2 function=$3 started=$SECONDS
    if [ "$(cat "$peers/$name.stamp" 2>/dev/null)" = "$stamp" ]; then
        say "$name is there ($stamp)"
        return
    fi
    say "$name: installing ($stamp)"
    rm -f "$peers/$name.stamp"
    with_log "$name" "$function"
    printf '%s' "$stamp" >"$peers/$name.stamp"
    say "$name: done in $((SECONDS - started)) s"
}

# go_build MODULE PACKAGE OUTPUT: builds inside the module's own folder of the module cache, because
# `go install` refuses modules whose go.mod has replace lines. GOWORK=off: the go.work shipped there
# names folders that the module leaves out.
go_build() {
    local directory
    directory=$(go mod download -json "$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["Dir"])')
    (cd "$directory" && GOWORK=off CGO_ENABLED=0 GOFLAGS=-buildvcs=false \
        go build -trimpath -ldflags '-s -w' -o "$3" "$2")
}

make_jaeger() { go_build "github.com/jaegertracing/jaeger@$jaeger_version" ./cmd/jaeger "$peers/jaeger"; }

make_prometheus() {
    go_build "github.com/prometheus/prometheus@$prometheus_version" ./cmd/prometheus "$peers/prometheus"
}

make_python() {
    rm -rf "$peers/python"
    python3 -m venv "$peers/python"
    "$peers/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/python/requirements.txt"
}

make_javascript() {
    rm -rf "$peers/javascript"
    mkdir -p "$peers/javascript"
    cp "$here/javascript/package.json" "$here/javascript/package-lock.json" "$peers/javascript/"
    (cd "$peers/javascript" && npm ci --no-audit --no-fund)
}

# A debug build: it is run once a test run, and builds in half the time.
make_cargo_deny() {
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --root "$peers/cargo-deny" \
        --target-dir "$peers/cargo-deny-target" "cargo-deny@$cargo_deny_version"
    rm -rf "$peers/cargo-deny-target"
}

stamp_of() { cat "$@" | sha256sum | cut -c1-16; }

for peer in "${@:-all}"; do
    case $peer in
    all | jaeger) install jaeger "$jaeger_version" make_jaeger ;;&
    all | prometheus) install prometheus "$prometheus_version" make_prometheus ;;&
    all | python) install python "$(stamp_of "$here/python/requirements.txt")" make_python ;;&
    all | javascript) install javascript "$(stamp_of "$here/javascript/package-lock.json")" make_javascript ;;&
    all | cargo-deny) install cargo-deny "$cargo_deny_version" make_cargo_deny ;;&
    all | jaeger | prometheus | python | javascript | cargo-deny) ;;
    *)
        printf 'peers: unknown peer %s (jaeger, prometheus, python, javascript, cargo-deny)\n' "$peer" >&2
        exit 2
        ;;
    esac
done
