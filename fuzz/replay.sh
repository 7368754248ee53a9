# SPDX-License-Identifier: BSD-3-Clause
# replay.sh SEEDS PROGRAM: run a fuzz target on SEEDS/NAME, where the
# program is called fuzz-NAME.
exec "$2" "$1/${2##*/fuzz-}"
