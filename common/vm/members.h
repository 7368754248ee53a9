/* SPDX-License-Identifier: BSD-3-Clause */

/* The plain members of struct vm and of what it consists of, as tables:
 * what is written, read and freed in the same way.
 */

#ifndef V2V_VM_MEMBERS_H
#define V2V_VM_MEMBERS_H

#include <stddef.h>

#define VM_MAX_ITEMS 4096 /* disks, NICs, ...: far above any machine */

/* The type of a member.  STRING is owned by its struct, WORD an unsigned or
 * an enum that is an index of WORDS.
 */
enum kind { STRING, INT, UNSIGNED, UINT64, TRISTATE, WORD };

struct member {
  const char *key; /* in the JSON form */
  enum kind kind;
  size_t offset;            /* in the struct */
  const char *const *words; /* of WORD */
  size_t nr_words;
  long long missing; /* INT: the value that is not written */
};

struct members {
  const struct member *list;
  size_t nr;
};

/* Of struct vm: the machine itself, its CPU, its TPM. */
extern const struct members vm_members_machine, vm_members_cpu, vm_members_tpm;
/* Of struct vm_display, vm_disk, vm_removable, vm_nic. */
extern const struct members vm_members_display, vm_members_disk,
  vm_members_removable, vm_members_nic;

#endif /* V2V_VM_MEMBERS_H */
