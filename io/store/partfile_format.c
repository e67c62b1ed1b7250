#include "io/store/partfile_internal.h"

#include <stdio.h>
#include <string.h>

const char partfile_format_name[] = "nrmflow-part";

const size_t partfile_element_bytes[PARTFILE_NTYPES] = {4, 8, 4, 8};

hid_t partfile_memory_type(enum partfile_type type)
{
    const hid_t types[PARTFILE_NTYPES] = {H5T_NATIVE_FLOAT, H5T_NATIVE_DOUBLE, H5T_NATIVE_INT32, H5T_NATIVE_INT64};

    return types[type];
}

hid_t partfile_file_type(enum partfile_type type)
{
    const hid_t types[PARTFILE_NTYPES] = {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_STD_I32LE, H5T_STD_I64LE};

    return types[type];
}

bool partfile_good_columns(const struct partfile_column *columns, size_t ncolumns, size_t rows_per_block)
{
    if (ncolumns == 0 || ncolumns > PARTFILE_MAX_COLUMNS || rows_per_block == 0 || rows_per_block > PARTFILE_MAX_BLOCK)
        return false;
    for (size_t i = 0; i < ncolumns; i++) {
        size_t nbytes = partfile_element_bytes[columns[i].type];

        if (__builtin_mul_overflow(nbytes, columns[i].width, &nbytes) || nbytes == 0 || nbytes > PARTFILE_MAX_ROW ||
            nbytes * rows_per_block > PARTFILE_MAX_BLOCK_BYTES)
            return false;
    }
    return true;
}

bool partfile_column_path(char path[static PARTFILE_PATH], const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length > PARTFILE_MAX_NAME || strchr(name, '/') || name[0] == '.')
        return false;
    snprintf(path, PARTFILE_PATH, "columns/%s", name);
    return true;
}
