# The program, one binary with commands; and the tests that need all of it.
file(GLOB cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.cpp)
set(cli_tests ${cli_sources})
list(FILTER cli_sources EXCLUDE REGEX "_test\\.cpp$")
list(FILTER cli_tests INCLUDE REGEX "_test\\.cpp$")
if(cli_sources)
  add_executable(millrace ${cli_sources})
  target_link_libraries(millrace PRIVATE millrace_options millrace::server millrace::client millrace::conform millrace::load CLI11::CLI11 spdlog::spdlog)
  target_compile_definitions(millrace PRIVATE MILLRACE_VERSION="${PROJECT_VERSION}")
  install(TARGETS millrace RUNTIME DESTINATION bin)
endif()
if(MILLRACE_TESTS AND cli_tests)
  millrace_test(millrace_cli_test ${cli_tests} ${PROJECT_SOURCE_DIR}/src/cli/exit_status.cpp ${PROJECT_SOURCE_DIR}/src/cli/console.cpp)
  target_link_libraries(millrace_cli_test PRIVATE millrace::client)
endif()

file(GLOB wire_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/wire/*_test.cpp)
if(MILLRACE_TESTS AND wire_tests)
  millrace_test(millrace_wire_test ${wire_tests})
  target_link_libraries(millrace_wire_test PRIVATE millrace::server millrace::client millrace::conform)
endif()
# A program of its own: it replaces operator new.
file(GLOB allocation_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/allocation/*_test.cpp)
if(MILLRACE_TESTS AND allocation_tests)
  millrace_test(millrace_allocation_test ${allocation_tests})
  target_link_libraries(millrace_allocation_test PRIVATE millrace::server millrace::client)
endif()
if(MILLRACE_TESTS)
  # The link of bench/wan is a measuring instrument: its arithmetic is tested even where the benchmarks are not built.
  millrace_test(millrace_wan_test ${PROJECT_SOURCE_DIR}/bench/wan/link_model_test.cpp)
endif()

# The way of media in virtual time. Its links are those of bench/wan.
file(GLOB sim_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/sim/*_test.cpp)
if(MILLRACE_TESTS AND sim_tests)
  millrace_test(millrace_sim_test ${sim_tests})
  target_include_directories(millrace_sim_test PRIVATE ${PROJECT_SOURCE_DIR}/bench)
  target_link_libraries(millrace_sim_test PRIVATE millrace::rtmp millrace::net)
endif()

# Media through muxer and packager into files, for test/e2e.
if(MILLRACE_TESTS)
  foreach(dump mux_dump hls_dump)
    add_executable(${dump} ${PROJECT_SOURCE_DIR}/test/hls/${dump}.cpp)
    target_include_directories(${dump} PRIVATE ${PROJECT_SOURCE_DIR}/test)
    target_link_libraries(${dump} PRIVATE millrace_options millrace::hls)
  endforeach()
endif()

# A hostile client, a program of its own that starts the server as a process: test/e2e/test_hostile.py, ./x hostile.
option(MILLRACE_HOSTILE "Build the hostile client where no tests are built" OFF)
if(MILLRACE_TESTS OR MILLRACE_HOSTILE)
  file(GLOB hostile_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/hostile/*.cpp)
  add_executable(millrace_hostile ${hostile_sources})
  target_include_directories(millrace_hostile PRIVATE ${PROJECT_SOURCE_DIR}/test)
  target_link_libraries(millrace_hostile PRIVATE millrace_options millrace::conform)
  # As for the scripts of conform: long coroutines.
  target_compile_options(millrace_hostile PRIVATE $<$<CONFIG:Debug>:-O0> $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete>)
endif()
