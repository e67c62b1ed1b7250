#include "tests/support/model_file.h"

#include "pipeline/run/model_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(bool good, const char *message)
{
    if (!good) {
        fprintf(stderr, "%s\n", message);
        exit(1);
    }
}

void model_file_read(struct loaded_model *model, const char *path)
{
    struct model_description *description = calloc(1, sizeof *description);
    struct model_file file;
    struct error err = {0};

    require(description != NULL, "no memory");
    require(model_file_open(&file, description, path, 0, &err) == OK, err.message);
    model->net = description->net;
    model->weights = calloc(description->nfloats, sizeof *model->weights);
    require(model->weights != NULL, "no memory");
    require(model_file_load(model->weights, &file, &model->net, &err) == OK, err.message);
    model_file_close(&file);
    free(description);
}

void model_file_free(struct loaded_model *model)
{
    free(model->weights);
    model->weights = NULL;
}
