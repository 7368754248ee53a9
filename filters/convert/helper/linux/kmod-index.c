/* SPDX-License-Identifier: BSD-3-Clause */

/* Format, all numbers big endian:
 *
 *    u32 0xB007F457, u32 0x00020001, u32 reference of the root
 *
 * It is a trie.  A reference is the offset of a node and three flags that
 * say which parts the node has, in this order:
 *
 *    0x80000000 prefix     string, NUL
 *    0x20000000 children   u8 first, u8 last, (last - first + 1) times a
 *                          u32 reference, 0 = no such child
 *    0x40000000 values     u32 n, n times: u32 priority, string, NUL
 *
 * The key of a value is made of the prefixes and the children's bytes on
 * the way from the root.  Children are written before their parents.
 *
 * Reader: offsets are the guest's word.  Nodes may point anywhere, also to
 * each other, so that a small file could unfold into endless keys.
 * 1. Every access is checked against the size.
 * 2. At most one node per 4 bytes of the file is visited, and all keys and
 *    values together are at most MAX_TEXT.  A file that depmod wrote keeps
 *    to both by far.
 * 3. Keys are at most MAX_KEY long, and the walk has a stack of its own, so
 *    that depth is bounded by memory that is allocated, not by recursion.
 *
 * Writer: the same bytes that depmod writes for the same entries (a test
 * compares).  Its recursion is as deep as the keys have branches, at most
 * MAX_KEY.
 */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "initrd-buf.h"
#include "kmod-index.h"
#include "v2v-utils.h"

#define MAGIC UINT32_C (0xB007F457)
#define INDEX_MAJOR 2
#define INDEX_VERSION UINT32_C (0x00020001)

#define HAS_PREFIX UINT32_C (0x80000000)
#define HAS_VALUES UINT32_C (0x40000000)
#define HAS_CHILDREN UINT32_C (0x20000000)
#define OFFSET UINT32_C (0x0FFFFFFF)

#define MAX_KEY 1024
#define MAX_TEXT ((size_t)64 << 20)

void
kmod_index_free (struct kmod_index *idx)
{
  size_t i;

  for (i = 0; i < idx->n; ++i) {
    free (idx->entries[i].key);
    free (idx->entries[i].value);
  }
  free (idx->entries);
  memset (idx, 0, sizeof *idx);
}

/* Takes ownership of the strings, also on failure. */
static int
add_owned (struct kmod_index *idx, char *key, char *value, uint32_t priority)
{
  struct kmod_entry *p;

  if (key == NULL || value == NULL)
    goto error;
  if (idx->n == idx->alloc) {
    size_t n = idx->alloc ? idx->alloc * 2 : 256;

    p = realloc (idx->entries, n * sizeof *p);
    if (p == NULL)
      goto error;
    idx->entries = p;
    idx->alloc = n;
  }
  p = &idx->entries[idx->n++];
  p->key = key;
  p->value = value;
  p->priority = priority;
  return 0;

error:
  free (key);
  free (value);
  return -1;
}

int
kmod_index_add (struct kmod_index *idx, const char *key, const char *value,
                uint32_t priority)
{
  size_t i;

  for (i = 0; key[i]; ++i)
    if ((uint8_t)key[i] > 127 || i >= MAX_KEY)
      return 0;
  if (i == 0)
    return 0;
  return add_owned (idx, strdup (key), strdup (value), priority);
}

/* A node that is still to be read, and the length of the key up to it. */
struct pending {
  uint32_t ref;
  uint16_t key_len;
  uint8_t c; /* the child's byte; 0 for the root */
};

struct reader {
  const uint8_t *data;
  size_t size;
  struct kmod_index *idx;
  struct pending *stack;
  size_t depth, alloc;
  size_t nodes, text;
  uint8_t key[MAX_KEY + 1];
};

static int
push (struct reader *rd, uint32_t ref, size_t key_len, uint8_t c)
{
  struct pending *p;

  if (rd->depth == rd->alloc) {
    size_t n = rd->alloc ? rd->alloc * 2 : 256;

    p = realloc (rd->stack, n * sizeof *p);
    if (p == NULL)
      return -1;
    rd->stack = p;
    rd->alloc = n;
  }
  p = &rd->stack[rd->depth++];
  p->ref = ref;
  p->key_len = (uint16_t)key_len;
  p->c = c;
  return 0;
}

/* Read the values at POS.  As kmod_index_read. */
static int
read_values (struct reader *rd, size_t pos, size_t key_len, const char **err)
{
  uint32_t n;

  *err = "module index: values beyond its end";
  if (rd->size - pos < 4)
    return 0;
  n = v2v_be (rd->data + pos, 4);
  pos += 4;
  while (n-- > 0) {
    const uint8_t *s, *nul;
    size_t len;

    if (rd->size - pos < 5)
      return 0;
    s = rd->data + pos + 4;
    nul = memchr (s, '\0', rd->size - pos - 4);
    if (nul == NULL)
      return 0;
    len = (size_t)(nul - s);
    rd->text += key_len + len + sizeof (struct kmod_entry);
    if (rd->text > MAX_TEXT) {
      *err = "module index: larger than can be believed";
      return 0;
    }
    /* A value at the empty key can never be looked up. */
    if (key_len > 0 && add_owned (rd->idx, strndup ((char *)rd->key, key_len),
                                  strndup ((const char *)s, len),
                                  v2v_be (rd->data + pos, 4)) == -1)
      return -1;
    pos += 4 + len + 1;
  }
  return 1;
}

static int
read_node (struct reader *rd, const struct pending *node, const char **err)
{
  size_t pos = node->ref & OFFSET, key_len = node->key_len;

  *err = "module index: node beyond its end";
  if (pos < 12 || pos > rd->size)
    return 0;
  if (++rd->nodes > rd->size / 4) {
    *err = "module index: nodes that refer to each other";
    return 0;
  }
  if (node->c != 0) {
    if (key_len >= MAX_KEY)
      goto long_key;
    rd->key[key_len++] = node->c;
  }
  if (node->ref & HAS_PREFIX) {
    const uint8_t *nul = memchr (rd->data + pos, '\0', rd->size - pos);
    size_t i, len;

    if (nul == NULL)
      return 0;
    len = (size_t)(nul - (rd->data + pos));
    if (len > MAX_KEY - key_len)
      goto long_key;
    for (i = 0; i < len; ++i)
      if (rd->data[pos + i] > 127) {
        *err = "module index: key that is not ASCII";
        return 0;
      }
    memcpy (rd->key + key_len, rd->data + pos, len);
    key_len += len;
    pos += len + 1;
  }
  if (node->ref & HAS_CHILDREN) {
    unsigned first, last, c;

    if (rd->size - pos < 2)
      return 0;
    first = rd->data[pos];
    last = rd->data[pos + 1];
    pos += 2;
    if (first == 0 || first > last || last > 127 ||
        rd->size - pos < (size_t)(last - first + 1) * 4) {
      *err = "module index: impossible children";
      return 0;
    }
    /* Backwards, so that the stack gives them in order. */
    for (c = last; c >= first; --c) {
      uint32_t ref = v2v_be (rd->data + pos + (size_t)(c - first) * 4, 4);

      if (ref != 0 && push (rd, ref, key_len, (uint8_t)c) == -1)
        return -1;
    }
    pos += (size_t)(last - first + 1) * 4;
  }
  if (node->ref & HAS_VALUES)
    return read_values (rd, pos, key_len, err);
  return 1;

long_key:
  *err = "module index: endless key";
  return 0;
}

int
kmod_index_read (const uint8_t *data, size_t size, struct kmod_index *idx,
                 const char **err)
{
  struct reader rd = { .data = data, .size = size, .idx = idx };
  struct pending node;
  uint32_t root;
  int r = -1;

  *err = "not a module index";
  if (size < 12 || v2v_be (data, 4) != MAGIC)
    return 0;
  if (v2v_be (data + 4, 4) >> 16 != INDEX_MAJOR) {
    *err = "module index of an unknown version";
    return 0;
  }
  root = v2v_be (data + 8, 4);
  if ((root & OFFSET) == 0)
    return 1; /* empty */
  if (push (&rd, root, 0, 0) == -1)
    return -1;
  do {
    node = rd.stack[--rd.depth];
    r = read_node (&rd, &node, err);
  } while (r == 1 && rd.depth > 0);
  free (rd.stack);
  if (r == 1)
    *err = NULL;
  return r;
}

static int
compare (const void *a, const void *b)
{
  const struct kmod_entry *x = a, *y = b;
  int r = strcmp (x->key, y->key);

  if (r != 0)
    return r;
  if (x->priority != y->priority)
    return x->priority < y->priority ? -1 : 1;
  return strcmp (x->value, y->value);
}

void
kmod_index_sort (struct kmod_index *idx)
{
  if (idx->n > 1)
    qsort (idx->entries, idx->n, sizeof idx->entries[0], compare);
}

struct kmod_entry *
kmod_index_find (const struct kmod_index *idx, const char *key)
{
  size_t lo = 0, hi = idx->n, mid;

  while (lo < hi) {
    mid = lo + (hi - lo) / 2;
    if (strcmp (idx->entries[mid].key, key) < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  if (lo < idx->n && strcmp (idx->entries[lo].key, key) == 0)
    return &idx->entries[lo];
  return NULL;
}

static void
put_be32 (uint8_t *p, uint32_t n)
{
  p[0] = (uint8_t)(n >> 24);
  p[1] = (uint8_t)(n >> 16);
  p[2] = (uint8_t)(n >> 8);
  p[3] = (uint8_t)n;
}

static int
append_be32 (struct initrd_buf *b, uint32_t n)
{
  uint8_t p[4];

  put_be32 (p, n);
  return initrd_buf_append (b, p, 4);
}

/* Write the node of entries LO to HI - 1, whose keys are equal in their
 * first KEY_LEN bytes, and before it its children.  Returns the reference,
 * 0 on failure.
 */
static uint32_t
write_node (struct initrd_buf *b, const struct kmod_index *idx, size_t lo,
            size_t hi, size_t key_len)
{
  const struct kmod_entry *e = idx->entries;
  uint32_t refs[128] = { 0 }, ref, nr_values;
  unsigned first = 128, last = 0, c;
  size_t prefix = key_len, child, next, end_of_values;

  /* They are sorted: what the first and the last share, all share.  The
   * root has no prefix.
   */
  if (key_len > 0)
    while (e[lo].key[prefix] != '\0' &&
           e[lo].key[prefix] == e[hi - 1].key[prefix])
      prefix++;
  for (end_of_values = lo; end_of_values < hi; ++end_of_values)
    if (e[end_of_values].key[prefix] != '\0')
      break;
  nr_values = (uint32_t)(end_of_values - lo);

  for (child = end_of_values; child < hi; child = next) {
    c = (uint8_t)e[child].key[prefix];
    for (next = child + 1; next < hi; ++next)
      if ((uint8_t)e[next].key[prefix] != c)
        break;
    refs[c] = write_node (b, idx, child, next, prefix + 1);
    if (refs[c] == 0)
      return 0;
    if (first == 128)
      first = c;
    last = c;
  }

  if (b->size > OFFSET)
    return 0;
  ref = (uint32_t)b->size;
  if (prefix > key_len) {
    ref |= HAS_PREFIX;
    if (initrd_buf_append (b, e[lo].key + key_len, prefix - key_len) == -1 ||
        initrd_buf_zeroes (b, 1) == -1)
      return 0;
  }
  if (first != 128) {
    uint8_t range[2] = { (uint8_t)first, (uint8_t)last };

    ref |= HAS_CHILDREN;
    if (initrd_buf_append (b, range, 2) == -1)
      return 0;
    for (c = first; c <= last; ++c)
      if (append_be32 (b, refs[c]) == -1)
        return 0;
  }
  if (nr_values > 0) {
    ref |= HAS_VALUES;
    if (append_be32 (b, nr_values) == -1)
      return 0;
    for (; lo < end_of_values; ++lo)
      if (append_be32 (b, e[lo].priority) == -1 ||
          initrd_buf_append (b, e[lo].value, strlen (e[lo].value) + 1) == -1)
        return 0;
  }
  return ref;
}

int
kmod_index_write (const struct kmod_index *idx, uint8_t **data, size_t *size)
{
  struct initrd_buf b = { 0 };
  uint32_t root;

  if (append_be32 (&b, MAGIC) == -1 || append_be32 (&b, INDEX_VERSION) == -1 ||
      append_be32 (&b, 0) == -1)
    goto error;
  root = write_node (&b, idx, 0, idx->n, 0);
  if (root == 0)
    goto error;
  put_be32 (b.data + 8, root);
  *data = b.data;
  *size = b.size;
  return 0;

error:
  initrd_buf_free (&b);
  return -1;
}
