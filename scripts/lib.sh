#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Shared by every script here; sourced, never run:  . "$(dirname "$0")/lib.sh"
#
# Sets TOP, BUILD, OUT, CACHE, JOBS, VERB, the pins of pins.mk and ccache's settings.

shopt -s inherit_errexit

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=$TOP/build
OUT=$TOP/out
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/drm-gem-bo-backing
JOBS=${JOBS:-$(nproc)}
STAGE_T0=${STAGE_T0:-$(date +%s)}
# VERB: the script that a person started, not those that it starts.
VERB=${VERB:-$(basename "$0" .sh)}
export TOP BUILD OUT CACHE JOBS STAGE_T0 VERB

# Kernels are built in a directory beside their tree and name it as ../linux (kbuild in
# tree.sh), so that another clone, and the unpatched tree beside the patched one, find the
# same objects.
export CCACHE_DIR=${CCACHE_DIR:-$CACHE/ccache}
export CCACHE_BASEDIR=$TOP
export CCACHE_NOHASHDIR=1
export CCACHE_COMPILERCHECK=content
export CCACHE_SLOPPINESS=time_macros,locale,include_file_mtime,include_file_ctime
export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-8G}

# Nothing here depends on the language or on a person's git configuration.
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null

eval "$(sed -n "s/^\([A-Z][A-Z0-9_]*\) := \([^']*\)$/\1='\2'; export \1/p" "$TOP/pins.mk")"

# Suites with a case, *alloc_undo, that lets one allocation after the other fail.
export FAILING_SUITES=drm_gem_bo_backing,drm_gem_bo_backing_kinds,drm_gem_bo_backing_fault,drm_gem_dma,drm_gem_dma_noncoherent,dma_alloc_remap,dma_runs

mkdir -p "$BUILD" "$OUT" "$CACHE"

# elapsed: mm:ss since the first stage of this make.
elapsed() {
	local t=$(($(date +%s) - STAGE_T0))
	printf '%02d:%02d' $((t / 60)) $((t % 60))
}

stage() { printf '[%s] %s\n' "$(elapsed)" "$*"; }
note() { printf '        %s\n' "$*"; }

# die LINE [LOGFILE]: the one line that a person needs, then where the rest is. Within a lane it
# is a failure of that lane.
die() {
	local me
	me=$(basename "$0" .sh)
	printf '%s: %s\n' "$me" "$1" >&2
	if [ $# -gt 1 ]; then printf '  log: %s\n' "$2" >&2; fi
	if [ -n "${RESULTS:-}" ]; then
		printf 'FAIL\t%s\t%s\t%s\n' "${LANE:-$me}" "$me" "$1" >>"$RESULTS"
		"$TOP/scripts/report.py" junit "$RESULTS"
	fi
	exit 1
}

# why LOGFILE: the most telling line of a failed command's output.
why() {
	local line
	line=$(grep -m1 -aE '(fatal )?error:|undefined reference|^E: |^fatal: |\*\*\* |FATAL|No space left|command not found' "$1" || true)
	[ -n "$line" ] || line=$(grep -av '^[[:space:]]*$' "$1" | tail -n 1 || true)
	printf '%s\n' "${line:-no output}"
}

# run LOGFILE COMMAND...: quiet unless it fails.
run() {
	local log=$1
	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null || die "$1 failed: $(why "$log")" "$log"
}

# as_root COMMAND...: for what only root may do.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_root() { [ "$(id -u)" = 0 ] || { command -v sudo && sudo -n true; } >/dev/null 2>&1; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# need PACKAGE...: installs what is missing, or prints the line that does.
need() {
	local missing=() p log=$BUILD/log/apt.log
	for p in "$@"; do installed "$p" || missing+=("$p"); done
	[ ${#missing[@]} -gt 0 ] || return 0
	can_root || die "packages are missing; run: apt-get install ${missing[*]}"
	stage "installing ${missing[*]}"
	mkdir -p "$BUILD/log"
	apt_install "${missing[@]}" >"$log" 2>&1 </dev/null && return 0
	as_root apt-get -qq update >"$log" 2>&1 </dev/null || die "apt-get update: $(why "$log")" "$log"
	apt_install "${missing[@]}" >>"$log" 2>&1 </dev/null || die "apt-get install: $(why "$log")" "$log"
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
}

# device_tree DTS OUT [CPP_OPTION...]: OUT.dtb of DTS, unless it is newer than that and than the script that asks.
device_tree() {
	local dts=$1 out=$2.dtb log=$BUILD/log/device-tree.log
	shift 2
	[ "$dts" -nt "$out" ] || [ "$0" -nt "$out" ] || return 0
	run "$log" cpp -nostdinc -undef -x assembler-with-cpp "$@" -o "$out.dts" "$dts"
	run "$log" dtc -q -I dts -O dtb -o "$out.new" "$out.dts"
	mv "$out.new" "$out"
}

# deb_lines: this machine's binary package sources as "URI SUITE", whatever their format.
deb_lines() {
	local f
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$f" ] && sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]]+([^[:space:]]+).*/\2 \3/p' "$f"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -r "$f" ] && deb822_lines <"$f"
	done
	return 0
}

deb822_lines() {
	awk '
	function flush(   i, j, n, m, u, s) {
		n = split(field["uris"], u); m = split(field["suites"], s)
		if (field["types"] ~ /(^| )deb( |$)/ && field["enabled"] !~ /^(no|false|off|0)$/)
			for (i = 1; i <= n; i++) for (j = 1; j <= m; j++) print u[i], s[j]
		delete field; key = ""
	}
	/^#/ { next }
	/^[[:space:]]*$/ { flush(); next }
	/^[[:space:]]/ { field[key] = field[key] " " $0; next }
	{ key = tolower($0); sub(/:.*/, "", key); sub(/^[^:]*:[[:space:]]*/, ""); sub(/[[:space:]]+$/, ""); field[key] = $0 }
	END { flush() }'
}

# mirror: the URI that this machine takes Debian itself from. DEBIAN_MIRROR overrides.
mirror() {
	local codename uri=${DEBIAN_MIRROR:-}
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && printf "%s" "${VERSION_CODENAME:-none}")
	[ -n "$uri" ] || uri=$(deb_lines | awk -v c="$codename" \
		'$2 == c || $2 ~ /^(stable|testing|unstable|sid|bookworm|trixie|forky)$/ { print $1; exit }')
	[ -n "$uri" ] || die "no Debian mirror in this machine's apt sources; name one by DEBIAN_MIRROR=..."
	printf '%s\n' "${uri%/}"
}

# matches VERSION PIN: the upstream version, without epoch, is the pin or continues it.
matches() { case ${1#*:} in "$2" | "$2"[-.+~]*) return 0 ;; *) return 1 ;; esac; }

# offered PACKAGE: the version that private_apt's suites have.
offered() { APT_CONFIG=$APT_CONF apt-cache madison "$1" | awk -F' *[|] *' 'NR == 1 { print $2 }'; }

# private_apt SUITE...: an apt of our own below build/apt that sees just these suites.
# Sets APT_CONF; "APT_CONFIG=$APT_CONF apt-get download PACKAGE" then fetches from them.
# APT_ARCH: another architecture's packages than this machine's.
private_apt() {
	local dir suite uri log
	dir=$BUILD/apt/$(printf '%s+' "$@")
	dir=${dir%+}${APT_ARCH:+-$APT_ARCH}
	log=$dir/update.log
	APT_CONF=$dir/apt.conf
	export APT_CONF
	need debian-archive-keyring
	uri=$(mirror)
	mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/parts"
	touch "$dir/status"
	for suite in "$@"; do
		printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$uri" "$suite"
	done >"$dir/sources.list"
	private_apt_conf "$dir" >"$APT_CONF"
	private_apt_update "$log" && return 0
	grep -qE 'is expired|not valid yet|invalid for another' "$log" || die "apt-get update ($uri): $(why "$log")" "$log"
	note "note: the Release file of $* is out of its validity dates (an archive snapshot?); signature still checked"
	printf 'Acquire::Check-Valid-Until "false";\nAcquire::Check-Date "false";\n' >>"$APT_CONF"
	private_apt_update "$log" || die "apt-get update ($uri): $(why "$log")" "$log"
}

private_apt_conf() {
	cat <<-CONF
	Dir::State "$1";
	Dir::State::lists "$1/lists";
	Dir::State::status "$1/status";
	Dir::Cache "$1";
	Dir::Cache::archives "$1/archives";
	Dir::Etc::sourcelist "$1/sources.list";
	Dir::Etc::sourceparts "$1/parts";
	Dir::Etc::preferences "/dev/null";
	Dir::Etc::preferencesparts "$1/parts";
	APT::Sandbox::User "$(id -un)";
	APT::Get::List-Cleanup "false";
	Acquire::Languages "none";
	CONF
	[ -z "${APT_ARCH:-}" ] || printf 'APT::Architecture "%s";\nAPT::Architectures { "%s"; };\n' "$APT_ARCH" "$APT_ARCH"
}

private_apt_update() {
	APT_CONFIG=$APT_CONF apt-get -qq -o APT::Update::Error-Mode=any update >"$1" 2>&1 </dev/null
}

# lane NAME: the results that follow belong to it. RESULTS names the file they go to;
# without it they start a new out/results/NAME.tsv.
lane() {
	export LANE=$1
	[ -z "${RESULTS:-}" ] || return 0
	mkdir -p "$OUT/results"
	RESULTS=$OUT/results/$LANE.tsv
	: >"$RESULTS"
	rm -f "${RESULTS%.tsv}.xml"
	export RESULTS
}

LANE_FAILED=0

# result PASS|FAIL|SKIP NAME [REASON]: one line to see, one line for the report.
result() {
	printf '%s\t%s\t%s%s\n' "$1" "$LANE" "$2" "${3:+	$3}" >>"$RESULTS"
	printf '%s %s%s\n' "$1" "$2" "${3:+: $3}"
	if [ "$1" = FAIL ]; then LANE_FAILED=$((LANE_FAILED + 1)); fi
}

# matrix_result NAME BOOT LOG: which suites of the kinds ran, and are they complete?
matrix_result() {
	local table=${3%.log}-matrix.txt
	if "$TOP/scripts/matrix.py" "$2=$3" >"$table"; then
		result PASS "$1" "$(grep 'cells tried' "$table")"
	else
		result FAIL "$1" "$(sed -n 's/^FAIL //p' "$table" | head -n1) (all: $table)"
	fi
}

# tally [PREFIX]: how many results there are, of names that begin so.
tally() {
	awk -F'\t' -v "prefix=${1:-}" 'substr($3, 1, length(prefix)) == prefix { n[$1]++ } END {
		printf "%d passed, %d failed, %d skipped", n["PASS"], n["FAIL"], n["SKIP"] }' "$RESULTS"
}

# test_failures TSV: what failed, a line each. That a part did not run at all, or failed on the unpatched
# kernel, is no test that found anything.
test_failures() {
	awk -F'\t' '$1 == "FAIL" && $3 ~ /[\/@]|^converted/ && $3 !~ /\/(base|part$|unpatched)|-boot$/ { print $3 }' "$1" |
		sed 's/^igt@//' | sort -u
}

# lane_end: the lane's exit status; what CI systems read is beside its results.
lane_end() {
	"$TOP/scripts/report.py" junit "$RESULTS"
	[ "$LANE_FAILED" = 0 ]
}

# booted KERNEL LOG: remembers which kernel LOG is of. is_of LOG KERNEL: is it of this one?
booted() { sha256sum <"$1" >"$2.kernel"; }
is_of() { [ -s "$1" ] && [ "$(sha256sum <"$2")" = "$(cat "$1.kernel" 2>/dev/null)" ]; }

# qemu_dts DIR QEMU OPTION...: the source of the device tree that QEMU makes for a machine.
qemu_dts() {
	run "$1/dumpdtb.log" "${@:2}" -nic none -display none -machine "dumpdtb=$1/qemu.dtb"
	dtc -q -I dtb -O dts "$1/qemu.dtb"
}

# compile_dts DIR: DIR/part.dts as DIR/part.dtb.
compile_dts() { run "$1/dtc.log" dtc -q -I dts -O dtb -o "$1/part.dtb" "$1/part.dts"; }
