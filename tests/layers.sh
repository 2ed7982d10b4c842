#!/bin/sh
# The layer rule, mechanically: which folder may include which, and which third-party header is behind which file.
# Speaks TAP.  The same rule in words: ARCHITECTURE.md.
top=${top_srcdir:-.}
cd "$top" || exit 1
n=0

ok() { # ok STATUS TEXT [EVIDENCE]
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		printf '%s\n' "$3" | sed 's/^/# /'
	fi
}

# headers_of DIR...: the names of the headers in these folders, one a line.
headers_of() {
	for d in "$@"; do
		for h in "$d"/*.h "$d"/*.def; do
			[ -e "$h" ] && basename "$h"
		done
	done | sort -u
}

# included_by FOLDER: file:header of every quoted include there.
included_by() {
	grep -Hn '^#include "' "$1"/*.[ch] 2>/dev/null | sed 's/^\([^:]*\):[0-9]*:#include "\(.*\)".*/\1:\2/'
}

# may FOLDER HEADER-FILE: every quoted include of FOLDER is in the list (or config.h).
may() {
	folder=$1
	list=$2
	bad=$(included_by "$folder" | while IFS=: read -r file header; do
		[ "$header" = config.h ] && continue
		grep -qxF "$header" "$list" || echo "$file includes $header"
	done)
	[ -z "$bad" ]
	ok $? "$folder/ includes only what its layer may" "$bad"
}

# only HEADER FILE...: HEADER (a pattern) is included by no other file than these.
only() {
	header=$1
	shift
	bad=$(grep -lsE "^#include <($header)>" lib/*.[ch] conf/*.[ch] upstream/*.[ch] worker/*.[ch] keeper/*.[ch] \
		master/*.[ch] ctl/*.[ch] | while read -r file; do
		for allowed in "$@"; do
			case $file in $allowed) continue 2 ;; esac
		done
		echo "$file includes <$header>"
	done)
	[ -z "$bad" ]
	ok $? "<$header> is included by $* only" "$bad"
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT INT TERM

headers_of lib > "$tmp/lib"
headers_of lib conf > "$tmp/conf"
{ headers_of lib upstream; echo conf.h; } > "$tmp/upstream"
{ headers_of lib upstream worker; echo conf.h; } > "$tmp/worker"
{ headers_of lib upstream keeper; echo conf.h; echo conf_binding.h; } > "$tmp/keeper"
headers_of lib conf master > "$tmp/master"
headers_of lib ctl > "$tmp/ctl"

may lib "$tmp/lib"
may conf "$tmp/conf"
may upstream "$tmp/upstream"
may worker "$tmp/worker"
may keeper "$tmp/keeper"
may ctl "$tmp/ctl"
# main.c alone knows the other processes.
{ cat "$tmp/master"; echo worker.h; echo keeper.h; } > "$tmp/main"
may master "$tmp/main"
bad=$(grep -lsE '^#include "(worker|keeper)\.h"' master/*.[ch] | grep -v '^master/main\.c$')
[ -z "$bad" ]
ok $? "only master/main.c knows the main functions of worker and keeper" "$bad"

only 'http_parser\.h' lib/http_wire.c
only 'openssl/.*' 'lib/tls_*.[ch]' lib/sha256.c lib/base64.c
only 'seccomp\.h' lib/sandbox.c
only 'ini\.h' conf/conf_parse.c
only 'ares.*\.h' keeper/lookup.c
only 'systemd/.*' 'master/*'
only 'jansson\.h' lib/json_setup.c 'master/*' 'ctl/*' 'keeper/*' upstream/token_answer.c conf/conf_binding.c conf/conf_login.c

# Size: a file that is longer than 400 lines has more than one idea.
bad=$(wc -l lib/*.[ch] conf/*.[ch] upstream/*.[ch] worker/*.[ch] keeper/*.[ch] master/*.[ch] ctl/*.[ch] \
	| awk '$2 != "total" && $1 > 400 { print $2 " has " $1 " lines" }')
[ -z "$bad" ]
ok $? "no source file is longer than 400 lines" "$bad"
bad=$(awk 'FNR == 1 { start = 0 } /^\{/ { start = FNR } /^\}/ { if (start && FNR - start > 60) print FILENAME ":" start " is " FNR - start " lines"; start = 0 }' \
	lib/*.c conf/*.c upstream/*.c worker/*.c keeper/*.c master/*.c ctl/*.c)
[ -z "$bad" ]
ok $? "no function is longer than 60 lines" "$bad"

# Calls that have no place here: unbounded copies, hidden state, and what a sandboxed worker must not do.
bad=$(grep -nsE '(^|[^a-z_])(strcpy|strcat|sprintf|strtok|gets|atoi|atol|system|popen|gethostbyname|getaddrinfo)\(' \
	lib/*.c conf/*.c upstream/*.c worker/*.c keeper/*.c master/*.c ctl/*.c | grep -v 'ares_getaddrinfo')
[ -z "$bad" ]
ok $? "no banned function is called" "$bad"
bad=$(grep -nsE '(^|[^a-z_])(shutdown)\(' worker/acceptor.c 2>/dev/null)
[ -z "$bad" ]
ok $? "the shared listener is never shut down" "$bad"
echo "1..$n"
