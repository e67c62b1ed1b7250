# Manual pages and completions, as the built program prints them:
#     cmake -D PROGRAM=nrmflow -D FOLDER=... -P documentation.cmake
# writes FOLDER/man1/nrmflow*.1, FOLDER/nrmflow (for bash) and FOLDER/_nrmflow (for zsh).
function(print_to FILE)
    execute_process(COMMAND "${PROGRAM}" help ${ARGN} OUTPUT_FILE "${FOLDER}/${FILE}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE "${FOLDER}")
file(MAKE_DIRECTORY "${FOLDER}/man1")
print_to(nrmflow --completion bash)
print_to(_nrmflow --completion zsh)
print_to(man1/nrmflow.1 --man)
execute_process(COMMAND "${PROGRAM}" help --json OUTPUT_VARIABLE HELP COMMAND_ERROR_IS_FATAL ANY)
string(JSON COUNT LENGTH "${HELP}" commands)
math(EXPR LAST "${COUNT} - 1")
foreach(I RANGE ${LAST})
    string(JSON NAME GET "${HELP}" commands ${I} name)
    print_to(man1/nrmflow-${NAME}.1 --man ${NAME})
endforeach()
