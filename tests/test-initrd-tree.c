/* SPDX-License-Identifier: BSD-3-Clause */

/* The kernel's rules for collisions, one by one, and the reader of
 * archives on what is not one.
 */

#include <config.h>

#include "test-initrd-util.h"

/* Several archives over each other, as segments of one image. */
struct stack {
  struct initrd_buf image;
  struct initrd_image img;
};

static void
add_archive (struct stack *s, struct cpio_writer *w)
{
  make_image (&s->image, INITRD_FORMAT_CPIO, w);
}

static void
unpack (struct stack *s)
{
  struct initrd_error e = { 0 };

  if (initrd_image_read (s->image.data, s->image.size, SIZE_MAX, &s->img,
                         &e) != 1)
    fail_msg ("%s", e.text);
}

static void
done (struct stack *s)
{
  initrd_image_free (&s->img);
  initrd_buf_free (&s->image);
}

static struct initrd_node *
at (struct stack *s, const char *path)
{
  return initrd_tree_lookup (s->img.tree, path, false);
}

static void
check_text (struct stack *s, const char *path, const char *text)
{
  struct initrd_node *n = initrd_tree_lookup (s->img.tree, path, true);

  if (n == NULL || !initrd_node_is_file (n))
    fail_msg ("%s is not a file", path);
  else {
    assert_int_equal (n->inode->size, strlen (text));
    if (n->inode->size > 0)
      assert_memory_equal (n->inode->data, text, n->inode->size);
  }
}

/* An entry with every field chosen; data must outlive the tree. */
static void
apply (struct initrd_tree *t, const char *name, uint32_t mode, uint32_t ino,
       uint32_t nlink, const char *data)
{
  struct cpio_entry e = {
    .name = name, .ino = ino, .mode = mode, .nlink = nlink,
    .size = (uint32_t) strlen (data), .data = (const uint8_t *) data,
  };

  assert_int_equal (initrd_tree_apply (t, &e, 0), 0);
}

/* C1: a directory over a symlink replaces it by an empty directory. */
static void
test_c1_dir_over_symlink (void **state)
{
  struct stack s = { 0 };
  struct cpio_writer w = { 0 };

  (void) state;
  put_dirs (&w, "usr/lib");
  put_text (&w, "usr/lib/libc.so", "libc");
  cpio_write_symlink (&w, "lib", "usr/lib");
  add_archive (&s, &w);
  put_dirs (&w, "lib/modules");
  add_archive (&s, &w);
  unpack (&s);
  assert_true (initrd_node_is_dir (at (&s, "lib")));
  assert_null (at (&s, "lib/libc.so"));
  assert_non_null (at (&s, "lib/modules"));
  assert_non_null (at (&s, "usr/lib/libc.so"));
  assert_null (at (&s, "usr/lib/modules"));
  done (&s);
}

/* C2: without an entry for lib the files land behind the symlink. */
static void
test_c2_through_symlink (void **state)
{
  struct stack s = { 0 };
  struct cpio_writer w = { 0 };

  (void) state;
  put_dirs (&w, "usr/lib");
  cpio_write_symlink (&w, "lib", "usr/lib");
  add_archive (&s, &w);
  cpio_write_dir (&w, "lib/modules", 0755);
  put_text (&w, "lib/modules/x", "1");
  put_text (&w, "usr/lib/y", "2");
  add_archive (&s, &w);
  unpack (&s);
  assert_true (initrd_node_is_symlink (at (&s, "lib")));
  check_text (&s, "usr/lib/modules/x", "1");
  check_text (&s, "lib/y", "2");
  done (&s);
}

/* C3: a symlink over a directory that is not empty is ignored; an empty
 * one is replaced.
 */
static void
test_c3_symlink_over_dir (void **state)
{
  struct stack s = { 0 };
  struct cpio_writer w = { 0 };

  (void) state;
  put_dirs (&w, "full");
  put_text (&w, "full/x", "1");
  put_dirs (&w, "empty");
  add_archive (&s, &w);
  cpio_write_symlink (&w, "full", "empty");
  cpio_write_symlink (&w, "empty", "full");
  add_archive (&s, &w);
  unpack (&s);
  assert_true (initrd_node_is_dir (at (&s, "full")));
  assert_true (initrd_node_is_symlink (at (&s, "empty")));
  check_text (&s, "empty/x", "1");
  done (&s);
}

/* C4: a missing parent loses the file without a word. */
static void
test_c4_missing_parent (void **state)
{
  struct stack s = { 0 };
  struct cpio_writer w = { 0 };

  (void) state;
  put_text (&w, "no/such/dir", "1");
  put_text (&w, "top", "2");
  put_text (&w, "top/below-a-file", "3");
  add_archive (&s, &w);
  unpack (&s);
  assert_null (at (&s, "no"));
  check_text (&s, "top", "2");
  assert_int_equal (initrd_tree_count (s.img.tree), 1);
  done (&s);
}

/* C5: a file over a directory is ignored, unless that is empty. */
static void
test_c5_file_over_dir (void **state)
{
  struct stack s = { 0 };
  struct cpio_writer w = { 0 };

  (void) state;
  put_dirs (&w, "full/x");
  put_dirs (&w, "empty");
  add_archive (&s, &w);
  put_text (&w, "full", "1");
  put_text (&w, "empty", "2");
  add_archive (&s, &w);
  unpack (&s);
  assert_true (initrd_node_is_dir (at (&s, "full")));
  check_text (&s, "empty", "2");
  done (&s);
}

/* C6: files and symlinks replace each other. */
static void
test_c6_file_and_symlink (void **state)
{
  struct stack s = { 0 };
  struct cpio_writer w = { 0 };

  (void) state;
  put_text (&w, "target", "kept");
  cpio_write_symlink (&w, "link", "target");
  put_text (&w, "file", "old");
  add_archive (&s, &w);
  put_text (&w, "link", "new");
  cpio_write_symlink (&w, "file", "target");
  add_archive (&s, &w);
  unpack (&s);
  assert_true (initrd_node_is_file (at (&s, "link")));
  check_text (&s, "link", "new");
  check_text (&s, "target", "kept");
  assert_true (initrd_node_is_symlink (at (&s, "file")));
  check_text (&s, "file", "kept");
  done (&s);
}

/* C7: a file over a hard link changes all names; C8: a symlink first
 * keeps the others.
 */
static void
test_c7_c8_hard_links (void **state)
{
  struct initrd_tree *t = initrd_tree_new ();
  struct initrd_node *n;

  (void) state;
  assert_non_null (t);
  /* Data comes with the last name only, as cpio writes it. */
  apply (t, "a", S_IFREG | 0644, 7, 3, "");
  apply (t, "b", S_IFREG | 0644, 7, 3, "");
  apply (t, "c", S_IFREG | 0644, 7, 3, "data");
  /* Another type or inode is another file. */
  apply (t, "d", S_IFREG | 0644, 8, 3, "");
  initrd_tree_trailer (t);
  n = initrd_tree_lookup (t, "a", false);
  assert_int_equal (n->inode->nlink, 3);
  assert_int_equal (n->inode->size, 4);
  assert_int_equal (initrd_tree_lookup (t, "d", false)->inode->size, 0);

  /* C7. */
  apply (t, "b", S_IFREG | 0644, 1, 1, "changed");
  assert_int_equal (n->inode->size, 7);

  /* C8. */
  apply (t, "b", S_IFLNK | 0777, 1, 1, "nowhere");
  apply (t, "b", S_IFREG | 0644, 1, 1, "mine");
  assert_int_equal (n->inode->size, 7);
  assert_int_equal (n->inode->nlink, 2);
  assert_int_equal (initrd_tree_lookup (t, "b", false)->inode->size, 4);

  /* After a trailer the same numbers are another file. */
  apply (t, "e", S_IFREG | 0644, 7, 2, "other");
  assert_int_equal (n->inode->nlink, 2);
  /* A link whose first name is gone fails. */
  apply (t, "f", S_IFREG | 0644, 9, 2, "1");
  apply (t, "f", S_IFREG | 0644, 9, 2, "2");
  assert_null (initrd_tree_lookup (t, "f", false));
  initrd_tree_free (t);
}

/* C9: a shorter file leaves nothing of the longer one. */
static void
test_c9_shorter (void **state)
{
  struct stack s = { 0 };
  struct cpio_writer w = { 0 };

  (void) state;
  put_text (&w, "x", "a long text");
  put_text (&w, "y", "text");
  add_archive (&s, &w);
  put_text (&w, "x", "short");
  put_text (&w, "y", "");
  add_archive (&s, &w);
  unpack (&s);
  check_text (&s, "x", "short");
  check_text (&s, "y", "");
  done (&s);
}

/* C10: a directory entry changes the mode of what is there. */
static void
test_c10_mode (void **state)
{
  struct stack s = { 0 };
  struct cpio_writer w = { 0 };

  (void) state;
  cpio_write_dir (&w, "d", 0700);
  put_text (&w, "d/x", "1");
  add_archive (&s, &w);
  cpio_write_dir (&w, "d", 0755);
  add_archive (&s, &w);
  unpack (&s);
  assert_int_equal (at (&s, "d")->inode->mode & 07777, 0755);
  check_text (&s, "d/x", "1");
  done (&s);
}

/* C11, C12: the kernel takes an archive without a trailer, and does not
 * notice one that is cut off.  We refuse both.
 */
static void
test_c11_c12_ends (void **state)
{
  struct cpio_writer w = { 0 };
  struct initrd_image img;
  struct initrd_error e = { 0 };
  size_t cut;

  (void) state;
  put_text (&w, "x", "some text");
  put_text (&w, "y", "some text");
  for (cut = 1; cut <= w.buf.size; ++cut) {
    assert_int_equal (initrd_image_read (w.buf.data, cut, SIZE_MAX, &img,
                                         &e), 0);
    assert_string_equal (e.code, "initrd-unreadable");
    initrd_image_free (&img);
  }
  /* Of the trailer only its padding may be missing. */
  cut = w.buf.size + 110 + sizeof "TRAILER!!!";
  assert_int_equal (cpio_write_end (&w), 0);
  assert_int_equal (initrd_image_read (w.buf.data, cut - 1, SIZE_MAX, &img,
                                       &e), 0);
  initrd_image_free (&img);
  assert_int_equal (initrd_image_read (w.buf.data, cut, SIZE_MAX, &img, &e),
                    1);
  initrd_image_free (&img);
  free (e.text);
  initrd_buf_free (&w.buf);
}

/* The guard sees each kind of damage, and nothing else. */
static void
test_guard (void **state)
{
  static const struct {
    const char *name;
    uint32_t mode;
    const char *damage;
  } cases[] = {
    { "lib", S_IFDIR | 0755, "lib" },
    { "empty", S_IFLNK | 0777, "empty" },
    { "dir", S_IFDIR | 0700, "dir" },
    { "hard1", S_IFREG | 0644, "hard1" },
    { "dir/hard2", S_IFREG | 0644, "dir/hard2" },
    { "lib", S_IFREG | 0644, "lib" },
    { "dir", S_IFDIR | 0755, NULL },
    { "dir", S_IFREG | 0644, NULL }, /* ignored: not empty */
    { "file", S_IFREG | 0600, NULL },
    { "new", S_IFREG | 0644, NULL },
  };
  struct initrd_tree *t;
  size_t i;

  (void) state;
  for (i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    t = initrd_tree_new ();
    apply (t, "dir", S_IFDIR | 0755, 1, 1, "");
    apply (t, "empty", S_IFDIR | 0755, 2, 1, "");
    apply (t, "lib", S_IFLNK | 0777, 3, 1, "dir");
    apply (t, "file", S_IFREG | 0644, 4, 1, "1");
    apply (t, "hard1", S_IFREG | 0644, 5, 2, "");
    apply (t, "dir/hard2", S_IFREG | 0644, 5, 2, "1");
    initrd_tree_trailer (t);
    initrd_tree_guard (t);
    apply (t, cases[i].name, cases[i].mode, 9, 1,
           S_ISDIR (cases[i].mode) ? "" : "x");
    if (cases[i].damage) {
      assert_non_null (initrd_tree_damage (t));
      assert_string_equal (initrd_tree_damage (t), cases[i].damage);
    }
    else
      assert_null (initrd_tree_damage (t));
    initrd_tree_free (t);
  }

  /* The way around a hard link is no damage. */
  t = initrd_tree_new ();
  apply (t, "hard1", S_IFREG | 0644, 5, 2, "");
  apply (t, "hard2", S_IFREG | 0644, 5, 2, "1");
  initrd_tree_guard (t);
  apply (t, "hard1", S_IFLNK | 0777, 9, 1, "nowhere");
  apply (t, "hard1", S_IFREG | 0644, 9, 1, "2");
  assert_null (initrd_tree_damage (t));
  initrd_tree_free (t);
}

/* Paths as a guest resolves them. */
static void
test_paths (void **state)
{
  struct initrd_tree *t = initrd_tree_new ();
  struct initrd_node *n;
  char *path, name[16], longest[257];
  unsigned i;

  (void) state;
  apply (t, ".", S_IFDIR | 0755, 1, 1, "");
  apply (t, "./usr", S_IFDIR | 0755, 1, 1, "");
  apply (t, "/usr/lib/", S_IFDIR | 0755, 1, 1, "");
  apply (t, "usr//lib/../lib/./x", S_IFREG | 0644, 1, 1, "1");
  apply (t, "usr/bin/", S_IFREG | 0644, 1, 1, "1"); /* not a directory */
  apply (t, "usr/lib/.", S_IFREG | 0644, 1, 1, "1"); /* no name */
  apply (t, "..", S_IFREG | 0644, 1, 1, "1");
  apply (t, "", S_IFREG | 0644, 1, 1, "1");
  apply (t, "abs", S_IFLNK | 0777, 1, 1, "/usr/lib");
  apply (t, "rel", S_IFLNK | 0777, 1, 1, "usr/../abs");
  apply (t, "usr/up", S_IFLNK | 0777, 1, 1, "../../../../rel");
  apply (t, "loop1", S_IFLNK | 0777, 1, 1, "loop2");
  apply (t, "loop2", S_IFLNK | 0777, 1, 1, "loop1");
  apply (t, "self", S_IFLNK | 0777, 1, 1, "self/self");
  apply (t, "dangling", S_IFLNK | 0777, 1, 1, "nowhere");
  apply (t, "rel/y", S_IFREG | 0644, 1, 1, "2");
  apply (t, "loop1/z", S_IFREG | 0644, 1, 1, "3");
  assert_null (initrd_tree_lookup (t, "usr/bin", true));
  n = initrd_tree_lookup (t, "usr/up/x", true);
  assert_non_null (n);
  path = initrd_node_path (n);
  assert_string_equal (path, "usr/lib/x");
  free (path);
  assert_non_null (initrd_tree_lookup (t, "/abs/y", true));
  assert_non_null (initrd_tree_lookup (t, "loop1", false));
  assert_null (initrd_tree_lookup (t, "loop1", true));
  assert_null (initrd_tree_lookup (t, "self/self", true));
  assert_null (initrd_tree_lookup (t, "dangling", true));
  assert_null (initrd_tree_lookup (t, "usr/lib/x/z", true));
  /* 255 bytes are a name, 256 are not. */
  memset (longest, 'n', 256);
  longest[256] = '\0';
  apply (t, longest, S_IFREG | 0644, 1, 1, "1");
  assert_null (initrd_tree_lookup (t, longest, true));
  apply (t, longest + 1, S_IFREG | 0644, 1, 1, "1");
  assert_non_null (initrd_tree_lookup (t, longest + 1, true));
  /* 41 symlinks are too many, 40 are not. */
  for (i = 0; i < 41; ++i) {
    static char targets[41][16];

    snprintf (name, sizeof name, "l%u", i);
    if (i == 0)
      snprintf (targets[i], sizeof targets[i], "usr");
    else
      snprintf (targets[i], sizeof targets[i], "l%u", i - 1);
    apply (t, name, S_IFLNK | 0777, 1, 1, targets[i]);
  }
  assert_non_null (initrd_tree_lookup (t, "l39", true));
  assert_null (initrd_tree_lookup (t, "l40", true));
  initrd_tree_free (t);
}

/* The table of names grows, and walks see every name once. */
static void
test_many (void **state)
{
  struct initrd_tree *t = initrd_tree_new ();
  struct initrd_node *root = initrd_tree_root (t), *n;
  char name[32];
  unsigned i, seen = 0;

  (void) state;
  for (i = 0; i < 10000; ++i) {
    if (i % 100 == 0) {
      snprintf (name, sizeof name, "d%u", i / 100);
      apply (t, name, S_IFDIR | 0755, 1, 1, "");
    }
    snprintf (name, sizeof name, "d%u/f%u", i / 100, i);
    apply (t, name, S_IFREG | 0644, 1, 1, "");
  }
  for (n = initrd_node_walk (root, root); n; n = initrd_node_walk (root, n))
    seen++;
  assert_int_equal (seen, 10100);
  assert_int_equal (initrd_tree_count (t), 10100);
  assert_non_null (initrd_tree_lookup (t, "d99/f9999", false));
  initrd_tree_free (t);
}

/* Entries that the kernel skips, and those that it trips over. */
static void
test_reader (void **state)
{
  struct cpio_writer w = { 0 };
  struct cpio_meta fifo = { .mode = S_IFIFO | 0600 };
  struct cpio_entry e;
  const char *err;
  char name[64];
  size_t pos = 0, i;

  (void) state;
  /* Data without being a file: skipped with its data. */
  assert_int_equal (cpio_write (&w, "fifo", &fifo, "data", 4), 0);
  put_text (&w, "x", "1");
  assert_int_equal (cpio_next (w.buf.data, w.buf.size, &pos, &e, &err),
                    CPIO_IGNORED);
  assert_int_equal (cpio_next (w.buf.data, w.buf.size, &pos, &e, &err),
                    CPIO_ENTRY);
  assert_string_equal (e.name, "x");
  assert_int_equal (pos, w.buf.size);

  /* Numbers that would overflow in 32 bits. */
  for (i = 0; i < 13; ++i) {
    w.buf.size = 0;
    put_text (&w, "x", "1");
    memset (w.buf.data + 6 + i * 8, 'f', 8);
    pos = 0;
    if (i == 6 || i == 11)
      assert_int_equal (cpio_next (w.buf.data, w.buf.size, &pos, &e, &err),
                        CPIO_BAD);
    w.buf.data[6 + i * 8] = ' ';
    pos = 0;
    assert_int_equal (cpio_next (w.buf.data, w.buf.size, &pos, &e, &err),
                      CPIO_BAD);
  }
  /* "070702" has a checksum. */
  w.buf.size = 0;
  put_text (&w, "x", "12");
  w.buf.data[5] = '2';
  pos = 0;
  assert_int_equal (cpio_next (w.buf.data, w.buf.size, &pos, &e, &err),
                    CPIO_BAD);
  snprintf (name, sizeof name, "%08x", '1' + '2');
  memcpy (w.buf.data + 6 + 12 * 8, name, 8);
  pos = 0;
  assert_int_equal (cpio_next (w.buf.data, w.buf.size, &pos, &e, &err),
                    CPIO_ENTRY);
  /* "070707" is another format. */
  w.buf.data[5] = '7';
  pos = 0;
  assert_int_equal (cpio_next (w.buf.data, w.buf.size, &pos, &e, &err),
                    CPIO_BAD);
  initrd_buf_free (&w.buf);
}

/* Archives inside a compressed member: several, with zeroes between, each
 * at a multiple of 4.
 */
static void
test_members (void **state)
{
  struct cpio_writer w = { 0 };
  struct initrd_buf raw = { 0 }, image = { 0 };
  struct initrd_image img;
  struct initrd_error e = { 0 };
  int odd;

  (void) state;
  for (odd = 0; odd < 2; ++odd) {
    raw.size = image.size = 0;
    put_text (&w, "a", "1");
    make_image (&raw, INITRD_FORMAT_CPIO, &w);
    initrd_buf_zeroes (&raw, 8 + (size_t) odd);
    put_text (&w, "b", "2");
    make_image (&raw, INITRD_FORMAT_CPIO, &w);
    put_segment (&image, INITRD_FORMAT_GZIP, raw.data, raw.size);
    if (odd) {
      assert_int_equal (initrd_image_read (image.data, image.size, SIZE_MAX,
                                           &img, &e), 0);
      assert_non_null (strstr (e.text, "multiple of 4"));
    }
    else {
      assert_int_equal (initrd_image_read (image.data, image.size, SIZE_MAX,
                                           &img, &e), 1);
      assert_int_equal (img.nr_segments, 1);
      assert_int_equal (img.segments[0].archives, 2);
      assert_non_null (initrd_tree_lookup (img.tree, "b", false));
    }
    initrd_image_free (&img);
  }
  free (e.text);
  initrd_buf_free (&raw);
  initrd_buf_free (&image);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_c1_dir_over_symlink),
    cmocka_unit_test (test_c2_through_symlink),
    cmocka_unit_test (test_c3_symlink_over_dir),
    cmocka_unit_test (test_c4_missing_parent),
    cmocka_unit_test (test_c5_file_over_dir),
    cmocka_unit_test (test_c6_file_and_symlink),
    cmocka_unit_test (test_c7_c8_hard_links),
    cmocka_unit_test (test_c9_shorter),
    cmocka_unit_test (test_c10_mode),
    cmocka_unit_test (test_c11_c12_ends),
    cmocka_unit_test (test_guard),
    cmocka_unit_test (test_paths),
    cmocka_unit_test (test_many),
    cmocka_unit_test (test_reader),
    cmocka_unit_test (test_members),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
