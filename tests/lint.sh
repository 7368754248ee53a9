# SPDX-License-Identifier: BSD-3-Clause
# Static analysis of our sources: lint.sh cppcheck | clang-tidy | format
# Prints TAP, one point per file (cppcheck: one in all).

. "$V2V_SRCDIR/tests/functions.sh"

cd "$V2V_SRCDIR"
sources=$(find common filters plugins copy -name '*.c' 2>/dev/null | sort)
includes=$(find common filters plugins copy -type d 2>/dev/null | sed 's/^/-I/')
flags="-D_GNU_SOURCE -I$V2V_BUILDDIR $includes
       $(pkg-config --cflags nbdkit libnbd libguestfs libxml-2.0 json-c \
         libarchive libosinfo-1.0)
       -DHELPER_PATH=\"\""
tidy () { clang-tidy --quiet "$1" -- $flags; }
# cppcheck does not understand the clean-up attribute; leaks are found by
# the unit tests, which run under LeakSanitizer.
analyse () {
    cppcheck --quiet --error-exitcode=1 --inline-suppr \
        --enable=warning --std=c11 --force \
        --suppress=missingIncludeSystem --suppress=unknownMacro \
        --suppress=normalCheckLevelMaxBranches --suppress=memleak \
        -D_GNU_SOURCE -D__GNUC__ $includes $sources
}

case "$1" in
    cppcheck)
        requires cppcheck --version
        check "cppcheck" analyse ;;
    clang-tidy)
        requires clang-tidy --version
        for f in $sources; do
            check "clang-tidy $f" tidy "$f"
        done ;;
    format)
        requires clang-format --version
        for f in $sources $(find common filters plugins copy -name '*.h' 2>/dev/null); do
            check "clang-format $f" clang-format --dry-run -Werror "$f"
        done ;;
    *) echo "usage: lint.sh cppcheck|clang-tidy|format" >&2; exit 2 ;;
esac
done_testing
