#include "io/store/internal.h"

hid_t store_element_type(enum store_type type)
{
    const hid_t types[] = {
        [STORE_F32] = H5T_NATIVE_FLOAT, [STORE_F64] = H5T_NATIVE_DOUBLE, [STORE_I32] = H5T_NATIVE_INT32,
        [STORE_I64] = H5T_NATIVE_INT64, [STORE_U64] = H5T_NATIVE_UINT64, [STORE_STATUS] = H5T_NATIVE_UINT8};

    return type == STORE_TEXT ? h5_text_type(H5T_VARIABLE) : H5Tcopy(types[type]);
}

hid_t store_file_type(enum store_type type)
{
    const hid_t types[] = {[STORE_F32] = H5T_IEEE_F32LE, [STORE_F64] = H5T_IEEE_F64LE, [STORE_I32] = H5T_STD_I32LE,
                           [STORE_I64] = H5T_STD_I64LE,  [STORE_U64] = H5T_STD_U64LE,  [STORE_STATUS] = H5T_STD_U8LE};

    return type == STORE_TEXT ? h5_text_type(H5T_VARIABLE) : H5Tcopy(types[type]);
}
