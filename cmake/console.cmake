# The console: console/ bundled by esbuild and put into the program. Modules and bundle lie in the build folder; npm is asked only when the lock file
# has changed, so that it builds without a network once its modules are there.
option(MILLRACE_CONSOLE "Build the console, the page at / (needs node >= 18 and npm)" ON)

# millrace_console(TARGET): defines millrace::server::console_files in TARGET, empty without the option.
function(millrace_console target)
  set(source ${PROJECT_SOURCE_DIR}/console)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/console)
  if(NOT MILLRACE_CONSOLE)
    file(CONFIGURE OUTPUT ${out}/none.cpp CONTENT [[
#include "http/static_files.hpp"
namespace millrace::server {
extern const std::span<const http::static_file> console_files;
constinit const std::span<const http::static_file> console_files{};
}  // namespace millrace::server
]] @ONLY)
    target_sources(${target} PRIVATE ${out}/none.cpp)
    return()
  endif()

  find_program(MILLRACE_NODE NAMES node nodejs)
  find_program(MILLRACE_NPM NAMES npm)
  set(version "")
  if(MILLRACE_NODE)
    execute_process(COMMAND ${MILLRACE_NODE} --version OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    string(REGEX REPLACE "^v" "" version "${version}")
  endif()
  if(NOT MILLRACE_NODE OR NOT MILLRACE_NPM OR version VERSION_LESS 18)
    set(found "node is ${version}")
    if(NOT MILLRACE_NODE)
      set(found "there is no node")
    elseif(NOT MILLRACE_NPM)
      set(found "there is no npm")
    endif()
    message(FATAL_ERROR "The console needs node >= 18 and npm, and ${found}: install them (Debian: nodejs, npm; ./x does), or configure with -DMILLRACE_CONSOLE=OFF.")
  endif()

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${source}/src/*)
  add_custom_command(OUTPUT ${out}/modules.stamp
    COMMAND ${CMAKE_COMMAND} -D SOURCE=${source} -D OUT=${out} -D NPM=${MILLRACE_NPM} -P ${PROJECT_SOURCE_DIR}/cmake/console_modules.cmake
    DEPENDS ${source}/package.json ${source}/package-lock.json ${PROJECT_SOURCE_DIR}/cmake/console_modules.cmake
    COMMENT "Modules of the console" VERBATIM)
  add_custom_command(OUTPUT ${out}/table.cpp ${out}/bytes.S
    COMMAND ${MILLRACE_NODE} ${source}/build.mjs --modules ${out} --out ${out}/dist --table ${out}/table.cpp --bytes ${out}/bytes.S
    DEPENDS ${sources} ${source}/build.mjs ${out}/modules.stamp
    COMMENT "Bundling the console" VERBATIM)
  target_sources(${target} PRIVATE ${out}/table.cpp ${out}/bytes.S)
endfunction()
