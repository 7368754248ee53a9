# SPDX-License-Identifier: BSD-3-Clause
# A guest of RHEL's layout (dracut, BLS, XFS in LVM) boots on virtio when
# converted.  test-guests.sh does this and more with all guests.
exec bash "$(dirname "$0")/test-guests.sh" --converted rhel
