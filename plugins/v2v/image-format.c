/* SPDX-License-Identifier: BSD-3-Clause */

/* Names and marks of image formats. */

#include <config.h>

#include <string.h>
#include <strings.h>

#include "image-format.h"
#include "v2v-utils.h"

static const struct {
  const char *word, *format;
} formats[] = {
  { "raw", "raw" },     { "img", "raw" },   { "bin", "raw" },
  { "qcow2", "qcow2" }, { "vmdk", "vmdk" }, { "vdi", "vdi" },
  { "vhd", "vhd" },     { "vpc", "vhd" },   { "vhdx", "vhdx" },
};

const char *
image_format (const char *format)
{
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (formats); ++i)
    if (strcasecmp (formats[i].word, format) == 0)
      return formats[i].format;
  return NULL;
}

const char *
image_format_of_name (const char *name)
{
  const char *p = strrchr (name, '.');

  if (p == NULL || strchr (p, '/'))
    return NULL;
  return image_format (p + 1);
}

const char *
image_mark (const struct blob *b)
{
  static const char vmdk_text[] = "# Disk DescriptorFile";
  char buf[512];

  memset (buf, 0, sizeof buf);
  if (!blob_pread (b, buf, V2V_MIN (b->size, sizeof buf), 0))
    return NULL;
  if (memcmp (buf, "QFI\xfb", 4) == 0)
    return "qcow2";
  if (memcmp (buf, "KDMV", 4) == 0 ||
      strncasecmp (buf, vmdk_text, sizeof vmdk_text - 1) == 0)
    return "vmdk";
  if (memcmp (buf, "vhdxfile", 8) == 0)
    return "vhdx";
  if (memcmp (buf, "conectix", 8) == 0)
    return "vhd";
  if (memcmp (buf + 0x40, "\x7f\x10\xda\xbe", 4) == 0)
    return "vdi";
  return NULL;
}
