# CPack runs this between installing into its staging folder and packing that. It does what debhelper does to a package: the program without what
# only a linker or debugger reads, documents compressed without a time in them, and no file newer than the source.
set(root ${CPACK_TEMPORARY_DIRECTORY})
set(doc ${root}/usr/share/doc/millrace)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Debian's own changelog is one entry: the project's says the rest. The time is SOURCE_DATE_EPOCH's.
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(version ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
file(WRITE ${doc}/changelog.Debian "millrace (${version}) bookworm; urgency=medium

  * Built from the source of ${CPACK_PACKAGE_VERSION}; changelog.gz says what is new.

 -- ${CPACK_DEBIAN_PACKAGE_MAINTAINER}  ${now}
")

run(strip --strip-unneeded --remove-section=.comment --remove-section=.note ${root}/usr/bin/millrace)
file(GLOB compressed ${root}/usr/share/man/man?/* ${doc}/changelog*)
run(gzip -9n ${compressed})
run(find ${doc} -type d -empty -delete)
run(chmod -R u=rwX,go=rX ${root})
run(chmod 0640 ${root}/etc/millrace/millrace.toml)
run(find ${root} -depth -exec touch -h -d @$ENV{SOURCE_DATE_EPOCH} {} +)
