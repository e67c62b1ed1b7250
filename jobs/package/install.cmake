# What `cmake --install` puts where, and the Debian package (`cpack` in the build folder). Nothing in it knows its place:
# an installation can be moved as a whole.
include(GNUInstallDirs)

# Libraries that were found outside of the system's folders (modules of a cluster, Spack) are found there again.
set_target_properties(nrmflow PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS nrmflow)
install(DIRECTORY ${DOCUMENTATION}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${DOCUMENTATION}/nrmflow DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
# Debian's zsh looks elsewhere below /usr than below /usr/local.
install(CODE "
    set(FOLDER site-functions)
    if(CMAKE_INSTALL_PREFIX STREQUAL \"/usr\" AND EXISTS /etc/debian_version)
        set(FOLDER vendor-completions)
    endif()
    file(INSTALL \"${DOCUMENTATION}/_nrmflow\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/zsh/\${FOLDER}\")")

install(FILES jobs/slurm/imagenet.ini DESTINATION ${CMAKE_INSTALL_DATADIR}/nrmflow)
install(DIRECTORY jobs/demo DESTINATION ${CMAKE_INSTALL_DATADIR}/nrmflow)
install(FILES jobs/package/modulefile DESTINATION ${CMAKE_INSTALL_DATADIR}/nrmflow/modulefiles/nrmflow RENAME ${PROJECT_VERSION})
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "nrmflow <nrmflow@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# mpirun, which is in no library that the program links.
set(CPACK_DEBIAN_PACKAGE_DEPENDS openmpi-bin)
set(CPACK_PACKAGE_DESCRIPTION "Computes how relevant every channel of every layer of a VGG network is for what it says, and
how much relevance flows between which channels, on one machine or a cluster. The result is one HDF5 file.")
include(CPack)
