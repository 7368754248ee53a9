/* SPDX-License-Identifier: BSD-3-Clause */

/* Kernel modules: their names, what depmod's text files say about them,
 * and what they say about themselves.
 */

#ifndef V2V_INITRD_MODULE_H
#define V2V_INITRD_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest module name with its NUL (the kernel's is 64 less a pointer). */
#define MODULE_NAME_MAX 64

/* One module may not unpack to more than this. */
#define MODULE_MAX_SIZE ((size_t)128 << 20)

/* The module name of a path or of a name: what is before ".ko" in the
 * last component, - as _.  False if it is not the name of a module file
 * (no ".ko", ".ko.gz", ".ko.xz", ".ko.zst") or too long.
 */
extern bool module_name_of_path (const char *path, char name[MODULE_NAME_MAX]);
/* The same for a bare name as users write it: only - as _. */
extern bool module_name (const char *s, char name[MODULE_NAME_MAX]);

/* A line of modules.dep. */
struct module {
  char name[MODULE_NAME_MAX];
  const char *path; /* relative to the module directory */
  const char *deps; /* paths with blanks between them; "" */
  uint32_t order;   /* number of the line */
};

struct module_list {
  struct module *modules; /* sorted by name */
  size_t n;
  char *text; /* what path and deps point into */
};

/* Parse modules.dep.  Old files have absolute paths: made relative.
 * 0, or -1 when out of memory.
 */
extern int
module_list_parse (const char *modules_dep, struct module_list *list);
extern const struct module *
module_list_find (const struct module_list *list, const char *name);
extern void module_list_free (struct module_list *list);

/* Take the next path from *deps into PATH.  False at the end. */
extern bool module_next_dep (const char **deps, const char **path, size_t *len);

/* Is NAME in modules.builtin (which may be NULL)? */
extern bool module_is_builtin (const char *modules_builtin, const char *name);

/* Call FN for each "pre" and "post" name of NAME in modules.softdep (which
 * may be NULL).  Stops and returns what FN returns if that is not 0.
 */
extern int
module_softdeps (const char *modules_softdep, const char *name,
                 int (*fn) (void *opaque, const char *dep), void *opaque);

/* Call FN for each alias of the modules for which WANT returns true, from
 * modules.alias (may be NULL), with the pattern as indexes hold it
 * (- as _ outside brackets).
 */
extern int
module_aliases (const char *modules_alias,
                bool (*want) (void *opaque, const char *name),
                int (*fn) (void *opaque, const char *pattern, const char *name),
                void *opaque);
/* - as _ outside brackets, in place. */
extern void module_alias_normalize (char *pattern);

/* Make *data (malloc'ed) the uncompressed module: gzip, xz, zstd or plain.
 * 1, 0 if it is none of these (*err is static), -1 when out of memory.
 */
extern int module_unpack (uint8_t **data, size_t *size, const char **err);

/* Call FN for each "key=value" of the module's .modinfo section.  1, 0 if
 * DATA is not an ELF file with such a section, or what FN returned if not
 * 0.
 */
extern int
module_modinfo (const uint8_t *data, size_t size,
                int (*fn) (void *opaque, const char *info), void *opaque);

/* Is this an ELF module for the kernel VERSION?  False: *why is static. */
extern bool module_fits (const uint8_t *data, size_t size, const char *version,
                         const char **why);

#endif /* V2V_INITRD_MODULE_H */
