#include "io/store/internal.h"

static hid_t status_type(void)
{
    hid_t type = H5Tenum_create(H5T_STD_U8LE);

    for (uint8_t i = 0; type >= 0 && i < STORE_NSTATUS; i++)
        if (H5Tenum_insert(type, store_status_name(i), &i) < 0)
            h5_close(&type);
    return type;
}

hid_t store_element_type(enum store_type type, size_t width)
{
    const hid_t types[] = {[STORE_F32] = H5T_NATIVE_FLOAT,
                           [STORE_F64] = H5T_NATIVE_DOUBLE,
                           [STORE_I32] = H5T_NATIVE_INT32,
                           [STORE_I64] = H5T_NATIVE_INT64,
                           [STORE_U64] = H5T_NATIVE_UINT64};

    return type == STORE_STATUS ? status_type() : type == STORE_TEXT ? h5_text_type(width) : H5Tcopy(types[type]);
}

hid_t store_file_type(enum store_type type, size_t width)
{
    const hid_t types[] = {[STORE_F32] = H5T_IEEE_F32LE,
                           [STORE_F64] = H5T_IEEE_F64LE,
                           [STORE_I32] = H5T_STD_I32LE,
                           [STORE_I64] = H5T_STD_I64LE,
                           [STORE_U64] = H5T_STD_U64LE};

    return type == STORE_STATUS ? status_type() : type == STORE_TEXT ? h5_text_type(width) : H5Tcopy(types[type]);
}
