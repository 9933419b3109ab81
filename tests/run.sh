#!/usr/bin/env bash
# Every check of the project, in the order of what fails fastest; the first failure ends it.
#
#   tests/run.sh               everything, as CI runs it
#   tests/run.sh unit suite    only these of: peers format lint docs deny unit build suite
#
# Real Jaeger, Prometheus and SDKs are installed first, outside the tree (tests/peers/install.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

started=$SECONDS

# step NAME COMMAND...: one progress line, the output only of what fails.
step() {
    local name=$1 begun=$SECONDS log
    shift
    log=$(mktemp)
    printf '%-7s %s\n' "$name" "$*"
    if ! "$@" >"$log" 2>&1; then
        tail -n 200 "$log"
        printf '%s: failed after %s s; the whole output is %s\n' "$name" "$((SECONDS - begun))" "$log"
        exit 1
    fi
    rm -f "$log"
    printf '%-7s done in %s s\n' "$name" "$((SECONDS - begun))"
}

deny() { "${SPINDLE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/spindle/peers}/cargo-deny/bin/cargo-deny" --all-features check bans licenses sources; }

for part in "${@:-all}"; do
    case $part in
    # Not behind step(): it has progress lines of its own.
    all | peers) tests/peers/install.sh ;;&
    all | format) step format cargo fmt --all --check ;;&
    all | lint) step lint cargo clippy --workspace --all-targets --all-features --locked -- -D warnings ;;&
    all | docs) RUSTDOCFLAGS='-D warnings' step docs cargo doc --workspace --no-deps --locked ;;&
    all | deny) step deny deny ;;&
    all | unit) step unit cargo test --workspace --exclude spindle-tests --all-features --locked ;;&
    all | build) step build cargo build --release --locked ;;&
    all | suite)
        step suite cargo build -p spindle --locked
        step suite cargo test -p spindle-tests --locked
        ;;&
    all | peers | format | lint | docs | deny | unit | build | suite) ;;
    *)
        printf 'unknown part %s (peers, format, lint, docs, deny, unit, build, suite)\n' "$part" >&2
        exit 2
        ;;
    esac
done
printf 'all good after %s min\n' "$(((SECONDS - started + 59) / 60))"
