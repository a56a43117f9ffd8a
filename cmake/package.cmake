# What goes into the Debian package, and what it says of itself. `./x package` builds it: tools/package.sh.
option(MILLRACE_PACKAGE "Make man pages and completions, and prepare a Debian package" OFF)
if(NOT MILLRACE_PACKAGE)
  return()
endif()
find_package(Python3 REQUIRED COMPONENTS Interpreter)

# Man pages, completions and the configuration file are the program's own words, so they cannot say anything else than it does.
set(described ${CMAKE_CURRENT_BINARY_DIR}/described)
# A page for each command that is declared there: which ones there are is asked before the program is built.
file(STRINGS src/cli/commands.hpp pages REGEX "^void add_")
list(TRANSFORM pages REPLACE "^void add_([a-z_]+).*" "millrace-\\1.1")
list(TRANSFORM pages REPLACE "_" "-")
list(APPEND pages millrace.1 millrace.toml.5)
list(TRANSFORM pages PREPEND ${described}/)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS src/cli/commands.hpp)
add_custom_command(OUTPUT ${pages} ${described}/millrace.toml ${described}/millrace.bash ${described}/_millrace ${described}/millrace.fish
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/describe_program.py $<TARGET_FILE:millrace> ${described}
  DEPENDS millrace ${PROJECT_SOURCE_DIR}/tools/describe_program.py
  COMMENT "Man pages and completions" VERBATIM)
add_custom_target(millrace_described ALL DEPENDS ${pages})

# The folders of Debian 12. Documents keep their places beside each other, so that their links lead somewhere.
set(doc share/doc/millrace)
foreach(page ${pages})
  string(REGEX MATCH ".$" section ${page})
  install(FILES ${page} DESTINATION share/man/man${section})
endforeach()
install(FILES ${described}/millrace.bash DESTINATION share/bash-completion/completions RENAME millrace)
install(FILES ${described}/_millrace DESTINATION share/zsh/vendor-completions)
install(FILES ${described}/millrace.fish DESTINATION share/fish/vendor_completions.d)
install(FILES ${described}/millrace.toml DESTINATION /etc/millrace)
install(FILES packaging/systemd/millrace.service packaging/systemd/millrace.socket DESTINATION /lib/systemd/system)
install(FILES packaging/grafana/millrace.json DESTINATION share/millrace/grafana)
install(FILES packaging/prometheus/millrace-alerts.yml DESTINATION share/millrace/prometheus)
install(FILES README.md SECURITY.md packaging/debian/copyright DESTINATION ${doc})
install(FILES CHANGELOG.md DESTINATION ${doc} RENAME changelog)
install(DIRECTORY doc/ DESTINATION ${doc}/doc FILES_MATCHING PATTERN *.md PATTERN *.png PATTERN openapi.json PATTERN vectors EXCLUDE)
install(FILES packaging/debian/lintian-overrides DESTINATION share/lintian/overrides RENAME millrace)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME millrace)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/debian/stage.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1~bookworm)
set(CPACK_DEBIAN_PACKAGE_SECTION video)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "ffmpeg, prometheus")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA conffiles postinst prerm postrm)
list(TRANSFORM CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA PREPEND ${PROJECT_SOURCE_DIR}/packaging/debian/)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "media server and client tools for RTMP, also over QUIC")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "millrace takes live streams from encoders such as OBS and FFmpeg, and hands
them to any number of viewers. It speaks RTMP, RTMPS and RTMP over QUIC on one
port, and HTTP-FLV, HLS and Low-Latency HLS on another.
.
Over QUIC a lost packet does not stop what is behind it, a stream survives a
change of the network, and where QUIC does not get through the client is on
RTMPS at once. Programs that know only RTMP gain this by a local bridge.
.
The server needs no configuration to begin with. It has a page that shows
streams, delays and why something stopped, publish keys that are made while it
runs, recordings, an API, and metrics for Prometheus. There are clients to
publish, play and probe, a conformance suite for RTMP servers, and a load
test.")
include(CPack)
