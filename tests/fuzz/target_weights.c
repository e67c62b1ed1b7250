/* Weights files: an error that names the file, or numbers that are all finite. */
#include "io/weights/pickle.h"
#include "io/weights/weights.h"
#include "tests/fuzz/targets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FLOATS = 1 << 22 };

static void load(const struct weights *w)
{
    size_t n = weights_floats(w);
    struct error err = {0};

    if (n > MAX_FLOATS)
        return;
    float *floats = malloc(n * sizeof *floats);
    if (!floats)
        return;
    enum status rc = weights_load(floats, w, &err);
    fuzz_check(rc, &err);
    for (size_t i = 0; rc == OK && i < n; i++)
        if (!isfinite(floats[i]))
            fuzz_fail("a weight that is not finite");
    free(floats);
}

void fuzz_weights(const char *path, const unsigned char *bytes, size_t nbytes)
{
    struct error err = {0};
    struct weights *w = NULL;

    (void)bytes, (void)nbytes;
    enum status rc = weights_open_container(&w, path, &err);
    if (rc == OK)
        rc = weights_recognise(w, &err);
    fuzz_check(rc, &err);
    if (rc != OK && !strstr(err.message, path))
        fuzz_fail("an error that does not name the file");
    if (rc == OK)
        load(w);
    weights_close(w);
}

void fuzz_pickle(const char *path, const unsigned char *bytes, size_t nbytes)
{
    struct weights_pickle p;
    struct error err = {0};
    size_t nused = 0;

    (void)path;
    enum status rc = weights_pickle_parse(&p, &nused, bytes, nbytes, "pickle", &err);
    fuzz_check(rc, &err);
    if (rc == OK && nused > nbytes)
        fuzz_fail("a pickle that is longer than its bytes");
    weights_pickle_release(&p);
}
