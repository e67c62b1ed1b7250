/* Files and folders of the tests' own, where TMPDIR says. */
#ifndef NRMFLOW_TESTS_SUPPORT_TEMPORARY_H
#define NRMFLOW_TESTS_SUPPORT_TEMPORARY_H

enum { TEMPORARY_PATH = 256 };

/* Make an empty one and write its path; end the program where that fails. The caller removes it. */
void temporary_folder(char path[TEMPORARY_PATH]);
int temporary_file(char path[TEMPORARY_PATH]); /* open for reading and writing */

/* Remove a folder with all that is in it; 0 or an error. */
int temporary_remove(const char *folder);

#endif
