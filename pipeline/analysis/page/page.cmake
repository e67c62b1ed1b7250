# Sets REPORT_PAGE_SOURCE, the C source of the report's page: pipeline/analysis/report.h says what for.
#
#   NRMFLOW_REPORT=AUTO  bundle the page if Node.js, npm and the packages of package-lock.json can be had (default)
#   NRMFLOW_REPORT=ON    the same, but fail where they cannot
#   NRMFLOW_REPORT=OFF   build without it
set(NRMFLOW_REPORT AUTO CACHE STRING "Bundle the page of `nrmflow report`: AUTO, ON or OFF")
set_property(CACHE NRMFLOW_REPORT PROPERTY STRINGS AUTO ON OFF)
set(REPORT_DIR ${PROJECT_SOURCE_DIR}/pipeline/analysis/page)
set(REPORT_BUILD ${PROJECT_BINARY_DIR}/report)
set(REPORT_PAGE_SOURCE ${REPORT_BUILD}/report_page.c)

# Install what package-lock.json names into the build folder, unless that is there; REPORT_MISSING says what is missing.
function(report_install_packages)
    find_program(NODE_EXECUTABLE NAMES node nodejs)
    find_program(NPM_EXECUTABLE NAMES npm)
    if(NOT NODE_EXECUTABLE OR NOT NPM_EXECUTABLE)
        set(REPORT_MISSING "Node.js and npm are not installed" PARENT_SCOPE)
        return()
    endif()
    execute_process(COMMAND ${NODE_EXECUTABLE} -p "process.versions.node.split('.')[0] >= 18" OUTPUT_VARIABLE RECENT
        OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT RECENT STREQUAL "true")
        set(REPORT_MISSING "Node.js is older than 18" PARENT_SCOPE)
        return()
    endif()
    file(SHA256 ${REPORT_DIR}/package-lock.json LOCK)
    set(INSTALLED "")
    if(EXISTS ${REPORT_BUILD}/installed)
        file(READ ${REPORT_BUILD}/installed INSTALLED)
    endif()
    if(INSTALLED STREQUAL LOCK)
        return()
    endif()
    message(STATUS "Installing the packages of the report's page")
    file(COPY ${REPORT_DIR}/package.json ${REPORT_DIR}/package-lock.json ${REPORT_DIR}/.npmrc DESTINATION ${REPORT_BUILD})
    execute_process(COMMAND ${NPM_EXECUTABLE} ci --ignore-scripts --fetch-retries=1 --fetch-timeout=60000
        WORKING_DIRECTORY ${REPORT_BUILD} RESULT_VARIABLE FAILED OUTPUT_QUIET ERROR_VARIABLE REASON TIMEOUT 300)
    if(FAILED)
        string(REGEX MATCH "npm (error|ERR!)[^\n]*" REASON "${REASON}")
        set(REPORT_MISSING "its packages cannot be installed (${REASON})" PARENT_SCOPE)
    else()
        file(WRITE ${REPORT_BUILD}/installed ${LOCK})
    endif()
endfunction()

set(REPORT_MISSING "")
if(NRMFLOW_REPORT STREQUAL "OFF")
    set(REPORT_MISSING "NRMFLOW_REPORT is OFF")
else()
    report_install_packages()
endif()
if(REPORT_MISSING)
    if(NRMFLOW_REPORT STREQUAL "ON")
        message(FATAL_ERROR "The page of `nrmflow report` cannot be built: ${REPORT_MISSING}")
    endif()
    message(STATUS "Building without the page of `nrmflow report`: ${REPORT_MISSING}")
    configure_file(${REPORT_DIR}/report_page_none.c.in ${REPORT_PAGE_SOURCE} COPYONLY)
else()
    file(GLOB REPORT_SOURCES CONFIGURE_DEPENDS ${REPORT_DIR}/*.js ${REPORT_DIR}/*.css ${REPORT_DIR}/*.html ${REPORT_DIR}/*.mjs)
    add_custom_command(OUTPUT ${REPORT_PAGE_SOURCE}
        COMMAND ${NODE_EXECUTABLE} ${REPORT_DIR}/build.mjs ${REPORT_BUILD} ${REPORT_PAGE_SOURCE}
        DEPENDS ${REPORT_SOURCES} ${REPORT_BUILD}/installed
        COMMENT "Bundling the page of `nrmflow report`" VERBATIM)
endif()
