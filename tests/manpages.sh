#!/bin/sh
# Man pages: mandoc finds nothing to warn of, and every option and command of the programs is described.  TAP.
cd "${top_srcdir:-.}" || exit 1
n=0
ok() {
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		printf '%s\n' "$3" | sed 's/^/# /'
	fi
}
if ! command -v mandoc >/dev/null; then
	echo "1..0 # SKIP mandoc is not installed"
	exit 0
fi
for page in master/regrelayd.8 ctl/regctl.1 conf/regrelay.ini.5; do
	out=$(mandoc -Tlint -Wwarning "$page" 2>&1)
	ok $? "$page is clean" "$out"
done
page=$(mandoc -Tascii master/regrelayd.8 2>/dev/null | sed 's/.\x08//g')
for option in -c -t -T -V -h; do
	printf '%s\n' "$page" | grep -qe "^ *$option"
	ok $? "regrelayd(8) describes $option" ""
done
page=$(mandoc -Tascii ctl/regctl.1 2>/dev/null | sed 's/.\x08//g')
for word in status doctor stats workers config reload drain undrain log-level version stop -s -t --json; do
	printf '%s\n' "$page" | grep -qe "^ *$word"
	ok $? "regctl(1) describes $word" ""
done
echo "1..$n"
